// The built-in checks. Each takes its options and returns a Check.
import { dns } from './dns.js'
import { tcp } from './tcp.js'

export const checks = { tcp, dns } as const

export type { DnsCheckOptions, DnsCheckProtocol } from './dns.js'
export type { DnsAnswerRule } from './dns-answer.js'
export type { DnsRcode } from './dns-message.js'
export type { CheckEndpoint, CheckEndpointOptions } from './endpoint.js'
export type { TcpCheckOptions } from './tcp.js'
