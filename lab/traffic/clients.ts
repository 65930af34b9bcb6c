// Three clients that ask the virtual address of three-servers.ts all the time, each in its own way. Runs in the
// client's namespace, begins at the order `go` and tells what became of every query; a word behind it multiplies how often they ask.
// Before that, `calibrate` asks one server after the other, as fast as they answer, and tells how many it were in a second.
import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'
import { connect } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { addresses, port, questionName, serverAt, servers, vip } from '../network/three-servers.js'
import { type CalibratedMessage, type ClientName, forgetMs, patienceMs } from './client-names.js'
import { now, onOrders, tell, tellReady } from './messages.js'
import { newPort } from './new-ports.js'
import { keepAsking } from './pace.js'
import { Queries } from './queries.js'

const fixedPort = 5353
/** Together with everything else about half of what the guest's one CPU can do on a quiet machine: the rest is reserve. */
const perSecond: Record<ClientName, number> = {
  'UDP, new ports': 50,
  'UDP, one port': 50,
  TCP: 10,
}

const queries = new Queries<ClientName>({ patienceMs, forgetMs })

/** Anything but an answer to a query of ours counts for nothing. */
function onAnswer(message: Buffer): void {
  if (message.length < 16) return
  const failed = (message.readUInt8(3) & 0x0f) !== 0 || message.readUInt16BE(6) === 0
  // The one record is at the end, and its address are the last four bytes.
  const server = failed ? undefined : serverAt([...message.subarray(-4)].join('.'))
  if (server !== undefined) queries.answered(numberOf(message.readUInt16BE(0)), server)
}

/** The id has 16 bits of the number; those on their way are fewer. */
const numbers = new Map<number, number>()
const numberOf = (id: number) => numbers.get(id) ?? 0

function queryMessage(number: number): Buffer {
  const id = number & 0xffff
  numbers.set(id, number)
  const labels = questionName.split('.').map((label) => [label.length, ...Buffer.from(label)])
  // Recursion desired, one question; at its end the root, type A, class IN.
  const head = [id >> 8, id & 0xff, 0x01, 0, 0, 1, 0, 0, 0, 0, 0, 0]
  return Buffer.from([...head, ...labels.flat(), 0, 0, 1, 0, 1])
}

function udpSocket(localPort: number): Socket {
  // ICMP errors come here too: the query then stays without an answer, and that is what counts.
  const socket = createSocket('udp4', onAnswer).on('error', () => {})
  return socket.bind(localPort)
}

function askFromNewPort(): void {
  queries.ask('UDP, new ports', (number) => {
    const socket = udpSocket(newPort())
    socket.send(queryMessage(number), port, vip)
    return () => socket.close()
  })
}

const fixed = udpSocket(fixedPort)

function askFromFixedPort(): void {
  queries.ask('UDP, one port', (number) => {
    fixed.send(queryMessage(number), port, vip)
    return () => {}
  })
}

function askOverTcp(): void {
  queries.ask('TCP', (number) => {
    const query = queryMessage(number)
    const length = Buffer.from([query.length >> 8, query.length & 0xff])
    const socket = connect({ host: vip, port })
    let received = Buffer.alloc(0)
    socket.on('data', (data) => {
      received = Buffer.concat([received, data])
      if (received.length >= 2 && received.length >= 2 + received.readUInt16BE(0)) {
        onAnswer(received.subarray(2))
      }
    })
    socket.on('error', () => queries.failed(number)).on('end', () => queries.failed(number))
    socket.write(Buffer.concat([length, query]))
    return () => socket.destroy()
  })
}

/** Servers are asked at their own addresses: no director is needed yet. */
async function calibrate(): Promise<void> {
  const start = now()
  let answered = 0
  while (now() - start < 1000) {
    const socket = createSocket('udp4')
    const answer = once(socket, 'message')
    socket.send(queryMessage(0), port, addresses[servers[answered % servers.length]!])
    // Should one get lost: it counts as one that took that long.
    await Promise.race([answer, sleep(1000)])
    socket.close()
    answered++
  }
  tell<CalibratedMessage>({ type: 'calibrated', perSecond: (answered * 1000) / (now() - start) })
}

const isStopping = () => queries.stopping
onOrders({
  calibrate: () => void calibrate(),
  go: (factor = '1') => {
    const at = (client: ClientName) => perSecond[client] * Number(factor)
    keepAsking(at('UDP, new ports'), isStopping, askFromNewPort)
    keepAsking(at('UDP, one port'), isStopping, askFromFixedPort)
    keepAsking(at('TCP'), isStopping, askOverTcp)
  },
  stop: () => queries.stop(),
})
tellReady()
