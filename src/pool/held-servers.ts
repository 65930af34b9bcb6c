// Servers that a source no longer names, and that stay for a while all the same.
import { typeError } from '../errors.js'
import { endpointKey, type PoolServer, readServer } from '../servers.js'

/** Servers as a source gives them. */
export type ServerList = readonly (string | PoolServer)[]

interface KnownServer {
  readonly server: string | PoolServer
  readonly address: string
  readonly port: number
  readonly key: string
  /** Not named since then, on the monotonic clock. */
  missingSince: number | undefined
}

/** A list, and what it said when it came. */
export interface NamedList {
  readonly list: ServerList
  readonly servers: readonly KnownServer[]
  /** Of each different server. */
  readonly keys: ReadonlySet<string>
}

/** @throws TypeError, RangeError if it is no list of servers; holes too are none */
export function readList(list: unknown): NamedList {
  if (!Array.isArray(list)) {
    throw typeError('servers', 'an array of servers, from the source', list)
  }
  const servers = Array.from(list, (server, index): KnownServer => {
    const { address, port = 0 } = readServer(server, `servers[${index}]`)
    return { server, address, port, key: endpointKey(address, port), missingSince: undefined }
  })
  return { list, servers, keys: new Set(servers.map(({ key }) => key)) }
}

/** The servers that the pool has from this source, and for how long the missing ones stay. */
export class HeldServers {
  readonly #holdMs: number
  #known = new Map<string, KnownServer>()

  constructor(holdMs: number) {
    this.#holdMs = holdMs
  }

  /** To be told of every list that is believed, whether it will be set or another one in its place. */
  hear({ keys }: NamedList): void {
    for (const known of this.#known.values()) {
      if (keys.has(known.key)) known.missingSince = undefined
      else known.missingSince ??= performance.now()
    }
  }

  /** With those that are missing, but not for long enough; the others are forgotten. */
  complete({ servers: named }: NamedList): KnownServer[] {
    const ports = new Map<string, Set<number>>()
    for (const { address, port } of named) {
      const known = ports.get(address)
      if (known === undefined) ports.set(address, new Set([port]))
      else known.add(port)
    }
    for (const known of this.#known.values()) {
      if (known.missingSince !== undefined && this.#leftMs(known) <= 0)
        this.#known.delete(known.key)
    }
    // With a port of its own or without, it is the same server.
    const isNamed = ({ address, port }: KnownServer) => {
      const others = ports.get(address)
      return others !== undefined && (port === 0 || others.has(0) || others.has(port))
    }
    const missing = [...this.#known.values()].filter((known) => known.missingSince !== undefined)
    return [...named, ...missing.filter((known) => !isNamed(known))]
  }

  /** The pool has them; those of a list that it has refused are nobody to hold. */
  keep(servers: readonly KnownServer[]): void {
    this.#known = new Map(servers.map((known) => [known.key, known]))
  }

  /** Milliseconds until the first of them has been missing for long enough; `undefined` if none is missing. */
  untilNext(): number | undefined {
    let least: number | undefined
    for (const known of this.#known.values()) {
      if (known.missingSince !== undefined)
        least = Math.min(least ?? Number.POSITIVE_INFINITY, this.#leftMs(known))
    }
    return least === undefined ? undefined : Math.max(0, least)
  }

  #leftMs({ missingSince = 0 }: KnownServer): number {
    return missingSince + this.#holdMs - performance.now()
  }
}
