// Consul as its HTTP API is documented: /v1/health/service/NAME with blocking queries, access control, tags.
import type { ServerResponse } from 'node:http'
import { webServer } from './web-server.js'

export interface Instance {
  readonly id: string
  readonly node?: string
  readonly address?: string
  readonly port?: number
  readonly weights?: { readonly Passing: number; readonly Warning: number }
  readonly tags?: readonly string[]
  readonly status?: 'passing' | 'warning' | 'critical'
}

export async function consulServer(token?: string) {
  let index = 10
  let instances: readonly Instance[] = []
  let faults: { readonly status?: number; readonly text?: string; readonly headers?: object } = {}
  const waiting = new Set<() => void>()

  const server = await webServer((request, response) => {
    const url = new URL(request.url!, 'http://consul')
    const asked = Number(url.searchParams.get('index') ?? 0)
    const answer = () => {
      waiting.delete(answer)
      give(url, request.headers['x-consul-token'], response)
    }
    // It waits only for what is to come: with 0, and where it has gone on meanwhile, not at all.
    if (asked === 0 || asked < index || faults.status !== undefined) answer()
    else waiting.add(answer)
  })

  function give(url: URL, shown: string | string[] | undefined, response: ServerResponse): void {
    const { status = 200, text, headers = {} } = faults
    if (token !== undefined && shown !== undefined && shown !== token) {
      response.writeHead(403).end('ACL not found')
      return
    }
    const isFiltered = token !== undefined && shown !== token
    const isPassing = url.searchParams.has('passing')
    const tag = url.searchParams.get('tag')
    const known = instances.filter(
      (one) =>
        !isFiltered &&
        url.pathname === '/v1/health/service/dns' &&
        (!isPassing || (one.status ?? 'passing') === 'passing') &&
        (tag === null || one.tags?.includes(tag)),
    )
    response
      .writeHead(status, {
        'content-type': 'application/json',
        'x-consul-index': String(index),
        'x-consul-knownleader': 'true',
        'x-consul-lastcontact': '0',
        ...(isFiltered ? { 'x-consul-results-filtered-by-acls': 'true' } : {}),
        ...headers,
      })
      .end(text ?? JSON.stringify(known.map(entryOf)))
  }

  function tell(): void {
    for (const answer of [...waiting]) answer()
  }

  return {
    server,
    url: server.origin,
    waiting,
    set(next: readonly Instance[]): void {
      instances = next
      index += 5
      tell()
    },
    /** A wait that is over, without a change. */
    timeOut: tell,
    /** As after a restore: the index goes back. */
    restore(next: readonly Instance[], at: number): void {
      instances = next
      index = at
      tell()
    },
    fail(next: typeof faults): void {
      faults = next
      tell()
    },
  }
}

function entryOf({ id, node = '10.9.0.1', address = '', port = 0, ...one }: Instance) {
  const { status = 'passing', tags = [], weights = { Passing: 1, Warning: 1 } } = one
  return {
    Node: { ID: 'a', Node: 'n1', Address: node, Datacenter: 'dc1' },
    Service: {
      ID: id,
      Service: 'dns',
      Tags: tags,
      Address: address,
      Port: port,
      Weights: weights,
    },
    Checks: [
      { CheckID: 'serfHealth', Status: 'passing' },
      { CheckID: `service:${id}`, Status: status },
    ],
  }
}
