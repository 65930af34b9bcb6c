// The clients: UDP queries from one port and from new ports, and two long TCP streams. Runs in the client's namespace,
// begins at the order `go` and tells what became of every query.
import { createSocket, type Socket } from 'node:dgram'
import { connect, type Socket as TcpSocket } from 'node:net'
import { now, onOrders, tell } from '../../lab/traffic/messages.js'
import { keepAsking } from '../../lab/traffic/pace.js'
import {
  forgetMs,
  type Message,
  patienceMs,
  type Query,
  type Stream,
  streams,
  type UdpClient,
} from './messages.js'
import { port, vip } from './network.js'

const perSecond: Record<UdpClient | Stream, number> = {
  'UDP, one port': 100,
  'UDP, new ports': 20,
  'TCP stream 1': 10,
  'TCP stream 2': 10,
}
const fixedPort = 5353

interface Pending {
  readonly client: UdpClient | Stream
  readonly sentAt: number
  readonly close: () => void
}

/** By number; the oldest first. */
const pending = new Map<number, Pending>()
let ended: Query[] = []
let last = 0

/** `send` returns what is to be closed when the query is over. */
function ask(client: UdpClient | Stream, send: (number: number) => () => void): number {
  const number = ++last
  // Before it is sent: what counts as sent after a moment really was.
  const sentAt = now()
  pending.set(number, { client, sentAt, close: send(number) })
  return number
}

/** An answer is the server's name and the number. */
function onAnswer(answer: string): number {
  const [server = '', number = ''] = answer.trim().split(' ')
  end(Number(number), { answeredAt: now(), server })
  return Number(number)
}

function end(number: number, answer: Pick<Query, 'answeredAt' | 'server'> = {}): void {
  const query = pending.get(number)
  if (query === undefined) return
  pending.delete(number)
  query.close()
  ended.push({ client: query.client, number, sentAt: query.sentAt, ...answer })
}

function udpSocket(localPort = 0): Socket {
  const socket = createSocket('udp4', (answer) => void onAnswer(String(answer)))
  return socket.on('error', () => {}).bind(localPort)
}

const fixed = udpSocket(fixedPort)

function askFromFixedPort(): void {
  ask('UDP, one port', (number) => {
    fixed.send(String(number), port, vip)
    return () => {}
  })
}

function askFromNewPort(): void {
  ask('UDP, new ports', (number) => {
    const socket = udpSocket()
    socket.send(String(number), port, vip)
    return () => socket.close()
  })
}

/** A connection that is kept as long as it is answered; then there is a new one. */
class Connection {
  readonly #client: Stream
  #socket: TcpSocket | undefined
  #connected = false
  /** Sent on this connection and not answered, with the time. */
  #open = new Map<number, number>()

  constructor(client: Stream) {
    this.#client = client
  }

  connect(): void {
    const socket = connect({ host: vip, port, noDelay: true })
    this.#socket = socket
    let why = 'closed'
    let rest = ''
    const tooLong = setTimeout(() => socket.destroy(), patienceMs)
    socket.once('connect', () => {
      clearTimeout(tooLong)
      this.#connected = true
    })
    socket.setEncoding('utf8').on('data', (text: string) => {
      const lines = (rest + text).split('\n')
      rest = lines.pop()!
      for (const line of lines) this.#open.delete(onAnswer(line))
    })
    socket.on('error', (error) => {
      why = error.message
    })
    socket.on('close', () => {
      clearTimeout(tooLong)
      if (stopping) return
      if (this.#connected) {
        if (this.#isOverdue()) why = `no answer for ${patienceMs} ms`
        tell<Message>({ type: 'break', client: this.#client, at: now(), why })
      }
      this.#connected = false
      this.#open.clear()
      setTimeout(() => this.connect(), 20)
    })
  }

  askOnce(): void {
    if (!this.#connected) return
    if (this.#isOverdue()) {
      this.#socket?.destroy()
      return
    }
    const number = ask(this.#client, (number) => {
      this.#socket?.write(`${number}\n`)
      return () => {}
    })
    this.#open.set(number, now())
  }

  #isOverdue(): boolean {
    const [oldest = Number.POSITIVE_INFINITY] = this.#open.values()
    return oldest < now() - patienceMs
  }
}

function tellEnded(): void {
  // Once stopped, nothing is asked any more that could be answered late.
  const limit = stopping ? patienceMs + 100 : forgetMs
  for (const [number, { sentAt }] of pending) {
    if (sentAt > now() - limit) break
    end(number)
  }
  if (ended.length > 0) tell<Message>({ type: 'queries', queries: ended })
  ended = []
  if (stopping && pending.size === 0) process.exit()
}

let stopping = false
const isStopping = () => stopping
onOrders({
  go: () => {
    keepAsking(perSecond['UDP, one port'], isStopping, askFromFixedPort)
    keepAsking(perSecond['UDP, new ports'], isStopping, askFromNewPort)
    for (const stream of streams) {
      const connection = new Connection(stream)
      connection.connect()
      keepAsking(perSecond[stream], isStopping, () => connection.askOnce())
    }
  },
  stop: () => {
    // What has been asked is waited for.
    stopping = true
  },
})
setInterval(tellEnded, 100)
tell<Message>({ type: 'ready' })
