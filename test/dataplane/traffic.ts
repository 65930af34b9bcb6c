// The clients: UDP queries from one port and from new ports, and two long TCP streams. Runs in the client's namespace,
// begins at the order `go` and tells what became of every query.
import { createSocket, type Socket } from 'node:dgram'
import { connect, type Socket as TcpSocket } from 'node:net'
import { now, onOrders, tell, tellReady } from '../../lab/traffic/messages.js'
import { keepAsking } from '../../lab/traffic/pace.js'
import { Queries } from '../../lab/traffic/queries.js'
import {
  type Client,
  forgetMs,
  type Message,
  patienceMs,
  type Stream,
  streams,
} from './messages.js'
import { port, vip } from './network.js'

const perSecond: Record<Client, number> = {
  'UDP, one port': 100,
  'UDP, new ports': 20,
  'TCP stream 1': 10,
  'TCP stream 2': 10,
}
const fixedPort = 5353

const queries = new Queries<Client>({ patienceMs, forgetMs })

/** An answer is the server's name and the number. */
function onAnswer(answer: string): number {
  const [server = '', number = ''] = answer.trim().split(' ')
  queries.answered(Number(number), server)
  return Number(number)
}

function udpSocket(localPort = 0): Socket {
  const socket = createSocket('udp4', (answer) => void onAnswer(String(answer)))
  return socket.on('error', () => {}).bind(localPort)
}

const fixed = udpSocket(fixedPort)

function askFromFixedPort(): void {
  queries.ask('UDP, one port', (number) => {
    fixed.send(String(number), port, vip)
    return () => {}
  })
}

function askFromNewPort(): void {
  queries.ask('UDP, new ports', (number) => {
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
      if (queries.stopping) return
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
    const number = queries.ask(this.#client, (number) => {
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

const isStopping = () => queries.stopping
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
  stop: () => queries.stop(),
})
tellReady()
