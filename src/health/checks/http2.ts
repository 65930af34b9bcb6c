// One request over HTTP/2 (RFC 9113), on a connection of its own.
import type { ClientHttp2Session, ClientHttp2Stream, OutgoingHttpHeaders } from 'node:http2'
import type { TLSSocket } from 'node:tls'
import { apart } from './apart.js'
import { type ConnectionPlan, type Control, withConnection } from './connection.js'

export interface Http2Plan extends ConnectionPlan {
  /** With those that begin with a colon. */
  readonly headers: OutgoingHttpHeaders
  readonly body?: Uint8Array
}

/**
 * Connects, sends the request and hands its stream over to `listen`. Over TLS the server has to take the protocol `h2`;
 * without, it has to know that we speak it (RFC 9113, 3.3). Settles as {@link withConnection}; a stream that ends before
 * `listen` has settled it is a failure.
 */
export async function withHttp2<T>(
  { headers, body, ...plan }: Http2Plan,
  listen: (stream: ClientHttp2Stream, control: Control<T>) => void,
): Promise<T> {
  // Loaded when it is needed first: it takes as long as a good part of this package.
  const { connect } = await import('node:http2')
  let session: ClientHttp2Session | undefined
  try {
    return await withConnection<T>(plan, (socket, control) => {
      const fail = (error: Error) => control.fail(http2Error(error))
      if (plan.tls !== undefined && (socket as TLSSocket).alpnProtocol !== 'h2')
        throw new Error('the server takes no application protocol of h2')
      session = connect(NOBODY, {
        // Given the plain socket itself, it would take over its handle, and close it without a reset.
        createConnection: () => (plan.tls === undefined ? apart(socket) : socket),
        settings: { enablePush: false },
      })
      session.on('error', fail)
      session.once('close', () => fail(new Error('the server closed the connection')))
      const stream = session.request(headers, { endStream: body === undefined })
      stream.on('error', fail)
      stream.once('close', () => fail(new Error(`the server closed the stream${code(stream)}`)))
      listen(stream, control)
      if (body !== undefined) stream.end(body)
    })
  } finally {
    session?.destroy()
  }
}

/** Nobody's own address: every request says whom it is for. */
const NOBODY = 'http://ipvs.invalid'

function code({ rstCode }: ClientHttp2Stream): string {
  return rstCode === undefined || rstCode === 0 ? '' : ` (error ${rstCode})`
}

function http2Error(error: Error): Error {
  const own = 'code' in error && String(error.code).startsWith('ERR_HTTP2')
  return own ? new Error(`HTTP/2: ${error.message}`, { cause: error }) : error
}
