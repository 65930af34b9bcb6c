// One TCP connection, made and reset at once: by the addon, or by Node.js where that cannot be loaded.
import { isIP } from 'node:net'
import { getSystemErrorName } from 'node:util'
import { rangeError } from '../../errors.js'
import { type Addon, type NativeConnector, PENDING } from '../../kernel/addon.js'
import { loadAddon } from '../../kernel/load-addon.js'
import { Inconclusive } from '../outcome.js'
import { closeWithReset, dial, isItself, refused } from './connection.js'
import type { CheckRoute } from './endpoint.js'
import { withSocket } from './own-socket.js'

/** Without an error, the connection was made. */
export type Done = (error?: Error) => void

/**
 * Closes it, if it is not over: true. If there is an answer by now, that is told first: false. True once, and nothing is told
 * from then on.
 */
export type GiveUp = () => boolean

/** Of this thread of JavaScript, from the first check on; `null`: there is no addon. */
let connector: NativeConnector | null | undefined
let isStarted = false
/** Who waits for the outcome of which id. */
const pending = new Map<number, (outcome: number) => void>()
let lastId = 0

/**
 * Calls `done` once, perhaps before this returns; nothing is open any more then.
 *
 * @throws as `withSocket` does; Inconclusive for want of a thread
 */
export function connectOnce(route: CheckRoute, done: Done): GiveUp {
  if (connector === undefined) connector = makeConnector()
  if (connector === null) return byNode(route, done)
  if (!isStarted) start(connector)
  return byAddon(connector, route, done)
}

function makeConnector(): NativeConnector | null {
  let addon: Addon
  try {
    addon = loadAddon()
  } catch {
    return null
  }
  return new addon.Connector(tellEnded)
}

/** The next check tries again. */
function start(native: NativeConnector): void {
  const error = native.start()
  isStarted = error === 0
  if (isStarted) return
  const code = getSystemErrorName(-error)
  throw new Inconclusive(`the thread that TCP checks share could not be made (${code})`)
}

function byAddon(native: NativeConnector, route: CheckRoute, done: Done): GiveUp {
  const { address, port, localAddress, socket } = route
  lastId = (lastId + 1) | 0
  const id = lastId
  const outcome =
    localAddress === undefined && socket === undefined
      ? native.begin(id, address, port, -1)
      : withSocket(route, 'stream', (fd) => native.begin(id, address, port, fd))
  if (outcome !== PENDING) {
    done(errorOf(outcome, route))
    return isOver
  }
  const end = (later: number) => done(errorOf(later, route))
  pending.set(id, end)
  return () => {
    if (!pending.delete(id)) return false
    const atLast = native.cancel(id)
    if (atLast !== PENDING) end(atLast)
    return atLast === PENDING
  }
}

const isOver = () => false

/** As of a socket of Node.js; none of 0. */
function errorOf(errno: number, { address, port }: CheckRoute): Error | undefined {
  if (errno === 0) return undefined
  const [code, syscall] = [getSystemErrorName(-errno), 'connect']
  if (code === 'EINVAL' && isIP(address) === 0)
    return rangeError('member.address', 'a literal IPv4 or IPv6 address', address)
  const error = new Error(`${syscall} ${code} ${address}:${port}`)
  return Object.assign(error, { errno: -errno, code, syscall, address, port })
}

function tellEnded(): void {
  const ended = connector?.take() ?? []
  for (let at = 0; at < ended.length; at += 2) {
    const id = ended[at]!
    const end = pending.get(id)
    pending.delete(id)
    end?.(ended[at + 1]!)
  }
}

function byNode(route: CheckRoute, done: Done): GiveUp {
  const socket = dial(route)
  let over = false
  const end = (): boolean => {
    if (over) return false
    over = true
    closeWithReset(socket)
    return true
  }
  socket.once('connect', () => {
    const error = isItself(socket) ? refused(route) : undefined
    if (end()) done(error)
  })
  // Stays after the end: a reset that crosses ours must not be thrown.
  socket.on('error', (error) => {
    if (end()) done(error)
  })
  return end
}
