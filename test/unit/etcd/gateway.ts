// A stand-in for etcd's JSON gateway, for what a real one does only when it is ill. The real one: test/servers/etcd-source.test.ts.
import type { IncomingMessage, ServerResponse } from 'node:http'
import { onTestFinished } from 'vitest'
import { EtcdClient, type EtcdOptions } from '../../../src/etcd/index.js'
import { webServer } from '../sources/web-server.js'

export interface Asked {
  readonly path: string
  readonly body: Readonly<Record<string, unknown>>
  readonly headers: IncomingMessage['headers']
}

/** What is answered: JSON, with status 200; an error of gRPC; a stream; anything else by hand. */
export type Said =
  | object
  | { readonly code: number; readonly message: string }
  | ((response: ServerResponse) => void)

export const header = (revision: number) => ({
  cluster_id: '14841639068965178418',
  member_id: '10276657743932975437',
  revision: String(revision),
  raft_term: '2',
})

export const base64 = (text: string) => Buffer.from(text).toString('base64')

export async function gateway(say: (asked: Asked) => Said) {
  const asked: Asked[] = []
  const server = await webServer((request, response, body) => {
    const one = { path: request.url!, body: JSON.parse(body), headers: request.headers }
    asked.push(one)
    const said = say(one)
    if (typeof said === 'function') said(response)
    else if ('code' in said) response.writeHead(statusOf(said.code)).end(JSON.stringify(said))
    else response.writeHead(200).end(JSON.stringify(said))
  })
  return { server, asked, origin: server.origin }
}

/** A watch that goes on: what `write` is called with comes in it. */
export function stream(...first: readonly object[]) {
  const streams: ServerResponse[] = []
  const line = (message: object) => `${JSON.stringify(message)}\n`
  return {
    said: (response: ServerResponse) => {
      streams.push(response)
      response.writeHead(200).write(first.map(line).join(''))
    },
    streams,
    write: (message: object) => streams.at(-1)!.write(line(message)),
  }
}

export function client(options: EtcdOptions): EtcdClient {
  const made = new EtcdClient(options)
  onTestFinished(() => made.close())
  return made
}

function statusOf(code: number): number {
  return (
    ({ 3: 400, 5: 404, 7: 403, 9: 412, 14: 503, 16: 401 } as Record<number, number>)[code] ?? 500
  )
}
