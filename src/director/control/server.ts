// The control socket: whoever may open it may do what the director can. Slow, dead and hostile clients harm nobody.
import { chmod, lstat, mkdir, unlink } from 'node:fs/promises'
import { createServer, connect as dial, type Server, type Socket } from 'node:net'
import { dirname } from 'node:path'
import { isMainThread } from 'node:worker_threads'
import type { PoolRole } from '../../pool/api.js'
import { didYouMean, quoted } from '../../validate/spelling.js'
import type { ReloadResult, StateFilter } from '../api.js'
import type { Director } from '../director.js'
import type { DirectorEvent } from '../events.js'
import { messageOf } from '../events.js'
import { type ControlAnswer, Lines, MOST_REQUEST } from './protocol.js'

/** What the socket does beside what the director can. */
export interface ControlOptions {
  /** Reads the file again, and makes the director what it says. */
  readonly reload: () => Promise<ReloadResult>
}

/** A control socket that is served. */
export interface ControlServer {
  /** Ends it and removes the socket. */
  close(): Promise<void>
}

const MOST_CLIENTS = 64
/** Who does not read so much is ended. Bytes. */
const MOST_UNREAD = 4 * 1024 * 1024
/** Requests of one client that wait for their answers. */
const MOST_WAITING = 32
/** Who says nothing for so long is ended, unless it follows events. */
const SILENT_MS = 60_000
/** How often it looks whether somebody has removed the socket. */
const GUARD_MS = 2000

/**
 * Serves a director over a Unix socket with mode 0600: one JSON request a line, one JSON answer a line.
 *
 * @throws Error (rejects) another director answers at this path, something that is no socket is there, or it cannot be made
 */
export async function serveControl(
  director: Director,
  path: string,
  options: ControlOptions,
): Promise<ControlServer> {
  const clients = new Set<Socket>()
  const server = createServer((socket) => {
    if (clients.size >= MOST_CLIENTS) {
      socket.destroy()
      return
    }
    clients.add(socket)
    socket.once('close', () => clients.delete(socket))
    new Client(socket, director, options)
  })
  await mkdir(dirname(path), { recursive: true })
  await makeWay(path)
  let inode = await listen(server, path)
  let closed = false
  const guard = setInterval(async () => {
    if ((await inodeOf(path)) === inode || closed) return
    try {
      await mkdir(dirname(path), { recursive: true })
      await makeWay(path)
      if (closed) return
      // Node.js removes what is at the path as it closes: now nothing is. Clients stay.
      server.close()
      inode = await listen(server, path)
    } catch {
      // Somebody else has the path. We look again.
    }
  }, GUARD_MS).unref()

  return {
    async close() {
      closed = true
      clearInterval(guard)
      for (const socket of clients) socket.destroy()
      const found = await inodeOf(path)
      // What is somebody else's by now stays.
      if (found !== undefined && found !== inode) return
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

async function listen(server: Server, path: string): Promise<number | undefined> {
  // Nobody may open it between its making and its mode. A worker has no mask of its own to set.
  const mask = isMainThread ? process.umask(0o177) : undefined
  const unmask = () => mask !== undefined && process.umask(mask)
  try {
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject)
      server.listen(path, () => {
        server.removeListener('error', reject)
        resolve()
      })
      unmask()
    })
  } finally {
    unmask()
  }
  await chmod(path, 0o600)
  server.unref()
  return inodeOf(path)
}

/** Removes a socket that nobody serves any more. */
async function makeWay(path: string): Promise<void> {
  const found = await lstat(path).catch(() => undefined)
  if (found === undefined) return
  if (!found.isSocket())
    throw new Error(`${path} is there already and is no socket: give another path, or move it away`)
  const isServed = await new Promise<boolean>((resolve) => {
    const socket = dial(path)
    socket.setTimeout(2000, () => socket.destroy(new Error('silent')))
    socket.once('connect', () => {
      resolve(true)
      socket.destroy()
    })
    socket.once('error', ({ message }) => resolve(message === 'silent'))
  })
  if (isServed)
    throw new Error(
      `a director answers at ${path} already: stop that one, or give this one another path`,
    )
  await unlink(path)
}

async function inodeOf(path: string): Promise<number | undefined> {
  return (await lstat(path).catch(() => undefined))?.ino
}

class Client {
  readonly #socket: Socket
  readonly #director: Director
  readonly #options: ControlOptions
  readonly #lines = new Lines(MOST_REQUEST)
  #waiting = 0
  #isFollowing = false

  constructor(socket: Socket, director: Director, options: ControlOptions) {
    this.#socket = socket
    this.#director = director
    this.#options = options
    socket.setEncoding('utf8')
    socket.on('error', () => socket.destroy())
    socket.setTimeout(SILENT_MS, () => socket.destroy())
    socket.on('data', (text: string) => this.#read(text))
  }

  #read(text: string): void {
    const lines = this.#lines.take(text)
    if (lines === undefined) {
      this.#refuse(undefined, 'ERR_IPVS_ARGUMENT', `a request has more than ${MOST_REQUEST} bytes`)
      this.#socket.destroySoon()
      return
    }
    for (const line of lines) {
      if (line.trim() === '') continue
      if (this.#waiting >= MOST_WAITING) {
        this.#refuse(
          undefined,
          'ERR_IPVS_BUSY',
          `more than ${MOST_WAITING} requests wait for their answers`,
        )
        this.#socket.destroySoon()
        return
      }
      this.#waiting++
      void this.#answer(line).finally(() => this.#waiting--)
    }
  }

  async #answer(line: string): Promise<void> {
    let id: unknown
    try {
      const request = parseRequest(line)
      id = request.id
      this.#send({ id, result: await this.#do(request) })
    } catch (error) {
      const { code = '' } = error as { readonly code?: unknown }
      const known = String(code).startsWith('ERR_IPVS_') ? String(code) : 'ERR_IPVS_DIRECTOR'
      this.#refuse(id, known, messageOf(error))
    }
  }

  #do(request: Request): unknown {
    const { do: what, id } = request
    if (!Object.hasOwn(KEYS, what)) {
      const names = Object.keys(KEYS)
      throw argument(
        `there is no "do": ${JSON.stringify(what)}${didYouMean(what, names)}; there is ${quoted(names)}`,
      )
    }
    const known = ['id', 'do', ...KEYS[what]!]
    const strange = Object.keys(request).find((key) => !known.includes(key))
    if (strange !== undefined)
      throw argument(`"${strange}" is no part of a request "${what}"${didYouMean(strange, known)}`)
    const { target, admin, weight, forMs } = request
    switch (what) {
      case 'set':
        return this.#director.set(
          target as string,
          { admin, weight, forMs } as Parameters<Director['set']>[1],
        )
      case 'check':
        return this.#director.check(target as string)
      case 'fleet':
        return this.#director.fleet()
      case 'connections':
        return this.#director.connections(target as string)
      case 'role':
        return this.#role(request)
      case 'reload':
        return this.#options.reload()
      case 'events':
        return this.#follow(id)
      default:
        return this.#director.state(readFilter(request))
    }
  }

  async #role({ become, notify }: Request): Promise<object> {
    if (become !== undefined) return this.#director.become(become as PoolRole)
    if (notify !== undefined) return this.#director.announced(notify as string[])
    return this.#director.role ?? {}
  }

  #follow(id: unknown): object {
    if (this.#isFollowing) throw argument('this connection follows the events already')
    this.#isFollowing = true
    const tell = (event: DirectorEvent) => this.#send({ id, event })
    this.#director.on('event', tell)
    this.#socket.setTimeout(0)
    this.#socket.once('close', () => this.#director.off('event', tell))
    return {}
  }

  #refuse(id: unknown, code: string, message: string): void {
    this.#send({ id, error: { code, message } })
  }

  #send(answer: ControlAnswer): void {
    if (this.#socket.destroyed || this.#socket.writableEnded) return
    // An answer may be larger than that: what was unread before it counts.
    if (this.#socket.writableLength > MOST_UNREAD) this.#socket.destroy()
    else this.#socket.write(`${JSON.stringify(answer)}\n`)
  }
}

function readFilter({ pool, service }: Request): StateFilter {
  for (const [name, value] of Object.entries({ pool, service })) {
    if (value !== undefined && typeof value !== 'string') throw argument(`"${name}" must be a text`)
  }
  return { pool, service } as StateFilter
}

type Request = Readonly<Record<string, unknown>> & { readonly do: string }

/** What each has beside `id` and `do`. */
const KEYS: Readonly<Record<string, readonly string[]>> = {
  state: ['pool', 'service'],
  fleet: [],
  set: ['target', 'admin', 'weight', 'forMs'],
  check: ['target'],
  connections: ['target'],
  role: ['become', 'notify'],
  reload: [],
  events: [],
}

function parseRequest(line: string): Request {
  let value: unknown
  try {
    value = JSON.parse(line)
  } catch (error) {
    throw argument(`a request is one line of JSON: ${messageOf(error)}`)
  }
  const isRequest =
    typeof value === 'object' && value !== null && typeof Reflect.get(value, 'do') === 'string'
  if (!isRequest) throw argument('a request is an object with "do", such as {"do":"state"}')
  return value as Request
}

function argument(message: string): Error {
  return Object.assign(new TypeError(message), { code: 'ERR_IPVS_ARGUMENT' })
}
