// Real servers on the loopback that misbehave as told, and checks of them whose time is up when a test says so.
import { createSocket, type RemoteInfo, type Socket as UdpSocket } from 'node:dgram'
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { once } from 'node:events'
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'
import { setImmediate as turn } from 'node:timers/promises'
import { type DecodedPacket, decode, encode, type Packet } from 'dns-packet'
import { expect, onTestFinished } from 'vitest'
import { CheckTimeoutError } from '../../../src/health/outcome.js'
import type { Check, HealthMember } from '../../../src/health/types.js'

type UdpHandler = (query: Buffer, reply: (message: Buffer) => void) => void
export type TcpHandler = (socket: Socket, server: LoopbackServer) => void

export interface LoopbackServer {
  readonly member: HealthMember
  /** Speaks UDP. */
  readonly udp: boolean
  /** Everything it was sent over UDP. */
  readonly datagrams: Buffer[]
  /** DNS queries over UDP, and those over TCP that `tcpReply` has answered. */
  readonly queries: DecodedPacket[]
  readonly connections: Set<Socket>
  close(): Promise<void>
}

const open = new Set<LoopbackServer>()

/** Listens on one port for both protocols until the test has ended; a protocol without a handler is refused. */
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
      udp.close()
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
    datagrams: [],
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
  onTestFinished(() => server.close())
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
    server.datagrams.push(message)
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

/** A TCP handler that answers the first query with these pieces, a turn of the event loop apart. */
export function tcpReply(
  make: (query: Buffer) => Buffer = answer,
  pieces: (framed: Buffer) => Buffer[] = (framed) => [framed],
): TcpHandler {
  return (socket, server) => {
    socket.once('data', async (data) => {
      server.queries.push(decode(data.subarray(2)))
      for (const piece of pieces(frame(make(data.subarray(2))))) {
        if (!socket.destroyed) socket.write(piece)
        await turn()
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
 * No socket is open in this process besides those of the servers: the checks have closed theirs. Closed ones leave in
 * the next turns of the loop.
 */
export async function nothingLeftOpen(): Promise<void> {
  await expect.poll(list).toEqual([])

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

/** The sockets of the present run, or of the last one, and what they have read. */
export class Client {
  readonly #tcp: Socket[] = []
  #connections = 0
  #failures = 0
  #datagrams = 0

  /** Node.js tells of each socket when it is made: we hear of what it gets before the check does. */
  async watch<T>(work: () => Promise<T>): Promise<T> {
    const onTcp = (message: unknown) => {
      const { socket } = message as { socket: Socket }
      this.#tcp.push(socket)
      socket.once('connect', () => this.#connections++)
      socket.once('error', () => this.#failures++)
    }
    const onUdp = (message: unknown) => {
      const { socket } = message as { socket: UdpSocket }
      socket.on('message', () => this.#datagrams++)
    }
    subscribe('net.client.socket', onTcp)
    subscribe('udp.socket', onUdp)
    try {
      return await work()
    } finally {
      unsubscribe('net.client.socket', onTcp)
      unsubscribe('udp.socket', onUdp)
    }
  }

  get connections(): number {
    return this.#connections
  }

  /** Connections that were refused or reset. */
  get failures(): number {
    return this.#failures
  }

  /** Over TCP. */
  get bytes(): number {
    return this.#tcp.reduce((sum, socket) => sum + socket.bytesRead, 0)
  }

  get datagrams(): number {
    return this.#datagrams
  }
}

export let client = new Client()

/**
 * Runs a check and returns `healthy: detail` or the reason, with HOST in place of the member's address and port. Says
 * that nothing was left open.
 */
export async function run(
  check: Check,
  member: HealthMember,
  signal = new AbortController().signal,
): Promise<string> {
  client = new Client()
  const said = await client.watch(() => outcomeOf(check(member, { signal })))
  await nothingLeftOpen()
  return said.replaceAll(member.key, 'HOST')
}

/** The same, but its time of 80 ms is up when this has come true, however long that takes. */
export async function outOfTime(
  check: Check,
  member: HealthMember,
  cameTrue: (client: Client) => boolean,
): Promise<string> {
  const controller = new AbortController()
  let over = false
  const said = run(check, member, controller.signal).finally(() => {
    over = true
  })
  await expect.poll(() => over || cameTrue(client)).toBe(true)
  controller.abort(new CheckTimeoutError(80))
  return said
}

/** It is connected, and has said what it says at once. */
export const connected = ({ connections }: Client) => connections === 1

/**
 * Stops a check at once, after one turn of the event loop, after two, and so on until it is healthy before. Returns
 * what it said each time but for the last.
 */
export async function stopAnywhere(check: Check, member: HealthMember): Promise<string[]> {
  const reasons: string[] = []
  for (;;) {
    const controller = new AbortController()
    const said = run(check, member, controller.signal)
    for (let turns = 0; turns < reasons.length; turns++) await turn()
    controller.abort()
    const reason = await said
    if (reason.startsWith('healthy')) return reasons
    reasons.push(reason)
  }
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
