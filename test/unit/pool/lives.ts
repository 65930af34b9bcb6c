// Random lives of a pool on MemoryKernel: calls, verdicts, faults and other writers, with a clock of the test's. Once they
// stop, the pool alone has to make the table what it says, and what it has told has to be what has happened.
import fc from 'fast-check'
import { vi } from 'vitest'
import { Ipvs } from '../../../src/client.js'
import type { AdminState, MirroredPoolOptions, PoolServerStatus } from '../../../src/pool/api.js'
import type { MirroredPool } from '../../../src/pool/index.js'
import { MemoryKernel } from '../../../src/testing/index.js'
import type { Change } from '../../../src/types.js'
import { type AnyEvent, record } from './stand-in.js'

/** The pool under test: ours, or one with a fault put back. */
export type Pools = Pick<typeof MirroredPool, 'open'>

/** Only the kernel knows that it takes no server of this address. */
const REFUSED = '127.255.255.255'
const SERVERS = ['10.1.0.1', '10.1.0.2', '10.1.0.3', '10.1.0.4', REFUSED]
const PROTOCOLS = ['tcp', 'udp'] as const

export type Action =
  | {
      readonly do: 'report'
      readonly server: number
      readonly healthy: boolean
      readonly factor: number
    }
  | { readonly do: 'add' | 'remove' | 'up'; readonly server: number }
  | { readonly do: 'weight'; readonly server: number; readonly weight: number }
  | { readonly do: 'admin'; readonly server: number; readonly admin: AdminState }
  | { readonly do: 'list'; readonly servers: readonly number[] }
  | { readonly do: 'fault'; readonly nth: number; readonly errno: 'ENOMEM' | 'lost' }
  | {
      readonly do: 'edit'
      readonly server: number
      readonly edit: 'delete' | 'weight' | 'foreign' | 'service'
    }
  | { readonly do: 'reconcile' }
  | { readonly do: 'turns'; readonly turns: number }
  | { readonly do: 'time'; readonly ms: number }

const server = fc.nat({ max: SERVERS.length - 1 })
const one = <T extends object>(weight: number, fields: { [K in keyof T]: fc.Arbitrary<T[K]> }) => {
  return { weight, arbitrary: fc.record(fields) as fc.Arbitrary<T> }
}
const is = <T extends string>(name: T) => fc.constant(name)

export const action: fc.Arbitrary<Action> = fc.oneof(
  one<Action & { do: 'report' }>(8, {
    do: is('report'),
    server,
    healthy: fc.boolean(),
    factor: fc.constantFrom(1, 0.5),
  }),
  one<Action & { do: 'add' | 'remove' | 'up' }>(3, {
    do: fc.constantFrom('add', 'remove', 'up'),
    server,
  }),
  one<Action & { do: 'weight' }>(2, { do: is('weight'), server, weight: fc.nat({ max: 9 }) }),
  one<Action & { do: 'admin' }>(2, {
    do: is('admin'),
    server,
    admin: fc.constantFrom('ready', 'drain', 'maintenance'),
  }),
  one<Action & { do: 'list' }>(2, {
    do: is('list'),
    servers: fc.uniqueArray(server, { minLength: 1 }),
  }),
  one<Action & { do: 'fault' }>(3, {
    do: is('fault'),
    nth: fc.integer({ min: 1, max: 6 }),
    errno: fc.constantFrom('ENOMEM', 'lost'),
  }),
  one<Action & { do: 'edit' }>(2, {
    do: is('edit'),
    server,
    edit: fc.constantFrom('delete', 'weight', 'foreign', 'service'),
  }),
  one<Action & { do: 'reconcile' }>(1, { do: is('reconcile') }),
  one<Action & { do: 'turns' }>(4, { do: is('turns'), turns: fc.nat({ max: 5 }) }),
  one<Action & { do: 'time' }>(1, { do: is('time'), ms: fc.nat({ max: 70_000 }) }),
)

export type LifeOptions = Pick<
  MirroredPoolOptions,
  'initial' | 'drift' | 'quorum' | 'panic' | 'slowStart' | 'maxChangesPerMinute' | 'backup'
>

export const options = fc.record(
  {
    initial: fc.constantFrom('up', 'down', 'adopt'),
    drift: fc.constantFrom('repair', 'report'),
    quorum: fc.record({
      up: fc.constant(2),
      down: fc.integer({ min: 1, max: 2 }),
      onLost: fc.constantFrom('keep', 'refuse', 'withdraw'),
    }),
    panic: fc.record({
      minHealthyPercent: fc.constantFrom(30, 60),
      action: fc.constantFrom('freeze', 'all-up'),
    }),
    slowStart: fc.record({ durationMs: fc.constant(5000), steps: fc.constant(3) }),
    maxChangesPerMinute: fc.integer({ min: 1, max: 4 }),
    backup: fc.constant(['10.1.0.9']),
  },
  { requiredKeys: [] },
) as fc.Arbitrary<LifeOptions>

export async function turns(count: number): Promise<void> {
  for (let n = 0; n < count; n++) await new Promise((resolve) => setImmediate(resolve))
}

async function pass(ms: number): Promise<void> {
  vi.advanceTimersByTime(ms)
  await turns(6)
}

function key(address: string): string {
  return `${address}:53`
}

/** What a service of the kernel holds: weights by server. */
function rows(kernel: MemoryKernel, protocol: 'tcp' | 'udp'): Record<string, number> | undefined {
  const flag = `-${protocol[0]} 192.0.2.1:53`
  const lines = kernel.rules().split('\n')
  if (!lines.some((line) => line.startsWith(`-A ${flag}`))) return undefined
  const found: Record<string, number> = {}
  for (const line of lines) {
    const [, to, weight] =
      (line.startsWith(`-a ${flag}`) && / -r (\S+) .*-w (\d+)/.exec(line)) || []
    if (to !== undefined) found[to] = Number(weight)
  }
  return found
}

/** What a service should hold, by what the pool says of its servers. */
function wanted(servers: readonly PoolServerStatus[]): Record<string, number> {
  const found: Record<string, number> = {}
  for (const { server, serves, admin, effectiveWeight } of servers) {
    if (serves && admin !== 'maintenance') found[server] = effectiveWeight
  }
  return found
}

function edit(other: Ipvs, { server, edit: what }: Action & { do: 'edit' }, n: number): void {
  const protocol = PROTOCOLS[n % 2]!
  const service = { protocol, address: '192.0.2.1', port: 53 } as const
  const address = what === 'foreign' ? '10.9.9.9' : SERVERS[server]!
  const destination = { address, port: 53, forwarding: 'masquerade', weight: 77 } as const
  const change: Change =
    what === 'service'
      ? { op: 'ensure-no-service', service }
      : what === 'delete'
        ? { op: 'ensure-no-destination', service, destination }
        : { op: 'ensure-destination', service, destination }
  // Where it cannot be done, nothing has happened.
  other.applySync([change])
}

/** Throws what is wrong. The timers are the test's (`setTimeout`, `performance`, `Date`). */
export async function live(
  pools: Pools,
  actions: readonly Action[],
  given: LifeOptions,
): Promise<void> {
  const kernel = new MemoryKernel({ sysctls: { expire_nodest_conn: 1 } })
  const ipvs = await Ipvs.open({ kernel })
  const other = await Ipvs.open({ kernel })
  const pool = await pools.open(ipvs, {
    address: '192.0.2.1',
    port: 53,
    scheduler: 'wrr',
    forwarding: 'masquerade',
    servers: SERVERS.slice(0, 3),
    reconcileIntervalMs: 1000,
    ...given,
  })
  await turns(2)
  const events = record(pool)
  const health = new Map(pool.status().servers.map((it) => [it.server, it.health]))
  const calls = new Set<Promise<unknown>>()
  const call = (promise: Promise<unknown>) => {
    const settled: Promise<unknown> = promise.then(
      () => calls.delete(settled),
      (error: { code?: string }) => {
        calls.delete(settled)
        if (!error.code?.startsWith('ERR_IPVS')) throw error
      },
    )
    calls.add(settled)
    settled.catch(() => {})
  }
  let n = 0
  for (const at of actions) {
    n++
    const address = 'server' in at ? SERVERS[at.server]! : ''
    const member = [...pool.members()].find((it) => it.address === address)
    switch (at.do) {
      case 'report':
        if (member !== undefined) {
          const { healthy, factor: weightFactor } = at
          call(
            pool.report(member, { healthy, weightFactor, initial: false, reason: 'test', at: 0 }),
          )
        }
        break
      case 'add':
      case 'remove':
      case 'up':
        if ((member === undefined) === (at.do === 'add')) call(pool[at.do](address))
        break
      case 'weight':
        if (member !== undefined) call(pool.setWeight(address, at.weight))
        break
      case 'admin':
        if (member !== undefined) call(pool.setAdmin(address, at.admin))
        break
      case 'list':
        call(pool.setServers(at.servers.map((index) => SERVERS[index]!)))
        break
      case 'fault':
        kernel.fail({ nth: at.nth, errno: at.errno })
        break
      case 'edit':
        // A blocking call has to find the client idle.
        await turns(1)
        edit(other, at, n)
        break
      case 'reconcile':
        call(pool.reconcile())
        break
      case 'turns':
        await turns(at.turns)
        break
      case 'time':
        await pass(at.ms)
    }
    for (const row of pool.status().servers) {
      if (!health.has(row.server)) health.set(row.server, row.health)
    }
  }
  // Nothing happens any more: the rest is the pool's.
  for (const member of [...pool.members()]) {
    const healthy = member.state === 'up'
    call(pool.report(member, { healthy, initial: false, reason: 'last', at: 0 }))
  }
  await turns(20)
  for (let step = 0; step < 8; step++) await pass(16_000)
  await Promise.all(calls)
  const left = calls.size
  if (left > 0) throw new Error(`${left} calls have not settled`)
  check(kernel, pool, given)
  checkEvents(events, given)
  await pool.close()
  await Promise.all([ipvs.close(), other.close()])
}

function check(
  kernel: MemoryKernel,
  pool: MirroredPool,
  { drift, quorum, backup }: LifeOptions,
): void {
  const { servers, converged, quorum: quorate, missing } = pool.status()
  // What others have made is left then.
  if (drift === 'report') return
  const refused = servers.some((it) => it.server === key(REFUSED) && it.error !== undefined)
  if (!refused && !converged) throw new Error('not converged')
  if (servers.some((it) => it.server === key(REFUSED) && it.serves && it.admin !== 'maintenance')) {
    throw new Error('a server that is refused serves')
  }
  for (const { server, error } of servers) {
    if (server !== key(REFUSED) && error !== undefined) throw new Error(`${server}: ${error}`)
  }
  const withdrawn = quorum?.onLost === 'withdraw' && !quorate
  for (const protocol of PROTOCOLS) {
    const found = rows(kernel, protocol)
    if (found === undefined) {
      if (withdrawn && missing.length === 0) continue
      throw new Error(`no service for ${protocol}`)
    }
    const right = wanted(servers)
    // While every server that would replace them is refused, those that were there stay.
    if (refused && !Object.values(right).some((weight) => weight > 0)) continue
    const [is, should] = [found, right].map((it) => JSON.stringify(Object.entries(it).sort()))
    if (is !== should) throw new Error(`${protocol}: ${is}, and should be ${should}`)
  }
  if (
    backup === undefined &&
    quorum === undefined &&
    servers.some(({ serves }) => serves) !== quorate
  ) {
    const ready = servers.some((it) => it.serves && it.effectiveWeight > 0)
    if (ready !== quorate) throw new Error(`quorum ${quorate}`)
  }
}

function checkEvents(events: readonly AnyEvent[], { drift }: LifeOptions): void {
  const last = new Map<string, string>()
  let sequence = 0
  const errors = new Map<string, number>()
  for (const event of events) {
    if (sequence > 0 && event.sequence !== sequence + 1) throw new Error('events do not ascend')
    sequence = event.sequence
    const { name, server = '' } = event
    if (name === 'up' || name === 'down') {
      if (last.get(server) === name && !event.initial) throw new Error(`${name} ${server} twice`)
      last.set(server, name)
    }
    if (name === 'error') errors.set(server, (errors.get(server) ?? 0) + 1)
  }
  const told = errors.get(key(REFUSED)) ?? 0
  if (drift !== 'report' && told > 20) throw new Error(`the same error ${told} times`)
}
