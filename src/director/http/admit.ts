// Who may ask: by the name of the host that is asked, and by the token.
import { createHash, timingSafeEqual } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import { BlockList, isIP } from 'node:net'
import type { HttpConfig } from '../config/read.js'

/**
 * Whether the request is meant for us. A page of somebody else's whose name leads to our address (DNS rebinding) asks by that
 * name; an address and `localhost` are nobody's to give.
 */
export function isForUs({ headers }: IncomingMessage, { hosts }: HttpConfig): boolean {
  const [, ipv6, name = ''] =
    /^(?:\[([0-9a-f:.]+)\]|([^:@/[\]\s]+))(?::\d{1,5})?$/i.exec(headers.host ?? '') ?? []
  if (ipv6 !== undefined) return isIP(ipv6) === 6
  const asked = plain(name)
  return isIP(asked) === 4 || asked === 'localhost' || hosts.some((one) => plain(one) === asked)
}

const plain = (name: string) => name.toLowerCase().replace(/\.$/, '')

/** Whether the request bears the token, where one is wanted. Takes as long for a wrong one as for the right one. */
export function knowsToken({ headers }: IncomingMessage, { token }: HttpConfig): boolean {
  if (token === undefined) return true
  const [, given] = /^Bearer +(.*\S)/i.exec(headers.authorization ?? '') ?? []
  return given !== undefined && timingSafeEqual(digest(given), digest(token))
}

const digest = (text: string) => createHash('sha256').update(text).digest()

const loopback = new BlockList()
loopback.addSubnet('127.0.0.0', 8, 'ipv4')
loopback.addAddress('::1', 'ipv6')

/** What a person should know of where it listens; `undefined`: nothing. */
export function warningOf({ host, port, token }: HttpConfig): string | undefined {
  const isOwn = loopback.check(host, isIP(host) === 6 ? 'ipv6' : 'ipv4')
  if (isOwn || token !== undefined) return undefined
  const shown = isIP(host) === 6 ? `[${host}]:${port}` : `${host}:${port}`
  return (
    `http ${shown} is no loopback address and asks for no token: whoever reaches it sees pools, servers and connections. ` +
    'Give it a token (http: { listen: …, token: { file: PATH } }), or listen on 127.0.0.1'
  )
}
