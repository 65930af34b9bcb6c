// Raw logs that no kernel has written.
import type { WitnessEntry } from '../../lab/witness/entries.js'
import type { Delivery, DriverEntry } from './logs.js'
import { POOLS, type PoolName, type Wish, type Wishes } from './pools.js'
import type { Logs } from './verdict.js'

export const up: Wish = { weight: 1, healthy: true, admin: 'ready' }
export const down: Wish = { ...up, healthy: false }

type Entry = DriverEntry extends infer T ? (T extends unknown ? Omit<T, 'at'> : never) : never

const hex = (number: number, digits: number) =>
  number.toString(16).toUpperCase().padStart(digits, '0')

function endpoint(address: string, port: number): string {
  const bytes = address.split('.').map((byte) => hex(Number(byte), 2))
  return `${bytes.join('')}:${hex(port, 4)}`
}

/** What the kernel shows of a pool's service; `servers` by the last number of their address. */
export function service(
  protocol: 'tcp' | 'udp',
  name: PoolName,
  servers: Readonly<Record<number, number>>,
  settings?: string,
): string[] {
  const pool = POOLS.find((it) => it.name === name)!
  const method = { direct: 'Route', masquerade: 'Masq' }[pool.forwarding]
  const usual = pool.onePacket && protocol === 'udp' ? `${pool.scheduler} ops` : pool.scheduler
  const rows = Object.entries(servers).map(
    ([n, weight]) =>
      `  -> ${endpoint(`${pool.prefix}${n}`, pool.port)}      ${method}    ${weight}`,
  )
  const key = endpoint(pool.address, pool.port)
  return [`${protocol.toUpperCase()}  ${key} ${settings ?? usual}`, ...rows]
}

/** Both pools with these servers on both protocols. */
export function table(
  servers: Readonly<Record<PoolName, Readonly<Record<number, number>>>>,
): string[] {
  return POOLS.flatMap(({ name }) => [
    ...service('tcp', name, servers[name]),
    ...service('udp', name, servers[name]),
  ])
}

/** Wishes for servers by the last number of their address. */
export function wishes(name: PoolName, of: Readonly<Record<number, Wish>>): Wishes {
  const { prefix } = POOLS.find((it) => it.name === name)!
  return Object.fromEntries(Object.entries(of).map(([n, wish]) => [`${prefix}${n}`, wish]))
}

/** A run of ten seconds with two servers in each pool, that a test adds to. */
export class Run {
  readonly #driver: DriverEntry[] = []
  readonly #witness: WitnessEntry[] = []
  readonly #deliveries: Delivery[] = []
  readonly #end: number

  constructor({ kills = 0, end = 10_000 } = {}) {
    this.#end = end
    this.at(0, { event: 'begin', minutes: 1, kills, seed: 7, kernel: '6.1' })
    for (const { name } of POOLS) {
      const all = wishes(name, { 1: up, 2: up })
      this.at(0, { event: 'wanted', version: 0, pool: name, wishes: all })
    }
    this.seen(10, FULL).at(90, { event: 'opening' }).at(100, { event: 'ready', version: 0 })
  }

  at(at: number, entry: Entry): this {
    this.#driver.push({ at, ...entry } as DriverEntry)
    return this
  }

  want(at: number, version: number, pool: PoolName, of: Readonly<Record<number, Wish>>): this {
    return this.at(at, { event: 'wanted', version, pool, wishes: wishes(pool, of) })
  }

  done(at: number, version: number): this {
    return this.at(at, { event: 'done', version })
  }

  meddled(at: number): this {
    return this.at(at, { event: 'meddled', act: 'something', errno: 0 })
  }

  seen(at: number, lines: readonly string[]): this {
    this.#witness.push({ at, before: at - 20, looks: this.#witness.length, table: lines })
    return this
  }

  /** The machine gave the guest no time before `at`. */
  stolen(at: number, stolenMs: number): this {
    this.#witness.push({ at, stolenMs })
    return this
  }

  delivered(sent: number, server: string, got = sent): this {
    this.#deliveries.push({ sent, got, server })
    return this
  }

  /** A run that ends as it should, with a quiet time. */
  logs(): Logs {
    const end = this.#end
    return {
      driver: [
        ...this.#driver,
        { at: end - 1, event: 'still' },
        { at: end, event: 'end', queries: this.#deliveries.length },
      ],
      witness: [...this.#witness, { at: end + 1, looks: 500, longestGapMs: 21, end: true }],
      deliveries: this.#deliveries,
    }
  }
}

export const FULL = table({ dns: { 1: 1, 2: 1 }, mail: { 1: 1, 2: 1 } })
