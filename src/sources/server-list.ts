// The formats of lists of servers: one per line, a JSON array, a value for each.
import { rangeError } from '../errors.js'
import type { PoolServer } from '../servers.js'
import { endpointKey, readServer, type ServerSpec } from '../servers.js'
import { checkInteger } from '../validate.js'

const MAX_WEIGHT = 0x7fffffff

/** A server, and where it stands: `/etc/servers:3`, or in JSON `/etc/servers[2]`. */
interface Placed {
  readonly place: string
  readonly server: PoolServer
}

/**
 * Reads lines `address[:port] [weight]` with `#` comments, or a JSON array of strings and objects.
 *
 * @param path of the file, for the errors
 * @throws Error if it is no list, TypeError or RangeError for a server: `path:3`, or in JSON `path[2]`
 */
export function parseServers(text: string, path: string): PoolServer[] {
  // Some editors write a byte order mark.
  const plain = text.replace(/^\uFEFF/, '')
  return eachOnce(isJson(plain) ? parseJson(plain, path) : parseLines(plain, path))
}

/**
 * Reads a JSON array of strings and objects. What broke off on its way is none.
 *
 * @param place where the text is from, for the errors
 * @throws Error if it is no list, TypeError or RangeError for a server: `place[2]`
 */
export function parseJsonServers(text: string, place: string): PoolServer[] {
  return eachOnce(parseJson(text, place))
}

/** A server that is named, and what is said of it. */
export interface NamedText {
  /** For the errors: its key. */
  readonly place: string
  /** `address[:port]`. */
  readonly name: string
  /** Nothing, a weight, or a JSON object of what a server has beside address and port. */
  readonly text: string
}

/** @throws TypeError or RangeError for a name or a text, with its place */
export function parseNamedServers(all: readonly NamedText[]): PoolServer[] {
  return eachOnce(
    all.map(({ place, name, text }) => {
      const { address, port } = readServer(name, place)
      const more = parseMore(text.trim(), place)
      for (const key of ['address', 'port']) {
        const rule = 'left out: the key says it'
        if (key in more) throw rangeError(`${place}: ${key}`, rule, Reflect.get(more, key))
      }
      const spec = readServer({ ...more, address, port }, place)
      return { place, server: serverOf(spec, (option) => `${place}: ${option}`) }
    }),
  )
}

function parseMore(text: string, place: string): object {
  if (text === '') return {}
  if (/^\d+$/.test(text)) return { weight: Number(text) }
  try {
    const value: unknown = JSON.parse(text)
    if (Object.prototype.toString.call(value) === '[object Object]') return value as object
  } catch {
    // Told below.
  }
  throw rangeError(
    place,
    'empty, a weight, or JSON such as { "weight": 3, "admin": "drain" }',
    text,
  )
}

function eachOnce(all: readonly Placed[]): PoolServer[] {
  const places = new Map<string, string>()
  for (const { place, server } of all) {
    const key = endpointKey(server.address, server.port ?? 0)
    const other = places.get(key)
    // A pool would refuse it as well, but not know the line.
    if (other !== undefined) {
      const rule = `a server that is not there twice: ${other} is the same`
      throw rangeError(place, rule, server.port === undefined ? server.address : key)
    }
    places.set(key, place)
  }
  return all.map(({ server }) => server)
}

/** Sorted and each once, for lists that come in any order and have those twice that are known twice. The first one counts. */
export function inOrder(servers: readonly PoolServer[]): PoolServer[] {
  const known = new Map<string, PoolServer>()
  for (const server of servers) {
    const key = endpointKey(server.address, server.port ?? 0)
    if (!known.has(key)) known.set(key, server)
  }
  return [...known].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, server]) => server)
}

/** A line may begin with a bracket too: `[2001:db8::1]:53`. */
function isJson(text: string): boolean {
  return /^\s*(?:\{|\[\s*(?:["{\]]|$))/.test(text)
}

function parseJson(text: string, path: string): Placed[] {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (error) {
    const { message } = error as Error
    const at = /at position (\d+)/.exec(message)?.[1]
    const where = at === undefined ? path : `${path}:${lineAt(text, Number(at))}`
    const advice = 'correct it; if a program writes the file, let it rename a finished one'
    throw new Error(`${where}: not valid JSON: ${message}; ${advice}`, { cause: error })
  }
  if (!Array.isArray(value)) {
    const example = '["10.1.0.1", { "address": "10.1.0.2", "weight": 10 }]'
    throw new Error(`${path}: the JSON is an object, but should be an array such as ${example}`)
  }
  return value.map((item: unknown, index) => {
    const place = `${path}[${index}]`
    return { place, server: serverOf(readServer(item, place), (name) => `${place}.${name}`) }
  })
}

function lineAt(text: string, position: number): number {
  return text.slice(0, position).split('\n').length
}

function parseLines(text: string, path: string): Placed[] {
  return text.split('\n').flatMap((line, index) => {
    const plain = line.replace(/#.*/, '').trim()
    if (plain === '') return []
    const place = `${path}:${index + 1}`
    const [address, weight, ...more] = plain.split(/\s+/)
    if (more.length > 0) throw rangeError(place, '"address[:port] [weight]"', plain)
    if (weight !== undefined && !/^\d+$/.test(weight)) {
      throw rangeError(place, 'an address and a weight in digits', plain)
    }
    const spec = readServer(address, place)
    const weighted = weight === undefined ? spec : { ...spec, weight: Number(weight) }
    return { place, server: serverOf(weighted, (name) => `${place}: ${name}`) }
  })
}

/** Without what is not said. Each pool has its own rules beyond these. */
export function serverOf(spec: ServerSpec, option: (name: string) => string): PoolServer {
  for (const name of ['weight', 'upperThreshold', 'lowerThreshold'] as const) {
    if (spec[name] !== undefined) checkInteger(spec[name], option(name), 0, MAX_WEIGHT)
  }
  // Not field by field: whatever a server may have must not be lost on the way to the pool.
  const said = Object.entries(spec).filter(([, value]) => value !== undefined)
  return Object.fromEntries(said) as unknown as PoolServer
}
