// A DNS server that can fail in parts: it answers every question with its own address, at the virtual address and at its
// own. Says `check udp` or `check tcp` when somebody asks it at its own: only health checks do. Flags: its name, and
// `closed` if it is to wait for orders.
import { createSocket, type Socket } from 'node:dgram'
import { createServer, type Server as TcpServer, type Socket as TcpSocket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { addresses, port, type Server, vip } from '../../lab/network/three-servers.js'
import { onOrders, tellReady } from '../../lab/traffic/messages.js'

/** Longer than any client waits. */
const slowMs = 3000

const own = addresses[process.argv[2] as Server]
const ownBytes = own.split('.').map(Number)
let slow = false

function answerTo(query: Buffer): Buffer {
  // The question ends with the root's empty label, type and class.
  const end = query.indexOf(0, 12) + 5
  const answer = [0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4, ...ownBytes]
  const message = Buffer.concat([query.subarray(0, end), Buffer.from(answer)])
  // An authoritative answer: one question, one record, nothing else.
  message.set([0x84 | (query.readUInt8(2) & 1), 0, 0, 1, 0, 1, 0, 0, 0, 0], 2)
  return message
}

const isQuery = (message: Buffer) => message.length >= 17 && message.indexOf(0, 12) >= 0
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
      if (slow) await sleep(slowMs)
      if (udp.get(address) === socket) socket.send(answerTo(query), port, client)
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
      let received = Buffer.alloc(0)
      socket.on('data', async (data) => {
        received = Buffer.concat([received, data])
        if (received.length < 2 || received.length < 2 + received.readUInt16BE(0)) return
        const query = received.subarray(2, 2 + received.readUInt16BE(0))
        received = received.subarray(2 + query.length)
        if (!isQuery(query)) return
        if (slow) await sleep(slowMs)
        const answer = answerTo(query)
        const length = Buffer.from([answer.length >> 8, answer.length & 0xff])
        if (socket.writable) socket.write(Buffer.concat([length, answer]))
      })
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
  stop: () => process.exit(),
})
if (process.argv[3] !== 'closed') {
  await openUdp()
  await openTcp()
}
tellReady()
