// Pools on a kernel in memory, seen from outside: their table, what is tried on it, and time of the test's own.
import { vi } from 'vitest'
import {
  destinationKey,
  type HealthMember,
  Ipvs,
  MirroredPool,
  type MirroredPoolOptions,
  parseRules,
  type Service,
  serviceKey,
  type Verdict,
} from '../../../../src/index.js'
import { MemoryKernel, type MemoryKernelOptions } from '../../../../src/testing/index.js'
import { twoServers } from '../two-servers.js'
import { type AnyEvent, quiet } from '../watch.js'

export { type AnyEvent, quiet, record } from '../watch.js'

/** Only the kernel knows that it is a broadcast address. */
export const BROADCAST = '127.255.255.255'
export const LINK_LOCAL = 'fe80::9'

export const TCP = { protocol: 'tcp', address: '192.0.2.1', port: 53 } as const
export const UDP = { protocol: 'udp', address: '192.0.2.1', port: 53 } as const
/** One address of each family in front of the same servers. */
export const FRONTS = [
  { address: '192.0.2.1', port: 53, protocols: ['tcp'] },
  { address: '2001:db8::1', port: 53, protocols: ['tcp'] },
] as const
export const V4 = 'tcp 192.0.2.1:53'
export const V6 = 'tcp [2001:db8::1]:53'

export type Options = Partial<MirroredPoolOptions> | Record<string, unknown>

const closers: (() => Promise<unknown>)[] = []

export class Ground {
  readonly kernel: MemoryKernel
  readonly ipvs: Ipvs
  /** Another writer. */
  readonly other: Ipvs

  constructor(kernel: MemoryKernel, ipvs: Ipvs, other: Ipvs) {
    this.kernel = kernel
    this.ipvs = ipvs
    this.other = other
  }

  /** Opens a pool: `twoServers` with these options. With `fronts`, those in place of the one address. */
  async open(options: Options = {}): Promise<MirroredPool> {
    const { address, port, ...rest } = twoServers
    const front = 'fronts' in options ? {} : { address, port }
    const all = { ...front, ...rest, ...options } as MirroredPoolOptions
    const pool = await MirroredPool.open(this.ipvs, all)
    closers.push(() => pool.close())
    // Events of the opening come first.
    await quiet(3)
    return pool
  }

  /** Weights by key of the service and of the destination. */
  table(): Record<string, Record<string, number>> {
    return Object.fromEntries(
      parseRules(this.kernel.rules()).map(({ destinations, ...service }) => [
        serviceKey(service),
        Object.fromEntries(
          destinations.map((one) => [destinationKey(one), one.weight ?? 1] as const).sort(),
        ),
      ]),
    )
  }

  /** Of one service. */
  held(service: string): Record<string, number> {
    return this.table()[service] ?? {}
  }

  /** Calls `look` before every change from now on, over all clients, until the result is called. */
  before(look: () => void): () => void {
    this.kernel.between(look)
    // The first change of all has none before it: this one, which changes nothing.
    const service: Service = { protocol: 'sctp', address: '203.0.113.1', port: 1, scheduler: 'rr' }
    this.other.applySync([{ op: 'ensure-no-service', service }])
    return () => this.kernel.between(undefined)
  }

  /** Counts the changes that are tried from now on. */
  tries(): { count: number } {
    const seen = { count: 0 }
    this.before(() => seen.count++)
    return seen
  }

  /** Counts the reads of the pools' client from now on. */
  reads(): { count: number } {
    const seen = { count: 0 }
    const { ipvs } = this
    for (const name of ['service', 'services', 'destinations', 'snapshot'] as const) {
      const read = ipvs[name] as (...given: unknown[]) => Promise<unknown>
      Object.defineProperty(ipvs, name, {
        value: (...given: unknown[]) => {
          seen.count++
          return read.apply(ipvs, given)
        },
      })
    }
    return seen
  }

  /** Every change is refused from now on; `count` of them so far. Until `between(undefined)`. */
  refuseAll(errno: string): { count: number } {
    const seen = { count: 0 }
    this.before(() => {
      seen.count++
      this.kernel.fail({ nth: 1, errno })
    })
    return seen
  }

  /**
   * The fewest servers with a weight that any of these services has from now on, between two changes and when the result
   * is called. A service that is missing has none.
   */
  fewest(...services: string[]): () => number {
    let least = Number.POSITIVE_INFINITY
    const look = () => {
      const table = this.table()
      for (const service of services) {
        const weights = Object.values(table[service] ?? {})
        least = Math.min(least, weights.filter((weight) => weight > 0).length)
      }
    }
    look()
    this.before(look)
    return () => {
      look()
      return least
    }
  }
}

export async function ground(options: MemoryKernelOptions = {}): Promise<Ground> {
  const sysctls = { expire_nodest_conn: 1, expire_quiescent_template: 1 }
  const kernel = new MemoryKernel({ sysctls, ...options })
  const [ipvs, other] = [await Ipvs.open({ kernel }), await Ipvs.open({ kernel })]
  closers.push(async () => {
    kernel.between(undefined)
    await Promise.all([ipvs.close(), other.close()])
  })
  return new Ground(kernel, ipvs, other)
}

/** To be called after each test. */
export async function closeAll(): Promise<void> {
  vi.useRealTimers()
  // The newest first: pools before their clients.
  for (const close of closers.splice(0).reverse()) await close().catch(() => {})
}

/** No retry and no look comes by itself: time passes with {@link pass} only. */
export function stopTime(): void {
  vi.useFakeTimers({
    toFake: ['setTimeout', 'clearTimeout', 'setInterval', 'clearInterval', 'performance', 'Date'],
  })
}

/** In steps: what a timer begins is done before the next one is due. */
export async function pass(ms: number, stepMs = ms): Promise<void> {
  await quiet()
  for (let left = ms; left > 0; left -= stepMs) {
    await vi.advanceTimersByTimeAsync(Math.min(stepMs, left))
    await quiet(stepMs === ms ? 60 : 15)
  }
}

/** `up 10.1.0.1:53`, `quorum false`, `drained 10.1.0.1:53`. */
export function tell(event: AnyEvent): string {
  return event.name === 'quorum' ? `quorum ${event.after}` : `${event.name} ${event.server ?? ''}`
}

export const told = (events: readonly AnyEvent[], ...names: AnyEvent['name'][]): string[] =>
  events.filter(({ name }) => names.includes(name)).map(tell)

export function memberOf(pool: MirroredPool, address: string): HealthMember {
  return [...pool.members()].find((member) => member.address === address)!
}

export function verdict(healthy: boolean, more: Partial<Verdict> = {}): Verdict {
  return { healthy, initial: false, reason: healthy ? 'answered' : 'silent', at: 0, ...more }
}

export function report(
  pool: MirroredPool,
  address: string,
  healthy: boolean,
  more: Partial<Verdict> = {},
): Promise<void> {
  return pool.report(memberOf(pool, address), verdict(healthy, more))
}

export function row(pool: MirroredPool, address: string) {
  return pool.status().servers.find(({ server }) => server.includes(address))!
}

/** How a promise has ended so far: `pending`, `resolved`, or the code of what it rejected with. */
export function outcome(promise: Promise<unknown>): { is: string } {
  const state = { is: 'pending' }
  promise.then(
    () => {
      state.is = 'resolved'
    },
    (error: { code?: string; message?: string }) => {
      state.is = error.code ?? String(error.message)
    },
  )
  return state
}

/** What the kernel refuses is an `error` and tried again: no test's affair here. */
export const ignore = (): void => {}
