// A stand-in for etcd: what directors read of its JSON gateway, from memory. It counts requests, messages and the bytes that pass,
// can be restarted, compacted, and cut off from some of its clients, each of which has a port of its own.
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'

interface Entry {
  readonly value: string
  readonly revision: number
}

interface Watch {
  readonly response: ServerResponse
  readonly client: number
}

interface Change {
  readonly revision: number
  readonly key: string
  readonly value: string
}

export interface Counts {
  readonly requests: number
  readonly messages: number
  /** To the clients, and from them. */
  readonly sentBytes: number
  readonly heardBytes: number
}

const base64 = (text: string) => Buffer.from(text).toString('base64')
const CLUSTER = '1'

export class Gateway {
  readonly #keys = new Map<string, Entry>()
  readonly #servers: (Server | undefined)[] = []
  readonly #ports: number[] = []
  readonly #sockets = new Map<number, Set<Socket>>()
  readonly #watches = new Set<Watch>()
  #history: Change[] = []
  #compacted = 0
  #revision = 1
  #range: { readonly revision: number; readonly text: Buffer } | undefined
  #requests = 0
  #messages = 0
  #sent = 0
  #heard = 0

  get counts(): Counts {
    let [sentBytes, heardBytes] = [this.#sent, this.#heard]
    for (const sockets of this.#sockets.values()) {
      for (const { bytesWritten, bytesRead } of sockets) {
        sentBytes += bytesWritten
        heardBytes += bytesRead
      }
    }
    return { requests: this.#requests, messages: this.#messages, sentBytes, heardBytes }
  }

  /** Before anybody listens. */
  fill(key: string, value: string): void {
    this.#keys.set(key, { value, revision: this.#revision })
  }

  put(key: string, value: string): void {
    const change = { revision: ++this.#revision, key, value }
    this.#keys.set(key, { value, revision: change.revision })
    this.#history.push(change)
    const line = this.#message([change])
    for (const { response } of this.#watches) this.#say(response, line)
  }

  compact(): void {
    this.#compacted = this.#revision
    this.#history = []
  }

  /** Whom this client asks. */
  async endpoint(client: number): Promise<string> {
    await this.open(client)
    return `http://127.0.0.1:${this.#ports[client]}`
  }

  /** Nobody listens there, and what is open ends. */
  shut(client: number): void {
    this.#servers[client]?.close()
    this.#servers[client] = undefined
    for (const socket of this.#sockets.get(client) ?? []) socket.destroy()
  }

  async open(client: number): Promise<void> {
    const server = createServer((request, response) => void this.#answer(client, request, response))
    server.keepAliveTimeout = 60_000
    server.on('connection', (socket) => {
      const sockets = this.#sockets.get(client) ?? new Set()
      this.#sockets.set(client, sockets.add(socket))
      socket.once('close', () => {
        sockets.delete(socket)
        this.#sent += socket.bytesWritten
        this.#heard += socket.bytesRead
      })
    })
    await new Promise<void>((resolve) =>
      server.listen(this.#ports[client] ?? 0, '127.0.0.1', resolve),
    )
    this.#ports[client] = (server.address() as AddressInfo).port
    this.#servers[client] = server
  }

  get clients(): readonly number[] {
    return [...this.#ports.keys()]
  }

  async #answer(client: number, request: IncomingMessage, response: ServerResponse): Promise<void> {
    this.#requests++
    let text = ''
    for await (const part of request.setEncoding('utf8')) text += part
    const body = JSON.parse(text || '{}') as {
      readonly create_request?: { readonly start_revision?: string }
    }
    if (request.url === '/v3/kv/range') response.end(this.#readRange())
    else if (request.url === '/v3/watch')
      this.#watch(client, Number(body.create_request?.start_revision), response)
    else response.end(JSON.stringify({ header: this.#header() }))
  }

  #watch(client: number, from: number, response: ServerResponse): void {
    this.#say(
      response,
      `${JSON.stringify({ result: { header: this.#header(), created: true } })}\n`,
    )
    if (from <= this.#compacted) {
      const result = {
        header: this.#header(),
        canceled: true,
        compact_revision: `${this.#compacted + 1}`,
      }
      response.end(`${JSON.stringify({ result })}\n`)
      return
    }
    const missed = this.#history.filter(({ revision }) => revision >= from)
    if (missed.length > 0) this.#say(response, this.#message(missed))
    const watch = { response, client }
    this.#watches.add(watch)
    response.once('close', () => this.#watches.delete(watch))
  }

  #say(response: ServerResponse, line: string): void {
    this.#messages++
    response.write(line)
  }

  #message(changes: readonly Change[]): string {
    const events = changes.map(({ key, value, revision }) => ({
      kv: {
        key: base64(key),
        value: base64(value),
        mod_revision: `${revision}`,
        create_revision: '1',
        version: '2',
      },
    }))
    return `${JSON.stringify({ result: { header: this.#header(), events } })}\n`
  }

  #readRange(): Buffer {
    if (this.#range?.revision !== this.#revision) {
      const kvs = [...this.#keys].map(([key, { value, revision }]) => ({
        key: base64(key),
        create_revision: '1',
        mod_revision: `${revision}`,
        version: '1',
        value: base64(value),
      }))
      const all = { header: this.#header(), kvs, count: `${kvs.length}` }
      this.#range = { revision: this.#revision, text: Buffer.from(JSON.stringify(all)) }
    }
    return this.#range.text
  }

  #header() {
    return { cluster_id: CLUSTER, member_id: '1', revision: `${this.#revision}`, raft_term: '1' }
  }
}
