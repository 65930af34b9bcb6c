// The built-in checks. Each takes its options and returns a Check.
import { all, any, atLeast, not } from './combine.js'
import { dns } from './dns.js'
import { expect } from './expect.js'
import { http } from './http.js'
import { imap } from './imap.js'
import { ldap } from './ldap.js'
import { mysql } from './mysql.js'
import { pop3 } from './pop3.js'
import { redis } from './redis.js'
import { smtp } from './smtp.js'
import { tcp } from './tcp.js'
import { tls } from './tls.js'
import { udp } from './udp.js'

export const checks = {
  tcp,
  udp,
  dns,
  http,
  tls,
  expect,
  smtp,
  pop3,
  imap,
  mysql,
  ldap,
  redis,
  all,
  any,
  atLeast,
  not,
} as const

export type { ContentRule } from './content.js'
export type { DnsCheckOptions, DnsCheckProtocol } from './dns.js'
export type { DnsAnswerRule } from './dns-answer.js'
export type { DnsRcode } from './dns-message.js'
export type { CheckEndpoint, CheckEndpointOptions } from './endpoint.js'
export type { ExpectCheckOptions, ExpectRule, ExpectStep } from './expect.js'
export type { HttpCheckOptions } from './http.js'
export type { HttpStatusRule } from './http-rules.js'
export type { ImapCheckOptions } from './imap.js'
export type { LdapCheckOptions } from './ldap.js'
export type { MysqlCheckOptions } from './mysql.js'
export type { Pop3CheckOptions } from './pop3.js'
export type { RedisCheckOptions } from './redis.js'
export type { SmtpCheckOptions } from './smtp.js'
export type { TcpCheckOptions } from './tcp.js'
export type { TlsCheckOptions } from './tls.js'
export type { CheckTlsOptions, CheckTlsVersion } from './tls-client.js'
export type { UdpCheckOptions } from './udp.js'
