// Three clients that ask the virtual address all the time, each in its own way. Runs in the
// client's namespace, begins at the order `go` and tells what became of every query.
import { createSocket, type Socket } from 'node:dgram'
import { connect } from 'node:net'
import { port, questionName, type Server, serverAt, vip } from '../network/three-servers.js'
import { type ClientName, now, onOrders, patienceMs, type Query, tell } from './messages.js'
import { keepAsking } from './pace.js'

const fixedPort = 5353
/** Together with everything else about half of what the guest's one CPU can do: the rest is reserve. */
const perSecond: Record<ClientName, number> = {
  'UDP, new ports': 50,
  'UDP, one port': 50,
  TCP: 10,
}

interface Pending {
  readonly client: ClientName
  readonly sentAt: number
  readonly close: () => void
}

/** By the id in the DNS message; the oldest first. */
const pending = new Map<number, Pending>()
let ended: Query[] = []
let nextId = 0

/** `send` returns what is to be closed when the query is over. */
function ask(client: ClientName, send: (query: Buffer, id: number) => () => void): void {
  nextId = (nextId + 1) % 0x10000
  const sentAt = now()
  pending.set(nextId, { client, sentAt, close: send(queryMessage(nextId), nextId) })
}

function end(id: number, server?: Server): void {
  const query = pending.get(id)
  if (query === undefined) return
  pending.delete(id)
  query.close()
  const { client, sentAt } = query
  ended.push({ client, sentAt, endedAt: now(), ...(server && { server }) })
}

/** Anything but an answer to a query of ours counts for nothing. */
function onAnswer(message: Buffer): void {
  if (message.length < 16) return
  const failed = (message.readUInt8(3) & 0x0f) !== 0 || message.readUInt16BE(6) === 0
  // The one record is at the end, and its address are the last four bytes.
  const server = failed ? undefined : serverAt([...message.subarray(-4)].join('.'))
  if (server !== undefined) end(message.readUInt16BE(0), server)
}

function queryMessage(id: number): Buffer {
  const labels = questionName.split('.').map((label) => [label.length, ...Buffer.from(label)])
  // Recursion desired, one question; at its end the root, type A, class IN.
  const head = [id >> 8, id & 0xff, 0x01, 0, 0, 1, 0, 0, 0, 0, 0, 0]
  return Buffer.from([...head, ...labels.flat(), 0, 0, 1, 0, 1])
}

function udpSocket(localPort = 0): Socket {
  // ICMP errors come here too: the query then stays without an answer, and that is what counts.
  const socket = createSocket('udp4', onAnswer).on('error', () => {})
  return socket.bind(localPort)
}

function askFromNewPort(): void {
  ask('UDP, new ports', (query) => {
    const socket = udpSocket()
    socket.send(query, port, vip)
    return () => socket.close()
  })
}

const fixed = udpSocket(fixedPort)

function askFromFixedPort(): void {
  ask('UDP, one port', (query) => {
    fixed.send(query, port, vip)
    return () => {}
  })
}

function askOverTcp(): void {
  ask('TCP', (query, id) => {
    const length = Buffer.from([query.length >> 8, query.length & 0xff])
    const socket = connect({ host: vip, port })
    let received = Buffer.alloc(0)
    socket.on('data', (data) => {
      received = Buffer.concat([received, data])
      if (received.length >= 2 && received.length >= 2 + received.readUInt16BE(0)) {
        onAnswer(received.subarray(2))
      }
    })
    socket.on('error', () => end(id)).on('end', () => end(id))
    socket.write(Buffer.concat([length, query]))
    return () => socket.destroy()
  })
}

function giveUpOld(): void {
  for (const [id, { sentAt }] of pending) {
    if (sentAt > now() - patienceMs) break
    end(id)
  }
}

function tellEnded(): void {
  giveUpOld()
  if (ended.length > 0) tell({ type: 'queries', queries: ended })
  ended = []
  if (stopping && pending.size === 0) process.exit()
}

let stopping = false
const isStopping = () => stopping
onOrders({
  go: () => {
    keepAsking(perSecond['UDP, new ports'], isStopping, askFromNewPort)
    keepAsking(perSecond['UDP, one port'], isStopping, askFromFixedPort)
    keepAsking(perSecond.TCP, isStopping, askOverTcp)
  },
  stop: () => {
    // What has been asked is waited for.
    stopping = true
  },
})
setInterval(tellEnded, 100)
tell({ type: 'ready' })
