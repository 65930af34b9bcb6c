// Servers that answer as long as they are told to.
import { once } from 'node:events'
import { createServer, type Server, type Socket } from 'node:net'

export class Servers {
  readonly #all = new Map<string, { readonly server: Server; readonly sockets: Set<Socket> }>()

  /** `127.0.1.1:53` of those that answer. */
  get answering(): ReadonlySet<string> {
    return new Set(this.#all.keys())
  }

  async start(endpoint: string): Promise<void> {
    const [address, port] = endpoint.split(':') as [string, string]
    const sockets = new Set<Socket>()
    const server = createServer((socket) => {
      sockets.add(socket)
      socket.on('error', () => {})
      socket.once('close', () => sockets.delete(socket))
    })
    server.listen(Number(port), address)
    await once(server, 'listening')
    this.#all.set(endpoint, { server, sockets })
  }

  async stop(endpoint: string): Promise<void> {
    const { server, sockets } = this.#all.get(endpoint)!
    this.#all.delete(endpoint)
    for (const socket of sockets) socket.destroy()
    await new Promise((resolve) => server.close(resolve))
  }
}
