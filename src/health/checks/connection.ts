// One TCP connection of a check: made to a literal address, closed with a reset on every path.
import { connect, type Socket } from 'node:net'
import { describe, describeAbort } from '../outcome.js'
import type { CheckEndpoint } from './endpoint.js'

/** What `talk` gets to end the connection; only the first call counts. */
export interface Ending<T> {
  succeed(value: T): void
  /** `error`: a system error, or one whose message says what happened. */
  fail(error: Error): void
}

/**
 * Connects and hands the socket over to `talk`. Settles when `talk` ends it, at an error or at the abort; nothing
 * is open any more then.
 *
 * @throws Error (rejects) with `label`, a colon and the reason; its `cause` is the system error, if it was one.
 */
export function withConnection<T>(
  endpoint: CheckEndpoint,
  label: string,
  signal: AbortSignal,
  talk: (socket: Socket, ending: Ending<T>) => void,
): Promise<T> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) return reject(new Error(`${label}: ${describeAbort(signal)}`))
    // A literal address: no look-up, nothing on libuv's thread pool.
    const socket = connect({ host: endpoint.address, port: endpoint.port, noDelay: true })
    let connected = false
    let over = false
    const end = () => {
      if (over) return false
      over = true
      signal.removeEventListener('abort', abort)
      closeWithReset(socket)
      return true
    }
    const fail = (error: Error) => {
      if (end()) reject(new Error(`${label}: ${describe(error)}`, { cause: error }))
    }
    const abort = () =>
      fail(new Error(`${describeAbort(signal)}${connected ? '' : ' (no connection)'}`))
    signal.addEventListener('abort', abort, { once: true })
    // Stays after the end: a reset that crosses ours must not be thrown.
    socket.on('error', fail)
    socket.once('connect', () => {
      if (over) return
      connected = true
      talk(socket, {
        succeed: (value) => {
          if (end()) resolve(value)
        },
        fail,
      })
    })
  })
}

/** A reset leaves no TIME_WAIT on either side, of which a check per second and member would make thousands. */
function closeWithReset(socket: Socket): void {
  // Without a connection there is nothing to reset; resetAndDestroy would wait for it.
  if (socket.connecting || socket.destroyed) socket.destroy()
  else socket.resetAndDestroy()
}
