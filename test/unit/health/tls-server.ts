// TLS for the servers of loopback.ts.
import {
  createSecureContext,
  type SecureContextOptions,
  TLSSocket,
  type TLSSocketOptions,
} from 'node:tls'
import type { MadeCertificate } from './certificate.js'
import type { TcpHandler } from './loopback.js'

export type TlsServerOptions = TLSSocketOptions & SecureContextOptions

/**
 * A TCP handler that hands the socket over before the handshake. With TLS 1.3 a client that goes at once may be gone
 * before the server has seen the end of the handshake (`secure`), with 1.2 never.
 */
export function overTls(
  { cert, key }: MadeCertificate,
  handler: (secure: TLSSocket) => void = () => {},
  options: TlsServerOptions = {},
): TcpHandler {
  const secureContext = createSecureContext({ cert, key, ...options })
  return (socket) => {
    const secure = new TLSSocket(socket, { isServer: true, ...options, secureContext })
    secure.on('error', () => {})
    secure.resume()
    handler(secure)
  }
}
