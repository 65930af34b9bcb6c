// One namespace's IPVS table, command by command, with the errno that Linux gives (ip_vs_ctl.c: ip_vs_genl_set_cmd).
import { constants } from 'node:os'
import { AF_INET6 } from '../address.js'
import { checkedDestinationKey, checkedServiceKey } from '../identity.js'
import { observedDestination, observedService } from '../kernel/observed.js'
import type { DestinationStatus, ServiceStatus, ServiceTreeStatus } from '../types.js'
import type {
  CheckedDestination,
  CheckedDestinationId,
  CheckedService,
  CheckedServiceId,
} from '../validate.js'
import type { MemoryDestination, MemoryService } from './memory-objects.js'
import { type Amounts, Counters, TICK_MS } from './memory-stats.js'
import { Trash } from './memory-trash.js'

const { EEXIST, EINVAL, ENOENT, ESRCH } = constants.errno

// linux/ip_vs.h: IP_VS_SVC_F_HASHED, always on in the kernel and masked out of what is read.
const HASHED = 0x2
/** The client names every bit in the mask of its flags (native/ipvs_codec.cc: PutService). */
const EVERY_FLAG = 0xffffffff
const TUNNEL = 2

export interface TableOptions {
  readonly schedulers: readonly string[]
  readonly engines: readonly string[]
  /** Milliseconds, never going back. */
  readonly clock: () => number
  /** False: statistics stand still (sysctl run_estimation). */
  readonly isEstimating: () => boolean
  /** A sync daemon runs, which refuses tunnels across families. */
  readonly isSyncing: () => boolean
}

export class MemoryTable {
  readonly #options: TableOptions
  readonly #services = new Map<string, MemoryService>()
  readonly #trash = new Trash()
  readonly #started: number
  /** Two-second steps since the start; the estimator has made `#tick` of them. */
  #passed = 0
  #tick = 0

  constructor(options: TableOptions) {
    this.#options = options
    this.#started = options.clock()
  }

  newService(service: CheckedService): number {
    const key = checkedServiceKey(service)
    if (this.#services.has(key)) return EEXIST
    if (!this.#hasModules(service)) return ENOENT
    const fields = { ...service, flags: mergeFlags(0, service.flags, EVERY_FLAG) }
    const counters = new Counters(this.#now())
    this.#services.set(key, { fields, counters, destinations: new Map() })
    return 0
  }

  setService(service: CheckedService): number {
    const seen = this.#find(service)
    if (seen === undefined) return ESRCH
    if (!this.#hasModules(service)) return ENOENT
    // Every field, the engine too: one that is not named is removed.
    const flags = mergeFlags(seen.fields.flags, service.flags, EVERY_FLAG)
    seen.fields = { ...service, flags }
    return 0
  }

  deleteService(id: CheckedServiceId): number {
    const key = checkedServiceKey(id)
    const service = this.#services.get(key)
    if (service === undefined) return ESRCH
    this.#services.delete(key)
    for (const destination of service.destinations.values()) this.#bin(destination)
    return 0
  }

  newDestination(id: CheckedServiceId, destination: CheckedDestination): number {
    const service = this.#find(id)
    if (service === undefined) return ESRCH
    if (!this.#mayForward(service, destination)) return EINVAL
    const key = checkedDestinationKey(destination)
    if (service.destinations.has(key)) return EEXIST
    const revived = this.#trash.take(service.fields, destination, this.#options.clock())
    if (revived !== undefined) {
      this.#revive(revived, service, destination)
      return 0
    }
    if (!isServerAddress(destination)) return EINVAL
    service.destinations.set(key, {
      fields: destination,
      counters: new Counters(this.#now()),
      service,
      active: 0,
      inactive: 0,
      persistent: 0,
    })
    return 0
  }

  setDestination(id: CheckedServiceId, destination: CheckedDestination): number {
    const service = this.#find(id)
    if (service === undefined) return ESRCH
    if (!this.#mayForward(service, destination)) return EINVAL
    const seen = service.destinations.get(checkedDestinationKey(destination))
    if (seen === undefined) return ENOENT
    seen.fields = destination
    return 0
  }

  deleteDestination(id: CheckedServiceId, destination: CheckedDestinationId): number {
    const service = this.#find(id)
    if (service === undefined) return ESRCH
    const key = checkedDestinationKey(destination)
    const seen = service.destinations.get(key)
    if (seen === undefined) return ENOENT
    service.destinations.delete(key)
    this.#bin(seen)
    return 0
  }

  /** Without a service: all of them. */
  zero(id: CheckedServiceId | undefined): number {
    const one = id && this.#find(id)
    if (id !== undefined && one === undefined) return ESRCH
    const now = this.#now()
    for (const service of one === undefined ? this.#services.values() : [one]) {
      for (const { counters } of [service, ...service.destinations.values()]) {
        counters.advance(now)
        counters.zero()
      }
    }
    return 0
  }

  flush(): void {
    for (const { fields } of [...this.#services.values()]) this.deleteService(fields)
  }

  hasMixedFamilies(): boolean {
    return [...this.#services.values()].some(({ fields, destinations }) =>
      [...destinations.values()].some((destination) => destination.fields.af !== fields.af),
    )
  }

  service(id: CheckedServiceId): ServiceStatus | undefined {
    const service = this.#find(id)
    return service && this.#readService(service)
  }

  services(): ServiceStatus[] {
    return [...this.#services.values()].map((service) => this.#readService(service))
  }

  destinations(id: CheckedServiceId): DestinationStatus[] | undefined {
    const service = this.#find(id)
    return service && this.#readDestinations(service)
  }

  trees(): ServiceTreeStatus[] {
    return [...this.#services.values()].map((service) => ({
      ...this.#readService(service),
      destinations: this.#readDestinations(service),
    }))
  }

  /** Lets packets pass. False if there is no such destination. */
  addTraffic(id: CheckedServiceId, to: CheckedDestinationId, amounts: Amounts): boolean {
    const destination = this.findDestination(id, to)
    if (destination === undefined) return false
    const now = this.#now()
    destination.counters.add(amounts, now)
    destination.service.counters.add(amounts, now)
    return true
  }

  findDestination(id: CheckedServiceId, to: CheckedDestinationId): MemoryDestination | undefined {
    return this.#find(id)?.destinations.get(checkedDestinationKey(to))
  }

  #find(id: CheckedServiceId): MemoryService | undefined {
    return this.#services.get(checkedServiceKey(id))
  }

  #hasModules({ scheduler, engine }: CheckedService): boolean {
    const { schedulers, engines } = this.#options
    return schedulers.includes(scheduler) && (engine === '' || engines.includes(engine))
  }

  #mayForward(service: MemoryService, { af, method }: CheckedDestination): boolean {
    if (af === service.fields.af) return true
    return method === TUNNEL && !this.#options.isSyncing()
  }

  #bin(destination: MemoryDestination): void {
    destination.counters.advance(this.#now())
    this.#trash.put(destination, this.#options.clock())
  }

  /** Connections and counters go on; counters start again if the service is another one by now. */
  #revive(
    destination: MemoryDestination,
    service: MemoryService,
    fields: CheckedDestination,
  ): void {
    destination.counters.resume(this.#now())
    if (destination.service !== service) destination.counters.zero()
    destination.service = service
    destination.fields = fields
    service.destinations.set(checkedDestinationKey(fields), destination)
  }

  #readService({ fields, counters }: MemoryService): ServiceStatus {
    counters.advance(this.#now())
    return observedService({ ...fields, flags: fields.flags & ~HASHED }, counters.read())
  }

  #readDestinations(service: MemoryService): DestinationStatus[] {
    const now = this.#now()
    return [...service.destinations.values()].reverse().map((destination) => {
      destination.counters.advance(now)
      return observedDestination(destination.fields, destination, destination.counters.read())
    })
  }

  /** The estimator's ticks so far. While it is switched off they do not count. */
  #now(): number {
    const ticks = Math.floor((this.#options.clock() - this.#started) / TICK_MS)
    if (this.#options.isEstimating()) this.#tick += Math.max(0, ticks - this.#passed)
    this.#passed = Math.max(ticks, this.#passed)
    return this.#tick
  }
}

/** ip_vs_ctl.c: ip_vs_genl_parse_service. */
function mergeFlags(old: number, flags: number, mask: number): number {
  return ((old & ~mask) | (flags & mask) | HASHED) >>> 0
}

/**
 * ip_vs_ctl.c: ip_vs_new_dest wants an address that is local or unicast as the namespace routes it. Modelled is a
 * namespace that has only its loopback, up: its broadcast address and every IPv6 link-local one are refused.
 */
function isServerAddress({ af, address }: CheckedDestinationId): boolean {
  if (af === AF_INET6) return !(address[0] === 0xfe && (address[1]! & 0xc0) === 0x80)
  return !(address[0] === 127 && address[1] === 255 && address[2] === 255 && address[3] === 255)
}
