// The built-in checks. Each takes its options and returns a Check.
import { all, any, atLeast, not } from './combine.js'
import { dns } from './dns.js'
import { http } from './http.js'
import { tcp } from './tcp.js'
import { tls } from './tls.js'
import { udp } from './udp.js'

export const checks = { tcp, udp, dns, http, tls, all, any, atLeast, not } as const

export type { ContentRule } from './content.js'
export type { DnsCheckOptions, DnsCheckProtocol } from './dns.js'
export type { DnsAnswerRule } from './dns-answer.js'
export type { DnsRcode } from './dns-message.js'
export type { CheckEndpoint, CheckEndpointOptions } from './endpoint.js'
export type { HttpCheckOptions } from './http.js'
export type { HttpStatusRule } from './http-rules.js'
export type { TcpCheckOptions } from './tcp.js'
export type { TlsCheckOptions } from './tls.js'
export type { CheckTlsOptions, CheckTlsVersion } from './tls-client.js'
export type { UdpCheckOptions } from './udp.js'
