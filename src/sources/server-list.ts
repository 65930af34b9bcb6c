// The formats of a file with servers: one per line, or a JSON array.
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
  const all = isJson(plain) ? parseJson(plain, path) : parseLines(plain, path)
  const places = new Map<string, string>()
  for (const { place, server } of all) {
    const key = endpointKey(server.address, server.port ?? 0)
    const other = places.get(key)
    // A pool would refuse it as well, but not know the line.
    if (other !== undefined) {
      const rule = `a server that is not in the file twice: ${other} is the same`
      throw rangeError(place, rule, server.port === undefined ? server.address : key)
    }
    places.set(key, place)
  }
  return all.map(({ server }) => server)
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
function serverOf(spec: ServerSpec, option: (name: string) => string): PoolServer {
  for (const name of ['weight', 'upperThreshold', 'lowerThreshold'] as const) {
    if (spec[name] !== undefined) checkInteger(spec[name], option(name), 0, MAX_WEIGHT)
  }
  // Not field by field: whatever a server may have must not be lost on the way to the pool.
  const said = Object.entries(spec).filter(([, value]) => value !== undefined)
  return Object.fromEntries(said) as unknown as PoolServer
}
