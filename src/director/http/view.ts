// What a director tells over HTTP: its state, and what the kernel's table holds of its pools.
import { setImmediate as turn } from 'node:timers/promises'
import { destinationKey, serviceKey } from '../../identity.js'
import type { DestinationStatus, Snapshot, Stats } from '../../types.js'
import type { Director } from '../director.js'
import type { DirectorState } from '../state.js'
import { Paced } from './paced.js'

/** What the kernel counts of a service or a destination: since its creation, and by the second. */
export interface Traffic {
  readonly connections: number
  /** New connections per second. */
  readonly connectionRate: number
  /** Packets per second. */
  readonly inPacketRate: number
  /** Bytes per second. */
  readonly inByteRate: number
  /** Bytes per second. */
  readonly outByteRate: number
}

/** A destination of a service. */
export interface DestinationTraffic extends Traffic {
  /** Established TCP connections. */
  readonly active: number
  /** Other connections. */
  readonly inactive: number
  /** Entries of persistence. */
  readonly persistent: number
}

/** A service with its destinations, by key: `10.1.0.1:53`. */
export interface ServiceTraffic extends Traffic {
  readonly destinations: Readonly<Record<string, DestinationTraffic>>
}

/** A director's state as it is told over HTTP. */
export interface HttpState extends DirectorState {
  /** The process lives, and its pools look at the kernel. */
  readonly healthy: boolean
  /** The services of its pools by key, `udp 192.0.2.1:53`, as the kernel had them lately. Absent where it could not be read. */
  readonly table?: {
    /** Milliseconds since the epoch. */
    readonly time: number
    readonly services: Readonly<Record<string, ServiceTraffic>>
  }
}

/** The kernel counts every two seconds. */
const TABLE_MS = 1000
/** An event is told at once, and whoever hears it asks: not at every one of many. */
const STATE_MS = 200
/** Services; then whoever else has something to do has his turn. */
const AT_ONCE = 200
/** A state without a table is better than one that comes late. */
const PATIENCE_MS = 2000

export class View {
  readonly #director: Director
  readonly #table: Paced<HttpState['table']>
  readonly #state: Paced<HttpState>
  #text: { readonly of: HttpState; readonly body: Buffer } | undefined

  constructor(director: Director) {
    this.#director = director
    this.#table = new Paced(() => this.#readTable(), TABLE_MS)
    this.#state = new Paced(async () => {
      const table = await this.#table.get()
      const healthy = director.isHealthy()
      await turn()
      return { ...director.state(), healthy, ...(table === undefined ? {} : { table }) }
    }, STATE_MS)
  }

  state(): Promise<HttpState> {
    return this.#state.get()
  }

  /** As JSON; made once for all who get the same state. */
  async body(): Promise<Buffer> {
    const state = await this.#state.get()
    if (this.#text?.of !== state) {
      await turn()
      this.#text = { of: state, body: Buffer.from(JSON.stringify(state)) }
    }
    return this.#text.body
  }

  async #readTable(): Promise<HttpState['table']> {
    const ours = new Set(this.#director.config.pools.flatMap(({ services }) => services))
    const snapshot = await this.#director.client
      .snapshot({ deadlineMs: PATIENCE_MS })
      .catch(() => undefined)
    if (snapshot === undefined) return undefined
    const services: [string, ServiceTraffic][] = []
    for (const [index, service] of snapshot.services.entries()) {
      if (index % AT_ONCE === AT_ONCE - 1) await turn()
      const key = serviceKey(service)
      if (ours.has(key)) services.push([key, ofService(service)])
    }
    return { time: Date.now(), services: Object.fromEntries(services) }
  }
}

function ofService({ stats, destinations }: Snapshot['services'][number]): ServiceTraffic {
  return {
    ...traffic(stats),
    destinations: Object.fromEntries(
      destinations.map((one) => [destinationKey(one), ofDestination(one)]),
    ),
  }
}

function ofDestination(destination: DestinationStatus): DestinationTraffic {
  return {
    active: destination.activeConnections,
    inactive: destination.inactiveConnections,
    persistent: destination.persistentConnections,
    ...traffic(destination.stats),
  }
}

function traffic(stats: Stats): Traffic {
  const { connections, connectionRate, inPacketRate, inByteRate, outByteRate } = stats
  return { connections: Number(connections), connectionRate, inPacketRate, inByteRate, outByteRate }
}

/** What a director is not ready for yet, in words. */
export function missingOf({ ready, pools }: DirectorState): string[] {
  if (ready) return []
  return pools.flatMap(({ pool, open, trouble, source, servers }) => {
    if (!open) {
      const waits = source === undefined ? '' : `: ${source} has given no servers yet`
      return [`pool ${pool} is not open${trouble === undefined ? waits : `: ${trouble}`}`]
    }
    return servers
      .filter(({ check }) => check !== 'none' && !check.decided)
      .map(({ server }) => `${pool}/${server} has had no verdict yet`)
  })
}
