// One DNS query over UDP, with a socket of its own.
import { createSocket } from 'node:dgram'
import { describe, describeAbort } from '../outcome.js'
import { type DnsQuestion, type DnsReply, encodeQuery, readReply } from './dns-message.js'
import type { CheckEndpoint } from './endpoint.js'

/**
 * Sends one query and waits for its reply, until the abort: there is no second try inside a check. Datagrams that
 * do not answer it are ignored.
 *
 * @throws Error (rejects) with `label`, a colon and the reason; its `cause` is the system error, if it was one.
 */
export function askOverUdp(
  endpoint: CheckEndpoint,
  question: DnsQuestion,
  id: number,
  label: string,
  signal: AbortSignal,
): Promise<DnsReply> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) return reject(new Error(`${label}: ${describeAbort(signal)}`))
    const query = encodeQuery(question, id)
    const socket = createSocket({
      type: endpoint.address.includes(':') ? 'udp6' : 'udp4',
      // The address is a literal: dns.lookup, and with it libuv's thread pool, is never asked.
      lookup: (address, _options, found) => found(null, address, address.includes(':') ? 6 : 4),
    })
    let over = false
    const ignored = new Map<string, number>()

    const end = () => {
      if (over) return false
      over = true
      signal.removeEventListener('abort', abort)
      socket.close()
      return true
    }
    const fail = (error: Error) => {
      if (end()) reject(new Error(`${label}: ${describe(error)}`, { cause: error }))
    }
    const abort = () => {
      const also = [...ignored].map(([why, count]) => `${count} ignored: ${why}`).join(', ')
      fail(new Error(`${describeAbort(signal)}${also === '' ? '' : ` (${also})`}`))
    }
    signal.addEventListener('abort', abort, { once: true })
    socket.on('error', fail)
    socket.on('message', (message) => {
      if (over) return
      try {
        const reply = readReply(message, id, question)
        if (!('notOurs' in reply)) {
          if (end()) resolve(reply)
        } else {
          ignored.set(reply.notOurs, (ignored.get(reply.notOurs) ?? 0) + 1)
        }
      } catch (error) {
        fail(error as Error)
      }
    })
    socket.once('connect', () => {
      if (over) return
      socket.send(query, (error) => {
        if (error !== null) fail(error)
      })
    })
    // Connected: the kernel drops what others send, and an ICMP refusal comes back as ECONNREFUSED.
    // No callback: with one, errors would go there and not to 'error'.
    socket.connect(endpoint.port, endpoint.address)
  })
}
