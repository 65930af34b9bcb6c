// What can happen to a pool, drawn at random.
import fc from 'fast-check'
import type { MirroredPoolOptions } from '../../../../src/pool/api.js'
import type { AdminState } from '../../../../src/servers.js'

/** Only the kernel knows that it takes no server of this address. */
export const REFUSED = '127.255.255.255'
/** What others add, until it is declared. */
const FOREIGN = '10.1.0.8'
export const BACKUP = '10.1.0.9'
export const ADDRESSES = ['10.1.0.1', '10.1.0.2', '10.1.0.3', '10.1.0.4', REFUSED, FOREIGN, BACKUP]
export const PROTOCOLS = ['tcp', 'udp'] as const
export type Protocol = (typeof PROTOCOLS)[number]

/** Servers are indices of {@link ADDRESSES}. */
interface About {
  readonly server: number
}

/** What is asked of the pool. */
export type Call =
  | (About & { readonly do: 'report'; readonly healthy: boolean; readonly factor: number })
  | (About & { readonly do: 'add' | 'remove' | 'up' | 'down' })
  | (About & { readonly do: 'weight'; readonly weight: number })
  | (About & { readonly do: 'admin'; readonly admin: AdminState })
  | (About & {
      readonly do: 'drain'
      readonly timeoutMs: number
      readonly busy: boolean
      readonly aborted: boolean
    })
  /** `calm`: nothing else is under way, and the fronts are watched. */
  | { readonly do: 'list'; readonly servers: readonly number[]; readonly calm: boolean }
  | { readonly do: 'abort' | 'reconcile' }
  | { readonly do: 'turns'; readonly turns: number }

/** What others do, and what goes wrong. */
export type Trouble =
  | {
      readonly do: 'fault'
      readonly nth: readonly number[]
      readonly errno: 'ENOMEM' | 'lost' | 'unknown'
    }
  | { readonly do: 'read'; readonly nth: number; readonly errno: 'ENOBUFS' | 'late' }
  /** The kernel refuses all changes, until so many more things have happened. */
  | { readonly do: 'refuse'; readonly count: number }
  | (About & {
      readonly do: 'edit'
      readonly edit: 'delete' | 'weight' | 'foreign' | 'service' | 'back'
      readonly protocol: Protocol
    })
  | { readonly do: 'time'; readonly ms: number }
  | { readonly do: 'clock'; readonly jumpMs: number }

export type Action = Call | Trouble

const one = <T extends object>(weight: number, fields: { [K in keyof T]: fc.Arbitrary<T[K]> }) => {
  return { weight, arbitrary: fc.record(fields) as fc.Arbitrary<T> }
}
const is = <T extends string>(name: T) => fc.constant(name)
/** Any address, or one of those of lists: a backup is in none. */
const any = fc.oneof(
  { weight: 1, arbitrary: fc.constantFrom(0, 1) },
  { weight: 1, arbitrary: fc.nat({ max: ADDRESSES.length - 1 }) },
)
const listed = fc.nat({ max: ADDRESSES.length - 2 })

const calls = [
  one<Call & { do: 'report' }>(8, {
    do: is('report'),
    server: any,
    healthy: fc.boolean(),
    factor: fc.constantFrom(1, 0.5),
  }),
  one<Call & { do: 'add' | 'remove' | 'up' | 'down' }>(4, {
    do: fc.constantFrom('add', 'remove', 'up', 'down'),
    server: any,
  }),
  one<Call & { do: 'weight' }>(2, { do: is('weight'), server: any, weight: fc.nat({ max: 9 }) }),
  one<Call & { do: 'admin' }>(2, {
    do: is('admin'),
    server: any,
    admin: fc.constantFrom('ready', 'drain', 'maintenance'),
  }),
  one<Call & { do: 'drain' }>(1, {
    do: is('drain'),
    server: any,
    timeoutMs: fc.constantFrom(0, 3000, 50_000),
    busy: fc.boolean(),
    aborted: fc.boolean(),
  }),
  one<Call & { do: 'abort' }>(1, { do: is('abort') }),
  one<Call & { do: 'list' }>(2, {
    do: is('list'),
    // Often a typo replaces all.
    servers: fc.oneof(
      { weight: 3, arbitrary: fc.uniqueArray(listed, { minLength: 1, maxLength: 4 }) },
      { weight: 1, arbitrary: fc.constant([ADDRESSES.indexOf(REFUSED)]) },
    ),
    calm: fc.boolean(),
  }),
  one<Call & { do: 'reconcile' }>(1, { do: is('reconcile') }),
  one<Call & { do: 'turns' }>(4, { do: is('turns'), turns: fc.nat({ max: 5 }) }),
]

const troubles = [
  one<Trouble & { do: 'fault' }>(3, {
    do: is('fault'),
    nth: fc.uniqueArray(fc.integer({ min: 1, max: 6 }), { minLength: 1, maxLength: 3 }),
    errno: fc.constantFrom('ENOMEM', 'ENOMEM', 'lost', 'unknown'),
  }),
  one<Trouble & { do: 'read' }>(1, {
    do: is('read'),
    nth: fc.integer({ min: 1, max: 4 }),
    errno: fc.constantFrom('ENOBUFS', 'late'),
  }),
  one<Trouble & { do: 'refuse' }>(1, { do: is('refuse'), count: fc.integer({ min: 1, max: 4 }) }),
  one<Trouble & { do: 'edit' }>(3, {
    do: is('edit'),
    server: any,
    edit: fc.constantFrom('delete', 'weight', 'foreign', 'service', 'back'),
    protocol: fc.constantFrom(...PROTOCOLS),
  }),
  one<Trouble & { do: 'time' }>(2, { do: is('time'), ms: fc.nat({ max: 70_000 }) }),
  one<Trouble & { do: 'clock' }>(1, {
    do: is('clock'),
    jumpMs: fc.constantFrom(-86_400_000, 86_400_000),
  }),
]

export type LifeOptions = Pick<
  MirroredPoolOptions,
  'initial' | 'drift' | 'quorum' | 'panic' | 'slowStart' | 'maxChangesPerMinute' | 'backup'
>

const options = fc.record(
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
    maxChangesPerMinute: fc.integer({ min: 1, max: 3 }),
    backup: fc.constant([BACKUP]),
  },
  { requiredKeys: [] },
) as fc.Arbitrary<LifeOptions>

export interface Life {
  readonly options: LifeOptions
  readonly reconcileIntervalMs: 0 | 1000
  /** What the kernel holds when the pool is opened. */
  readonly found: readonly { readonly protocol: Protocol; readonly rows: readonly Row[] }[]
  /** Its servers at the opening. */
  readonly servers: readonly number[]
  /** All of them have had a verdict before anything else happens. */
  readonly judged: boolean
  /** A listener that throws whatever it hears. */
  readonly throws: boolean
  readonly actions: readonly Action[]
  /** What is called while a look is under way that sees all that others have done: so many turns after its beginning. */
  readonly swept: { readonly turns: number; readonly calls: readonly Call[] }
}

interface Row {
  readonly server: number
  readonly weight: number
}

export const life: fc.Arbitrary<Life> = fc.record({
  options,
  reconcileIntervalMs: fc.constantFrom(0, 1000),
  found: fc.uniqueArray(
    fc.record({
      protocol: fc.constantFrom(...PROTOCOLS),
      rows: fc.uniqueArray(
        fc.record({ server: any, weight: fc.nat({ max: 2 }) }).filter(
          // The kernel does not hold what it does not take.
          ({ server }) => ADDRESSES[server] !== REFUSED,
        ),
        { maxLength: 4, selector: ({ server }) => server },
      ),
    }),
    { maxLength: 2, selector: ({ protocol }) => protocol },
  ),
  servers: fc.oneof(fc.constant([0, 1]), fc.uniqueArray(listed, { minLength: 1, maxLength: 4 })),
  judged: fc.boolean(),
  throws: fc.boolean(),
  actions: fc.array(fc.oneof(...calls, ...troubles), { maxLength: 25 }),
  swept: fc.record({
    turns: fc.nat({ max: 9 }),
    calls: fc.array(fc.oneof(...calls), { maxLength: 4 }),
  }),
})
