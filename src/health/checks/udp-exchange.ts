// One datagram sent and the reply to it, on a socket of their own.
import { createSocket, type Socket } from 'node:dgram'
import { onAbort } from '../../abort.js'
import { describe, describeAbort } from '../outcome.js'
import type { CheckRoute } from './endpoint.js'
import { withEchoSocket, withSocket } from './own-socket.js'

/** A datagram that is no reply to ours: by mistake, late or forged. */
export interface NotOurs {
  /** Why, in words. */
  readonly notOurs: string
}

export interface ExchangePlan {
  readonly endpoint: CheckRoute
  readonly payload: Uint8Array
  /** What the reasons begin with: `udp 10.1.0.1:514`. */
  readonly label: string
  readonly signal: AbortSignal
  /** ICMP in place of UDP: the payload is an echo message. */
  readonly echo?: true
}

/** So many different words for what was ignored are told apart. */
const MAX_WORDS = 3

/**
 * Sends one datagram and waits for the reply to it, until the abort: there is no second try inside a check.
 * Datagrams that `read` finds not to be ours are counted and ignored; if it throws, that is the end.
 *
 * @throws Error (rejects) with `label`, a colon and the reason; its `cause` is the system error, if it was one.
 */
export function exchange<T extends object>(
  plan: ExchangePlan,
  read: (datagram: Buffer) => T | NotOurs,
): Promise<T> {
  const { endpoint, payload, label, signal, echo } = plan
  return new Promise((resolve, reject) => {
    if (signal.aborted) return reject(new Error(`${label}: ${describeAbort(signal)}`))
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
      forget()
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
    const ignore = (why: string) => {
      const words = ignored.has(why) || ignored.size < MAX_WORDS ? why : 'other reasons'
      ignored.set(words, (ignored.get(words) ?? 0) + 1)
    }
    const forget = onAbort(signal, abort)
    socket.on('error', fail)
    socket.on('message', (datagram) => {
      if (over) return
      try {
        const reply = read(datagram)
        if ('notOurs' in reply) ignore(reply.notOurs)
        else if (end()) resolve(reply)
      } catch (error) {
        fail(error instanceof Error ? error : new Error(String(error)))
      }
    })
    socket.once('connect', () => {
      if (over) return
      if (!echo && isItself(socket)) {
        over = true
        forget()
        // It keeps its port until the next one has another.
        resolve(exchange(plan, read).finally(() => socket.close()))
        return
      }
      socket.send(payload, (error) => {
        if (error !== null) fail(error)
      })
    })
    // Connected: the kernel drops what others send, and an ICMP refusal comes back as ECONNREFUSED.
    // No callback: with one, errors would go there and not to 'error'.
    const connect = () => socket.connect(endpoint.port, endpoint.address)
    if (echo || endpoint.socket !== undefined) {
      const adopt = (fd: number) => void socket.bind({ fd, exclusive: true })
      try {
        if (echo) withEchoSocket(endpoint, adopt)
        else withSocket(endpoint, 'datagram', adopt)
      } catch (error) {
        return fail(error as Error)
      }
      return connect()
    }
    if (endpoint.localAddress === undefined) return connect()
    // It comes within bind(), as the look-up does.
    socket.once('listening', connect)
    socket.bind({ address: endpoint.localAddress, exclusive: true })
  })
}

/** The kernel may give a socket the very port that it is to send to: at once where nobody has it, or by a device. */
function isItself(socket: Socket): boolean {
  const here = socket.address()
  const there = socket.remoteAddress()
  return here.port === there.port && here.address === there.address
}
