// A DNS server that can fail in parts: it answers every question with its own address, at the virtual address and at its
// own. Says `check udp` or `check tcp` when somebody asks it at its own: only health checks do. At its end it says what has come
// twice. Flags: its name, and `closed` if it is to wait for orders.
import { createSocket, type Socket } from 'node:dgram'
import { createServer, type Server as TcpServer, type Socket as TcpSocket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { addresses, port, type Server, vip } from '../../lab/network/three-servers.js'
import { answerTo, framed, isQuery, unframe } from '../../lab/traffic/dns-message.js'
import { onOrders, tell, tellReady } from '../../lab/traffic/messages.js'

/** Longer than any client waits. */
const slowMs = 3000

/** Told at the end, of queries over UDP at the virtual address. */
export interface ReceivedMessage {
  readonly type: 'received'
  readonly queries: number
  /** That came more often than they were sent: the network has doubled them. */
  readonly twice: number
}

const own = addresses[process.argv[2] as Server]
let slow = false

/** By port and id: clients of a play send none twice. */
const received = new Set<string>()
let twice = 0

function count(query: Buffer, port: number): void {
  const key = `${port} ${query.readUInt16BE(0)}`
  if (received.has(key)) twice++
  received.add(key)
}

const note = (protocol: 'udp' | 'tcp', at: string) => {
  if (at === own) process.stdout.write(`check ${protocol}\n`)
}

const udp = new Map<string, Socket>()
const tcp = new Map<string, TcpServer>()
const connections = new Set<TcpSocket>()

async function openUdp(): Promise<void> {
  for (const address of [own, vip]) {
    const socket = createSocket('udp4')
    socket.on('error', () => {})
    socket.on('message', async (query, { port, address: client }) => {
      note('udp', address)
      if (!isQuery(query)) return
      if (address === vip) count(query, port)
      if (slow) await sleep(slowMs)
      if (udp.get(address) === socket) socket.send(answerTo(query, own), port, client)
    })
    udp.set(address, socket)
    await new Promise<void>((resolve) => socket.bind(port, address, resolve))
  }
}

async function openTcp(): Promise<void> {
  for (const address of [own, vip]) {
    const server = createServer({ noDelay: true }, (socket) => {
      note('tcp', address)
      connections.add(socket)
      socket.on('close', () => connections.delete(socket)).on('error', () => {})
      const heard = async (query: Buffer) => {
        if (!isQuery(query)) return
        if (slow) await sleep(slowMs)
        if (socket.writable) socket.write(framed(answerTo(query, own)))
      }
      socket.on(
        'data',
        unframe((query) => void heard(query)),
      )
    })
    tcp.set(address, server)
    await new Promise<void>((resolve) => server.listen(port, address, resolve))
  }
}

function closeUdp(): void {
  for (const socket of udp.values()) socket.close()
  udp.clear()
}

function closeTcp(): void {
  for (const server of tcp.values()) server.close()
  tcp.clear()
  for (const socket of connections) socket.resetAndDestroy()
}

onOrders({
  'udp-off': closeUdp,
  'udp-on': () => void openUdp(),
  'tcp-off': closeTcp,
  'tcp-on': () => void openTcp(),
  slow: () => {
    slow = true
  },
  quick: () => {
    slow = false
  },
  stop: () => {
    tell<ReceivedMessage>({ type: 'received', queries: received.size, twice })
    process.exit()
  },
})
if (process.argv[3] !== 'closed') {
  await openUdp()
  await openTcp()
}
tellReady()
