// The ways in which clients ask the virtual address of three-servers.ts.
import { createSocket, type Socket as UdpSocket } from 'node:dgram'
import { connect, type Socket } from 'node:net'
import { port, serverAt, vip } from '../network/three-servers.js'
import { addressIn, framed, queryMessage, unframe } from './dns-message.js'
import { newPort } from './new-ports.js'
import type { Queries } from './queries.js'

/** Each asks once when it is called. */
export class Asking<Client extends string> {
  readonly #queries: Queries<Client>
  /** The id has 16 bits of the number; those on their way are fewer. */
  readonly #numbers = new Map<number, number>()

  constructor(queries: Queries<Client>) {
    this.#queries = queries
  }

  fromNewPort(client: Client): void {
    this.#queries.ask(client, (number) => {
      const socket = this.#udpSocket(newPort())
      socket.send(this.#message(number), port, vip)
      return () => socket.close()
    })
  }

  fromOnePort(client: Client, localPort: number): () => void {
    const socket = this.#udpSocket(localPort)
    return () => {
      this.#queries.ask(client, (number) => {
        socket.send(this.#message(number), port, vip)
        return () => {}
      })
    }
  }

  /** A connection for each query. */
  overTcp(client: Client): void {
    this.#queries.ask(client, (number) => {
      const socket = this.#connect()
      const failed = () => this.#queries.failed(number)
      socket.on('error', failed).on('end', failed)
      socket.write(framed(this.#message(number)))
      return () => socket.destroy()
    })
  }

  /**
   * One connection for all queries; another one when it has been cut.
   * @param cut an established connection has ended, and nobody here wanted that
   */
  overOneConnection(client: Client, cut: () => void): () => void {
    const open = new Set<number>()
    let socket: Socket | undefined
    const connected = () => {
      let established = false
      const made = this.#connect().on('connect', () => {
        established = true
      })
      return made
        .on('error', () => {})
        .on('end', () => made.destroy())
        .on('close', () => {
          if (established) cut()
          socket = undefined
          for (const number of open) this.#queries.failed(number)
        })
    }
    return () => {
      socket ??= connected()
      const current = socket
      this.#queries.ask(client, (number) => {
        open.add(number)
        current.write(framed(this.#message(number)))
        return () => open.delete(number)
      })
    }
  }

  #message(number: number): Buffer {
    const id = number & 0xffff
    this.#numbers.set(id, number)
    return queryMessage(id)
  }

  #udpSocket(localPort: number): UdpSocket {
    // ICMP errors come here too: the query then stays without an answer, and that is what counts.
    const socket = createSocket('udp4', (message) => this.#heard(message)).on('error', () => {})
    return socket.bind(localPort)
  }

  #connect(): Socket {
    return connect({ host: vip, port, noDelay: true }).on(
      'data',
      unframe((message) => this.#heard(message)),
    )
  }

  /** Anything but an answer to a query of ours counts for nothing. */
  #heard(message: Buffer): void {
    const server = serverAt(addressIn(message) ?? '')
    const number = message.length < 2 ? undefined : this.#numbers.get(message.readUInt16BE(0))
    if (server !== undefined && number !== undefined) this.#queries.answered(number, server)
  }
}
