// A web server on the loopback, and what came of it: for sources that ask one.
import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { onTestFinished } from 'vitest'

export interface WebServer {
  readonly origin: string
  readonly requests: readonly IncomingMessage[]
  /** Requests whose answers have not ended. */
  readonly open: ReadonlySet<ServerResponse>
  /** Ends all connections. */
  cut(): void
  /** And takes no more. */
  stop(): void
}

export async function webServer(
  answer: (request: IncomingMessage, response: ServerResponse, body: string) => unknown,
): Promise<WebServer> {
  const requests: IncomingMessage[] = []
  const open = new Set<ServerResponse>()
  const server = createServer(async (request, response) => {
    requests.push(request)
    open.add(response)
    response.once('close', () => open.delete(response))
    let body = ''
    for await (const part of request) body += part
    answer(request, response, body)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const cut = () => server.closeAllConnections()
  const stop = () => {
    server.close()
    cut()
  }
  onTestFinished(stop)
  return {
    origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    open,
    cut,
    stop,
  }
}

/** Where nobody listens. */
export const nobody = 'http://127.0.0.1:1'
