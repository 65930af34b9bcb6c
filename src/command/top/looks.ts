// Looks at the table: all services, and the destinations only of those that are asked for, so that a large table costs little.
import type { Ipvs } from '../../client.js'
import type { ListedDestination, ListedService } from '../../rules/listed.js'
import type { ServiceId, ServiceStatus } from '../../types.js'
import { CommandError } from '../errors.js'
import { listingIn } from '../table/proc.js'
import { endpoint, KERNEL, noSuchService, serviceName } from '../table/seen.js'
import { method, settings } from '../table/show.js'
import { follow, type Managed, type Rows, type Seen } from './model.js'

/** What was seen at one time. */
export interface Seeing<T> {
  /** Of the monotonic clock. */
  readonly atMs: number
  readonly list: readonly T[]
}

/** With counters, or with destinations and without counters. */
export type SeenService = ServiceStatus | ListedService

export interface Look {
  readonly services: Seeing<SeenService>
  /** By the name of the service. One that has gone meanwhile has none. */
  readonly destinations: ReadonlyMap<string, Seeing<ListedDestination>>
  /** By the name of the service, then of the destination: what a director says of them. Default: none runs. */
  readonly managed?: ReadonlyMap<string, ReadonlyMap<string, Managed>>
  /** Of the director that runs, among several. Default: none runs, or it is alone. */
  readonly role?: 'active' | 'standby'
}

export interface Source {
  /** {@link KERNEL}, or the file. */
  readonly name: string
  /** What it says nothing about, for people. */
  readonly lacks: readonly string[]
  readonly hasCounters: boolean
  /** @param wanted whose destinations are read too */
  readonly look: (wanted: (service: SeenService) => boolean) => Promise<Look>
}

/** The same of some services only. Its first look throws if there are none; later they may come and go. */
export function only(
  source: Source,
  word: string,
  isMeant: (service: ServiceId) => boolean,
): Source {
  let wereThere = false
  return {
    ...source,
    look: async (wanted) => {
      const { services, destinations } = await source.look((one) => isMeant(one) && wanted(one))
      const list = services.list.filter(isMeant)
      if (!wereThere && list.length === 0) {
        throw noSuchService(word, services.list.length)
      }
      wereThere = true
      return { services: { ...services, list }, destinations }
    },
  }
}

/** Less than a person would wait for a sign of life. */
const DEADLINE_MS = 5000

export function kernelSource(ipvs: Ipvs): Source {
  const options = { deadlineMs: DEADLINE_MS }
  return {
    name: KERNEL,
    lacks: [],
    hasCounters: true,
    look: async (wanted) => {
      const services = seeing(await ipvs.services(options))
      const destinations = new Map<string, Seeing<ListedDestination>>()
      for (const service of services.list.filter(wanted)) {
        try {
          destinations.set(serviceName(service), seeing(await ipvs.destinations(service, options)))
        } catch (error) {
          // Gone since.
          if ((error as { readonly code?: string }).code !== 'ERR_IPVS_NO_SERVICE') throw error
        }
      }
      return { services, destinations }
    },
  }
}

/** A file of /proc, which shows all or nothing. */
export function procSource(file: string, lacks: readonly string[]): Source {
  return {
    name: file,
    lacks,
    hasCounters: false,
    look: async (wanted) => {
      const listing = listingIn(file)
      if (listing === undefined) throw new CommandError(`${file} cannot be read any more.`)
      const services = seeing(listing.services)
      const destinations = listing.services
        .filter(wanted)
        .map((service) => [serviceName(service), seeing(service.destinations)] as const)
      return { services, destinations: new Map(destinations) }
    },
  }
}

function seeing<T>(list: readonly T[]): Seeing<T> {
  return { atMs: performance.now(), list }
}

/** What all looks so far have told. */
export interface Known {
  readonly services: Rows
  /** By the name of the service: of those that the last look was asked for. */
  readonly destinations: ReadonlyMap<string, Rows>
}

export const NOTHING: Known = { services: new Map(), destinations: new Map() }

/** What is known after a look. */
export function learn(before: Known, { services, destinations, managed }: Look): Known {
  return {
    services: follow(before.services, services.list.map(seenService), services.atMs),
    destinations: new Map(
      [...destinations].map(([name, { list, atMs }]) => {
        const known = before.destinations.get(name) ?? new Map()
        return [name, follow(known, seenDestinations(list, managed?.get(name)), atMs)]
      }),
    ),
  }
}

function seenService(service: SeenService): Seen {
  const destinations = 'destinations' in service ? service.destinations : undefined
  return {
    name: serviceName(service),
    kind: printable(settings(service)),
    stats: service.stats,
    active: sum(destinations?.map((one) => one.activeConnections)),
    inactive: sum(destinations?.map((one) => one.inactiveConnections)),
  }
}

/** Those of the kernel, and those that a director has and the kernel has not: they are down. */
function seenDestinations(
  list: readonly ListedDestination[],
  managed: ReadonlyMap<string, Managed> = new Map(),
): Seen[] {
  const rows = list.map((one) => {
    const row = seenDestination(one)
    const own = managed.get(row.name)
    return own === undefined ? row : { ...row, kind: `${row.kind}, ${own.word}`, managed: own }
  })
  const present = new Set(rows.map(({ name }) => name))
  const absent = [...managed].filter(([name]) => !present.has(name))
  return [...rows, ...absent.map(([name, own]) => ({ name, kind: own.word, managed: own }))]
}

function seenDestination(one: ListedDestination): Seen {
  return {
    name: endpoint(one),
    kind: method(one),
    stats: one.stats,
    weight: one.weight,
    active: one.activeConnections,
    inactive: one.inactiveConnections,
  }
}

/** Names of modules come from whoever has loaded them: nothing of them moves a terminal's cursor. */
export function printable(text: string): string {
  return text.replace(/\p{C}/gu, '?')
}

function sum(figures: readonly (number | undefined)[] | undefined): number | undefined {
  return figures?.reduce<number>((total, one) => total + (one ?? 0), 0)
}
