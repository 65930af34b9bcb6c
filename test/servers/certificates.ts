// Certificates for the servers under test: a good one, one that has expired, and the authority of both.
import { daysFromNow, makeCertificate } from '../unit/health/certificate.js'

export const authority = makeCertificate({ name: 'Test authority', authority: true })
export const good = makeCertificate({ name: 'server.test', issuer: authority })
export const expired = makeCertificate({
  name: 'server.test',
  issuer: authority,
  notBefore: daysFromNow(-20),
  notAfter: daysFromNow(-10),
})
export const trust = { ca: authority.cert, serverName: 'server.test' }
