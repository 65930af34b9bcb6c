// Real servers on the loopback that misbehave as told, and a count of what is open.
import { createSocket, type RemoteInfo, type Socket as UdpSocket } from 'node:dgram'
import { once } from 'node:events'
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { type DecodedPacket, decode, encode, type Packet } from 'dns-packet'
import { afterEach, expect } from 'vitest'
import { CheckTimeoutError } from '../../../src/health/outcome.js'
import type { Check, HealthMember } from '../../../src/health/types.js'

type UdpHandler = (query: Buffer, reply: (message: Buffer) => void) => void
export type TcpHandler = (socket: Socket, server: LoopbackServer) => void

export interface LoopbackServer {
  readonly member: HealthMember
  /** Speaks UDP. */
  readonly udp: boolean
  /** DNS queries over UDP, and those over TCP that `tcpReply` has answered. */
  readonly queries: DecodedPacket[]
  readonly connections: Set<Socket>
  close(): Promise<void>
}

const open = new Set<LoopbackServer>()

afterEach(async () => {
  for (const server of open) await server.close()
})

/** Listens on one port for both protocols; a protocol without a handler is refused. */
export async function serve(
  handlers: { udp?: UdpHandler | undefined; tcp?: TcpHandler | undefined },
  address = '127.0.0.1',
): Promise<LoopbackServer> {
  for (;;) {
    const tcp = createServer()
    tcp.listen(0, address)
    await once(tcp, 'listening')
    const { port } = tcp.address() as AddressInfo
    const udp = createSocket(address.includes(':') ? 'udp6' : 'udp4')
    try {
      udp.bind(port, address)
      await once(udp, 'listening')
    } catch {
      // Someone else has this port for UDP: take another.
      tcp.close()
      continue
    }
    return build(tcp, udp, address, port, handlers)
  }
}

async function build(
  tcp: Server,
  udp: UdpSocket,
  address: string,
  port: number,
  handlers: { udp?: UdpHandler | undefined; tcp?: TcpHandler | undefined },
): Promise<LoopbackServer> {
  const key = address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`
  const server: LoopbackServer = {
    member: { key, address, port },
    udp: handlers.udp !== undefined,
    queries: [],
    connections: new Set(),
    async close() {
      if (!open.delete(server)) return
      for (const socket of server.connections) socket.destroy()
      if (handlers.tcp !== undefined) tcp.close()
      if (handlers.udp !== undefined) udp.close()
    },
  }
  open.add(server)
  if (handlers.tcp === undefined) {
    tcp.close()
    await once(tcp, 'close')
  }
  if (handlers.udp === undefined) {
    udp.close()
    await once(udp, 'close')
  }
  tcp.on('connection', (socket) => {
    server.connections.add(socket)
    socket.on('error', () => {})
    socket.on('close', () => server.connections.delete(socket))
    handlers.tcp?.(socket, server)
  })
  udp.on('message', (message: Buffer, from: RemoteInfo) => {
    const reply = (text: Buffer) => {
      // A late reply may come after the test.
      if (open.has(server)) udp.send(text, from.port, from.address)
    }
    try {
      server.queries.push(decode(message))
    } catch {
      // Not every check asks the DNS.
    }
    handlers.udp?.(message, reply)
  })
  return server
}

/** A reply to `query`: one A record 192.0.2.53, unless told otherwise. */
export function answer(query: Buffer, change: Packet & { rcode?: number } = {}): Buffer {
  const { id, questions } = decode(query)
  const { rcode = 0, flags = 0, ...packet } = change
  return encode({
    type: 'response',
    id,
    questions,
    answers: [{ type: 'A', name: questions?.[0]?.name ?? '.', ttl: 1, data: '192.0.2.53' }],
    ...packet,
    flags: flags | rcode,
  })
}

/** A UDP handler that sends one reply. */
export function udpReply(make: (query: Buffer) => Buffer = answer): UdpHandler {
  return (query, reply) => reply(make(query))
}

/** A TCP handler that answers the first query with these pieces, 5 ms apart. */
export function tcpReply(
  make: (query: Buffer) => Buffer = answer,
  pieces: (framed: Buffer) => Buffer[] = (framed) => [framed],
): TcpHandler {
  return (socket, server) => {
    socket.once('data', async (data) => {
      server.queries.push(decode(data.subarray(2)))
      for (const piece of pieces(frame(make(data.subarray(2))))) {
        if (!socket.destroyed) socket.write(piece)
        await sleep(5)
      }
    })
  }
}

export function frame(message: Buffer): Buffer {
  const length = Buffer.alloc(2)
  length.writeUInt16BE(message.length)
  return Buffer.concat([length, message])
}

/**
 * Sockets open in this process besides those of the servers, which is none when the checks have closed theirs.
 * Closed ones leave in the next turns of the loop: waits for that, at most a second.
 */
export async function leftOpen(): Promise<string[]> {
  for (let i = 0; i < 100 && list().length > 0; i++) await sleep(10)
  return list()

  function list(): string[] {
    let servers = [...open].filter((server) => server.udp).length
    return process
      .getActiveResourcesInfo()
      .filter(
        (name) =>
          /UDPWrap|TCPSocket|ConnectWrap/.test(name) && !(name === 'UDPWrap' && servers-- > 0),
      )
  }
}

/**
 * Runs a check as the checker does, with a time-out by an abort, and returns `healthy: detail` or the reason, with HOST
 * in place of the member's address and port. Says that nothing was left open.
 */
export async function run(check: Check, member: HealthMember, timeoutMs = 80): Promise<string> {
  const controller = new AbortController()
  const timer = setTimeout(() => controller.abort(new CheckTimeoutError(timeoutMs)), timeoutMs)
  const said = await outcomeOf(check(member, { signal: controller.signal }))
  clearTimeout(timer)
  expect(await leftOpen()).toEqual([])
  return said.replaceAll(member.key, 'HOST')
}

/** Runs a check by itself and returns `healthy: detail` or the reason. */
export async function outcomeOf(promise: Promise<unknown>): Promise<string> {
  try {
    const success = (await promise) as { detail?: string } | undefined
    return `healthy: ${success?.detail}`
  } catch (error) {
    return (error as Error).message
  }
}
