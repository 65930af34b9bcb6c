// What EndpointSlices of Kubernetes say of servers (discovery.k8s.io/v1).
import { type PoolServer, readServer } from '../servers.js'
import type { Family } from '../types.js'
import { inOrder, serverOf } from './server-list.js'

/** Which of a slice's ports and addresses. */
export interface SliceRules {
  /** A name of the slices', a number, or `undefined`: each front's own. */
  readonly port: string | number | undefined
  readonly families: readonly Family[]
}

export interface EndpointSlice {
  readonly name: string
  readonly resourceVersion: string
  readonly addressType: string
  readonly endpoints: readonly Endpoint[]
  readonly ports: readonly Port[]
}

interface Endpoint {
  readonly addresses: readonly unknown[]
  readonly conditions: {
    readonly ready?: unknown
    readonly serving?: unknown
    readonly terminating?: unknown
  }
}

interface Port {
  readonly name?: unknown
  readonly port?: unknown
}

const FAMILIES: Readonly<Record<string, Family>> = { IPv4: 'ipv4', IPv6: 'ipv6' }

/** @throws Error: this is none */
export function readSlice(value: unknown): EndpointSlice {
  const { metadata, addressType, endpoints, ports } = mapOf(value)
  const { name, resourceVersion } = mapOf(metadata)
  const words = [name, resourceVersion, addressType]
  if (!words.every((word) => typeof word === 'string' && word !== '')) throw strange(value)
  return {
    name: name as string,
    resourceVersion: resourceVersion as string,
    addressType: addressType as string,
    // Go has no list for an empty one.
    endpoints: listOf(endpoints ?? []).map((one): Endpoint => {
      const { addresses, conditions } = mapOf(one)
      return { addresses: listOf(addresses), conditions: mapOf(conditions ?? {}) }
    }),
    ports: listOf(ports ?? []).map(mapOf),
  }
}

/**
 * Who is ready. Who is not any more, but still serves while it ends, keeps its connections with weight 0.
 *
 * @throws Error: none of the slices has the port
 */
export function serversOfSlices(
  all: readonly EndpointSlice[],
  { port, families }: SliceRules,
): PoolServer[] {
  const fitting = all.filter(({ addressType }) => families.includes(FAMILIES[addressType]!))
  const servers = fitting.flatMap((slice) => {
    const at = typeof port === 'string' ? portNamed(slice, port) : port
    // Its endpoints have no such port.
    if (at === undefined && port !== undefined) return []
    return slice.endpoints.flatMap((endpoint, index) =>
      serverOfEndpoint(endpoint, at, `${slice.name}: endpoints[${index}]`),
    )
  })
  const isEmpty = fitting.every(({ endpoints }) => endpoints.length === 0)
  if (typeof port === 'string' && !isEmpty && !fitting.some((slice) => portNamed(slice, port))) {
    const names = new Set(fitting.flatMap(({ ports }) => ports.map(({ name }) => name || '""')))
    throw new Error(`no EndpointSlice has a port named ${port}, only ${[...names].join(', ')}`)
  }
  // While a controller moves it, an endpoint may be in two slices: who is ready somewhere is ready.
  return inOrder(servers.toSorted((a, b) => (b.weight ?? 1) - (a.weight ?? 1)))
}

function serverOfEndpoint(
  { addresses: [address], conditions }: Endpoint,
  port: number | undefined,
  place: string,
): PoolServer[] {
  // Unknown counts as ready, and what is not said of serving is said by that.
  const isReady = conditions.ready !== false
  const serves = (conditions.serving ?? isReady) === true
  if (!isReady && !(serves && conditions.terminating === true)) return []
  const at = port === undefined ? { address } : { address, port }
  const spec = readServer(isReady ? at : { ...at, weight: 0 }, place)
  return [serverOf(spec, (name) => `${place}: ${name}`)]
}

function portNamed({ ports }: EndpointSlice, wanted: string): number | undefined {
  const found = ports.find(({ name = '' }) => name === wanted)?.port
  return typeof found === 'number' ? found : undefined
}

type Json = Readonly<Record<string, unknown>>

function mapOf(value: unknown): Json {
  if (Object.prototype.toString.call(value) === '[object Object]') return value as Json
  throw strange(value)
}

function listOf(value: unknown): readonly unknown[] {
  if (Array.isArray(value)) return value
  throw strange(value)
}

function strange(value: unknown): Error {
  return new Error(`this is no EndpointSlice: ${JSON.stringify(value)?.slice(0, 80)}`)
}
