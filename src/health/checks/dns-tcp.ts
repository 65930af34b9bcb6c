// One DNS query over TCP or TLS (RFC 7858), on a connection of its own.
import { withConnection } from './connection.js'
import { type DnsReply, readReply } from './dns-message.js'
import type { CheckRoute } from './endpoint.js'
import type { TlsClient } from './tls-client.js'

/**
 * Connects, sends one query and reads one reply. Anything but the reply to this query is a failure: nobody else can
 * write to this connection.
 *
 * @throws Error (rejects) with `label`, a colon and the reason; its `cause` is the system error, if it was one.
 */
export function askOverTcp(
  endpoint: CheckRoute,
  query: Buffer,
  label: string,
  signal: AbortSignal,
  tls?: TlsClient,
): Promise<DnsReply> {
  return withConnection<DnsReply>({ endpoint, tls, label, signal }, (socket, { succeed, fail }) => {
    // Two bytes of length come first (RFC 1035, 4.2.2): no reply is larger than 65,537 bytes.
    let received = Buffer.alloc(0)
    socket.on('data', (chunk) => {
      received = Buffer.concat([received, chunk])
      if (received.length < 2) return
      const length = received.readUInt16BE(0)
      if (received.length < 2 + length) return
      try {
        const reply = readReply(received.subarray(2, 2 + length), query)
        if ('notOurs' in reply) fail(new Error(`malformed reply: ${reply.notOurs}`))
        else succeed(reply)
      } catch (error) {
        fail(error as Error)
      }
    })
    socket.once('end', () => {
      const got =
        received.length === 0
          ? 'before it answered'
          : `in the middle of its answer, after ${received.length} bytes`
      fail(new Error(`the server closed the connection ${got}`))
    })
    const length = Buffer.alloc(2)
    length.writeUInt16BE(query.length)
    // In one piece: some servers expect length and query in one segment.
    socket.write(Buffer.concat([length, query]))
  })
}
