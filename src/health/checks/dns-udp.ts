// One DNS query over UDP, with a socket of its own.
import { type DnsReply, readReply } from './dns-message.js'
import type { CheckRoute } from './endpoint.js'
import { exchange } from './udp-exchange.js'

/**
 * Sends one query and waits for its reply, until the abort: there is no second try inside a check. Datagrams that
 * do not answer it are ignored.
 *
 * @throws Error (rejects) with `label`, a colon and the reason; its `cause` is the system error, if it was one.
 */
export function askOverUdp(
  endpoint: CheckRoute,
  query: Buffer,
  label: string,
  signal: AbortSignal,
): Promise<DnsReply> {
  return exchange({ endpoint, payload: query, label, signal }, (datagram) =>
    readReply(datagram, query),
  )
}
