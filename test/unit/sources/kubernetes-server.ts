// The API server of Kubernetes as it is documented, as far as EndpointSlices go: lists with a resourceVersion, watches from one
// on, bookmarks, history that is forgotten (410).
import type { ServerResponse } from 'node:http'
import { webServer } from './web-server.js'

export interface Conditions {
  readonly ready?: boolean
  readonly serving?: boolean
  readonly terminating?: boolean
}

export interface Slice {
  readonly service?: string
  readonly addressType?: string
  readonly endpoints: null | readonly { addresses: readonly string[]; conditions?: Conditions }[]
  readonly ports?: null | readonly { name?: string; port?: number; protocol?: string }[]
}

interface Event {
  readonly version: number
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED'
  readonly object: { readonly metadata: { readonly labels: Readonly<Record<string, string>> } }
}

export async function kubernetesServer(token?: string) {
  let version = 100
  let oldest = 100
  const slices = new Map<string, Slice>()
  const events: Event[] = []
  const watches = new Map<ServerResponse, string>()
  let fault: { readonly status: number; readonly text: string } | undefined

  const server = await webServer((request, response): unknown => {
    const { pathname, searchParams } = new URL(request.url!, 'http://kubernetes')
    const answer = (status: number, body: object) =>
      response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body))
    if (fault !== undefined) {
      return response.writeHead(fault.status).end(fault.text)
    }
    if (token !== undefined && request.headers.authorization !== `Bearer ${token}`)
      return answer(401, status(401, 'Unauthorized', 'Unauthorized'))
    if (pathname !== '/apis/discovery.k8s.io/v1/namespaces/shop/endpointslices')
      return answer(403, status(403, 'Forbidden', 'endpointslices is forbidden'))
    const [, wanted = ''] = /^kubernetes\.io\/service-name=(.*)$/.exec(
      searchParams.get('labelSelector') ?? '',
    )!
    if (searchParams.get('watch') === '1') {
      response.writeHead(200, { 'content-type': 'application/json' })
      response.flushHeaders()
      const from = Number(searchParams.get('resourceVersion'))
      if (from < oldest) {
        write(response, { type: 'ERROR', object: gone() })
        return response.end()
      }
      watches.set(response, wanted)
      response.once('close', () => watches.delete(response))
      for (const event of events) if (event.version > from) tell(response, wanted, event)
      return response
    }
    return answer(200, {
      kind: 'EndpointSliceList',
      apiVersion: 'discovery.k8s.io/v1',
      metadata: { resourceVersion: String(version) },
      items: [...slices]
        .filter(([, { service = 'dns' }]) => service === wanted)
        .map(([name, slice]) => objectOf(name, slice, version)),
    })
  })

  function happen(type: Event['type'], name: string, slice: Slice): void {
    version++
    const event = { version, type, object: objectOf(name, slice, version) }
    events.push(event)
    for (const [response, wanted] of watches) tell(response, wanted, event)
  }

  return {
    server,
    url: server.origin,
    watches,
    set(name: string, slice: Slice): void {
      const type = slices.has(name) ? 'MODIFIED' : 'ADDED'
      slices.set(name, slice)
      happen(type, name, slice)
    },
    delete(name: string): void {
      const slice = slices.get(name)!
      slices.delete(name)
      happen('DELETED', name, slice)
    },
    /** Something else in the cluster has changed. */
    bookmark(): void {
      version += 50
      const metadata = { resourceVersion: String(version), creationTimestamp: null }
      for (const response of watches.keys())
        write(response, { type: 'BOOKMARK', object: { kind: 'EndpointSlice', metadata } })
    },
    /** What has happened so far is known no more. */
    forget(): void {
      oldest = version
      events.length = 0
    },
    say(event: unknown): void {
      for (const response of watches.keys()) write(response, event)
    },
    /** The time of the watches is over. */
    endWatches(): void {
      for (const response of watches.keys()) response.end()
    },
    fail(next: typeof fault): void {
      fault = next
    },
  }
}

function tell(response: ServerResponse, wanted: string, { type, object }: Event): void {
  if (object.metadata.labels['kubernetes.io/service-name'] === wanted)
    write(response, { type, object })
}

function write(response: ServerResponse, event: unknown): void {
  response.write(`${JSON.stringify(event)}\n`)
}

function objectOf(
  name: string,
  { service = 'dns', addressType = 'IPv4', endpoints, ports = [{ name: '', port: 53 }] }: Slice,
  version: number,
) {
  return {
    kind: 'EndpointSlice',
    apiVersion: 'discovery.k8s.io/v1',
    metadata: {
      name,
      namespace: 'shop',
      resourceVersion: String(version),
      labels: { 'kubernetes.io/service-name': service },
    },
    addressType,
    endpoints,
    ports,
  }
}

function gone() {
  return status(410, 'Expired', 'too old resource version: 100 (150)')
}

function status(code: number, reason: string, message: string) {
  return { kind: 'Status', apiVersion: 'v1', status: 'Failure', code, reason, message }
}
