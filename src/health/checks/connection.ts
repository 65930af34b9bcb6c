// One connection of a check, over TCP or TLS: made to a literal address, closed with a reset on every path.
import { connect, type Socket } from 'node:net'
import { constants } from 'node:os'
import type { TLSSocket } from 'node:tls'
import { onAbort } from '../../abort.js'
import { describe, describeAbort } from '../outcome.js'
import type { CheckRoute } from './endpoint.js'
import { withSocket } from './own-socket.js'
import { distrust, layTls, type TlsClient, tlsError } from './tls-client.js'

export interface ConnectionPlan {
  readonly endpoint: CheckRoute
  /** Makes the connection with TLS from the start. */
  readonly tls?: TlsClient | undefined
  /** What the reasons begin with: `tcp 10.1.0.1:80`. */
  readonly label: string
  readonly signal: AbortSignal
}

/** What `talk` gets beside the socket. Only the first `succeed` or `fail` counts. */
export interface Control<T> {
  succeed(value: T): void
  /** `error`: a system error, or one whose message says what happened. */
  fail(error: Error): void
  /**
   * Begins TLS on a connection without it; `then` is called after the handshake, if the certificate is as it should
   * be. The caller leaves the plain socket alone from now on, without listeners for its data.
   */
  startTls(client: TlsClient, then: (secure: TLSSocket) => void): void
}

/**
 * Connects and hands the socket over to `talk`. Settles when `talk` ends it, at an error or at the abort; nothing
 * is open any more then. `talk` does not close the socket itself, and hears of the other side's end by `end`.
 *
 * @throws Error (rejects) with `label`, a colon and the reason; its `cause` is the system error, if it was one.
 */
export function withConnection<T>(
  { endpoint, tls, label, signal }: ConnectionPlan,
  talk: (socket: Socket, control: Control<T>) => void,
): Promise<T> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) return reject(new Error(`${label}: ${describeAbort(signal)}`))
    let socket: Socket
    try {
      socket = dial(endpoint)
    } catch (error) {
      return reject(new Error(`${label}: ${describe(error)}`, { cause: error }))
    }
    let secure: TLSSocket | undefined
    let missing = ' (no connection)'
    let over = false
    const end = () => {
      if (over) return false
      over = true
      forget()
      closeWithReset(socket)
      secure?.destroy()
      return true
    }
    const fail = (error: Error) => {
      if (end()) reject(new Error(`${label}: ${describe(error)}`, { cause: error }))
    }
    const abort = () => fail(new Error(`${describeAbort(signal)}${missing}`))
    // Thrown out of an event, an error would end the process.
    const attempt = (step: () => void) => {
      try {
        step()
      } catch (error) {
        fail(error instanceof Error ? error : new Error(String(error)))
      }
    }
    const control: Control<T> = {
      succeed: (value) => {
        if (end()) resolve(value)
      },
      fail,
      startTls: (client, then) => {
        if (over) return
        missing = ' (no TLS handshake)'
        const layer = layTls(socket, client)
        secure = layer
        layer.on('error', (error) => fail(tlsError(error, client)))
        layer.once('secureConnect', () => {
          if (over) return
          missing = ''
          const wrong = distrust(layer, client)
          if (wrong === undefined) attempt(() => then(layer))
          else fail(new Error(wrong))
        })
      },
    }
    const forget = onAbort(signal, abort)
    // Stays after the end: a reset that crosses ours must not be thrown.
    socket.on('error', fail)
    socket.once('connect', () => {
      if (over) return
      missing = ''
      if (isItself(socket)) return fail(refused(endpoint))
      attempt(() => {
        if (tls === undefined) talk(socket, control)
        else control.startTls(tls, (layer) => talk(layer, control))
      })
    })
  })
}

/**
 * Where nobody listens on a local port, the kernel may give that very port to the one that connects, who then reaches
 * itself (TCP's simultaneous open).
 */
export function isItself({ localAddress, localPort, remoteAddress, remotePort }: Socket): boolean {
  return localPort === remotePort && localAddress === remoteAddress
}

/** As of a socket of Node.js. */
export function refused({ address, port }: CheckRoute): Error {
  const code = 'ECONNREFUSED'
  const error = new Error(`connect ${code} ${address}:${port}`)
  return Object.assign(error, {
    errno: -constants.errno[code],
    code,
    syscall: 'connect',
    address,
    port,
  })
}

/** @throws as `withSocket` does, and what Node.js throws */
export function dial(endpoint: CheckRoute): Socket {
  const { address: host, port, localAddress } = endpoint
  // A literal address: no look-up, nothing on libuv's thread pool.
  // Half open: Node.js would answer the end of the other side with an end of ours, which rules out a reset.
  const how = { host, port, noDelay: true, allowHalfOpen: true }
  if (endpoint.socket !== undefined) {
    const both = { readable: true, writable: true }
    return withSocket(endpoint, 'stream', (fd) => connect({ ...how, ...both, fd }))
  }
  return connect(localAddress === undefined ? how : { ...how, localAddress })
}

/** A reset leaves no TIME_WAIT on either side, of which a check per second and member would make thousands. */
export function closeWithReset(socket: Socket): void {
  // Without a connection there is nothing to reset. In the middle of a shutdown Node.js (20.20) cannot, and leaks.
  const ending = socket.writableEnded && !socket.writableFinished
  if (socket.connecting || socket.destroyed || ending) socket.destroy()
  else socket.resetAndDestroy()
}
