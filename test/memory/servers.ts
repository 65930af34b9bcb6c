// The servers, in a process of their own: what they keep in memory is not what is looked at. Says the port of each, then serves
// until its parent has gone.
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { setImmediate as turn } from 'node:timers/promises'
import { createSecureContext, TLSSocket } from 'node:tls'
import { makeCertificate } from '../unit/health/certificate.js'
import { startDeaf } from '../unit/health/deaf.js'
import { type Ending, endings } from './endings.js'
import { type Speech, subjects } from './subjects.js'

/** Of a subject and an ending. */
export type Ports = Readonly<Record<string, Readonly<Partial<Record<Ending, number>>>>>

const { cert, key } = makeCertificate({ name: 'localhost' })
const secureContext = createSecureContext({ cert, key })
/** The first bytes of a ServerHello. */
const halfHello = Buffer.from('160303007a0200007603030000', 'hex')

async function main(): Promise<void> {
  const ports: Record<string, Partial<Record<Ending, number>>> = {}
  for (const { name, speech, isDeaf } of subjects) {
    if (speech === undefined) continue
    const own: Partial<Record<Ending, number>> = {}
    ports[name] = own
    for (const ending of endings) {
      if (isDeaf && (ending === 'silent' || ending === 'aborted'))
        own[ending] = (await startDeaf()).port
      else if (ending === 'refused') own[ending] = await (speech.udp ? refuseUdp() : refuseTcp())
      else own[ending] = await (speech.udp ? serveUdp(speech, ending) : serveTcp(speech, ending))
    }
  }
  process.once('disconnect', () => process.exit())
  process.send?.(ports)
}

// Ports at which nobody answers, and which are taken all the same: a stranger who got one would keep its checks waiting.

/** A socket that hears nobody but itself. */
async function refuseUdp(): Promise<number> {
  const socket = createSocket('udp4').bind(0, '127.0.0.1')
  await once(socket, 'listening')
  const { port } = socket.address()
  socket.connect(port, '127.0.0.1')
  await once(socket, 'connect')
  return port
}

/** The near end of a connection; bound before it connects, for else the kernel gives its port to others who connect, to it too. */
async function refuseTcp(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const socket = connect({ port, host: '127.0.0.1', localAddress: '127.0.0.1' })
  await once(socket, 'connect')
  return socket.localPort!
}

async function serveTcp(speech: Speech, ending: Ending): Promise<number> {
  const server = createServer((socket) => {
    socket.on('error', () => {})
    converse(socket, speech, ending)
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  return (server.address() as AddressInfo).port
}

function converse(socket: Socket, speech: Speech, ending: Ending): void {
  const { tlsFrom } = speech
  let said = 0
  const listen = (stream: Duplex) => {
    stream.on('data', function hear(heard: Buffer) {
      const now = say(stream, heard)
      if (now === stream) return
      stream.off('data', hear)
      listen(now)
    })
  }
  const say = (stream: Duplex, heard: Buffer): Duplex => {
    const speak = speech.turns[said++]
    if (speak === undefined) return stream
    const isLast = said === speech.turns.length
    void answer(stream, speech, ending, speak(heard), speech.wrong, heard, isLast)
    if (said !== tlsFrom) return stream
    // A client that is not answered in between sends the first record along.
    const record = heard.indexOf(Buffer.of(0x16, 3, 1))
    if (record > 0) socket.pause().unshift(heard.subarray(record))
    return encrypt(socket)
  }
  if (tlsFrom === 0) {
    // It comes no further than that.
    if (ending === 'silent') socket.resume()
    else if (ending === 'half') socket.resume().write(halfHello)
    else if (ending === 'half, closed') socket.resume().end(halfHello)
    else listen(encrypt(socket))
    return
  }
  listen(socket)
  if (speech.first) say(socket, Buffer.alloc(0))
}

function encrypt(socket: Socket): TLSSocket {
  const secure = new TLSSocket(socket, {
    isServer: true,
    secureContext,
    ALPNProtocols: ['h2', 'http/1.1'],
  })
  secure.on('error', () => {})
  return secure
}

async function answer(
  stream: Duplex,
  { endless }: Speech,
  ending: Ending,
  whole: Buffer,
  wrong: Speech['wrong'],
  heard: Buffer,
  isLast: boolean,
): Promise<void> {
  const half = whole.subarray(0, whole.length >> 1)
  switch (ending) {
    case 'silent':
      return
    case 'wrong':
      stream.write(isLast || heard.length === 0 ? wrong(heard) : whole)
      return
    case 'half':
      stream.write(isLast ? half : whole)
      return
    case 'half, closed':
      if (isLast) stream.end(half)
      else stream.write(whole)
      return
    case 'endless': {
      if (!isLast) return void stream.write(whole)
      stream.write(Buffer.from(endless[0], 'latin1'))
      const block = Buffer.from(endless[1].repeat(Math.ceil(16_384 / endless[1].length)), 'latin1')
      while (!stream.destroyed) {
        stream.write(block)
        await turn()
        if (stream.writableNeedDrain)
          await new Promise<void>((go) => void stream.once('drain', go).once('close', go))
      }
      return
    }
    case 'aborted':
      for (const byte of whole) {
        if (stream.destroyed) return
        stream.write(Buffer.of(byte))
        await turn()
      }
      return
    default:
      stream.write(whole)
  }
}

async function serveUdp(speech: Speech, ending: Ending): Promise<number> {
  const socket = createSocket('udp4')
  socket.bind(0, '127.0.0.1')
  await once(socket, 'listening')
  socket.on('error', () => {})
  socket.on('message', (heard, { port, address }) => {
    const send = (bytes: Buffer) => socket.send(bytes, port, address, () => {})
    const whole = speech.turns[0]?.(heard) ?? heard
    if (ending === 'silent') return
    if (ending === 'wrong') send(speech.wrong(heard))
    else if (ending === 'half' || ending === 'half, closed')
      send(whole.subarray(0, whole.length >> 1))
    else if (ending === 'endless') for (let i = 0; i < 50; i++) send(Buffer.from(speech.endless[1]))
    else send(whole)
  })
  return socket.address().port
}

await main()
