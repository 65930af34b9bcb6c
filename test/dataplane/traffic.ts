// The clients: UDP queries from one port and from new ports, and two long streams. Runs in the client's namespace,
// begins at the order `go` and tells what became of every query. Flags: whom they ask, and what the streams are of.
import { createSocket, type Socket } from 'node:dgram'
import { isIPv6 } from 'node:net'
import { now, onOrders, tell, tellReady } from '../../lab/traffic/messages.js'
import { newPort } from '../../lab/traffic/new-ports.js'
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
import { port } from './network.js'
import { connectSctp, connectTcp, type Wire } from './wires.js'

const [vip, kind] = process.argv.slice(2) as [string, 'tcp' | 'sctp']

const perSecond: Record<Client, number> = {
  'UDP, one port': 100,
  'UDP, new ports': 20,
  'stream 1': 10,
  'stream 2': 10,
}
const fixedPort = 5353

const queries = new Queries<Client>({ patienceMs, forgetMs })

/** An answer is the server's name and the number. */
function onAnswer(answer: string): number {
  const [server = '', number = ''] = answer.trim().split(' ')
  queries.answered(Number(number), server)
  return Number(number)
}

function udpSocket(localPort: number): Socket {
  const socket = createSocket(
    isIPv6(vip) ? 'udp6' : 'udp4',
    (answer) => void onAnswer(String(answer)),
  )
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
    const socket = udpSocket(newPort())
    socket.send(String(number), port, vip)
    return () => socket.close()
  })
}

/** A connection that is kept as long as it is answered; then there is a new one. */
class Connection {
  readonly #client: Stream
  #wire: Wire | undefined
  #connected = false
  /** Sent on this connection and not answered, with the time. */
  #open = new Map<number, number>()

  constructor(client: Stream) {
    this.#client = client
  }

  connect(): void {
    let rest = ''
    const connect = kind === 'sctp' ? connectSctp : connectTcp
    const wire = connect(vip, port, {
      connected: () => {
        clearTimeout(tooLong)
        this.#connected = true
      },
      data: (text) => {
        const lines = (rest + text).split('\n')
        rest = lines.pop()!
        for (const line of lines) this.#open.delete(onAnswer(line))
      },
      closed: (why) => {
        clearTimeout(tooLong)
        if (queries.stopping) return
        if (this.#connected) {
          const silent = this.#isOverdue() ? `no answer for ${patienceMs} ms` : why
          tell<Message>({ type: 'break', client: this.#client, at: now(), why: silent })
        }
        this.#connected = false
        this.#open.clear()
        setTimeout(() => this.connect(), 20)
      },
    })
    this.#wire = wire
    const tooLong = setTimeout(() => wire.destroy(), patienceMs)
  }

  askOnce(): void {
    if (!this.#connected) return
    if (this.#isOverdue()) {
      this.#wire?.destroy()
      return
    }
    const number = queries.ask(this.#client, (number) => {
      this.#wire?.write(`${number}\n`)
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
