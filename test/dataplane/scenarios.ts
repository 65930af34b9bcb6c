// What is tried: the settings, what is done under them, and what has to come of it.
import type { MirroredPoolOptions, PoolWarningCode } from 'ipvs'
import type { UdpClient } from './messages.js'

/**
 * - `steady`: nothing happens.
 * - `fail`: a server dies; a little later the pool is told (`down`).
 * - `recover`: it lives again, and the pool is told (`up`).
 * - `drain`, `ready`: `drain` with a time limit, and its way back.
 * - `quiesce`: weight 0 by the administrator's word (`setAdmin`), the server lives.
 * - `re-add`: `remove` and `add`.
 * - `weight`: the server gets weight 3, the other one has 1.
 * - `restart`: the controller ends and another one begins, with the same options.
 */
export type Action =
  | 'steady'
  | 'fail'
  | 'recover'
  | 'drain'
  | 'ready'
  | 'quiesce'
  | 're-add'
  | 'weight'
  | 'restart'

/**
 * Queries that were sent after the promise had resolved, and lost: none; those of the kernel's next `tick`; `some`, but
 * not all; or `all`, nearly.
 */
export type Loss = 'none' | 'tick' | 'some' | 'all'

export interface Scenario {
  readonly name: string
  readonly forwarding: 'direct' | 'tunnel' | 'masquerade'
  /** In the table. */
  readonly setting: string
  readonly pool: Pick<
    MirroredPoolOptions,
    'scheduler' | 'onePacket' | 'onDown' | 'persistence' | 'schedulerFlags' | 'sysctls'
  >
  /** Set before the pool is opened; all of IPVS's are the kernel's defaults otherwise. */
  readonly sysctls?: Readonly<Record<string, 0 | 1>>
  readonly udpTimeoutSeconds?: number
  readonly actions: readonly Action[]
  readonly losses: Readonly<Record<UdpClient, Loss>>
  /** The pool's warnings, in order; or that it is not opened at all. */
  readonly says: readonly PoolWarningCode[] | 'refuses'
  /** All packets go to one server. */
  readonly lopsided?: true
  /** Among those that CI runs. */
  readonly ci?: true
}

const story: readonly Action[] = [
  'fail',
  'recover',
  'drain',
  'ready',
  're-add',
  'weight',
  'restart',
]
const losses = (onePort: Loss, newPorts: Loss) => ({
  'UDP, one port': onePort,
  'UDP, new ports': newPorts,
})
const nothing = losses('none', 'none')

/** Nothing may be lost. The kernel's expire_nodest_conn is 0 at first; where it matters, the pool sets it. */
const supported: readonly Scenario[] = [
  {
    name: 'direct',
    forwarding: 'direct',
    setting: 'direct',
    pool: { scheduler: 'wrr', sysctls: 'apply' },
    actions: story,
    losses: nothing,
    says: [],
    ci: true,
  },
  {
    name: 'direct-entries',
    forwarding: 'direct',
    setting: 'direct, `onePacket: false`',
    pool: { scheduler: 'wrr', onePacket: false, sysctls: 'apply' },
    actions: story,
    losses: nothing,
    says: [],
  },
  {
    name: 'tunnel',
    forwarding: 'tunnel',
    setting: 'tunnel',
    pool: { scheduler: 'wrr', sysctls: 'apply' },
    actions: story,
    losses: nothing,
    says: [],
  },
  {
    name: 'tunnel-entries',
    forwarding: 'tunnel',
    setting: 'tunnel, `onePacket: false`',
    pool: { scheduler: 'wrr', onePacket: false, sysctls: 'apply' },
    actions: story,
    losses: nothing,
    says: [],
    ci: true,
  },
  {
    name: 'masquerade',
    forwarding: 'masquerade',
    setting: 'masquerade',
    pool: { scheduler: 'wrr', sysctls: 'apply' },
    actions: story,
    losses: nothing,
    says: [],
    ci: true,
  },
  {
    name: 'masquerade-conntrack',
    forwarding: 'masquerade',
    setting: 'masquerade, `conntrack=1`',
    pool: { scheduler: 'wrr', sysctls: 'apply' },
    sysctls: { conntrack: 1 },
    actions: story,
    losses: losses('tick', 'none'),
    says: ['udp-conntrack'],
  },
  {
    name: 'one-packet-default-sysctls',
    forwarding: 'direct',
    setting: "direct, `expire_nodest_conn=0`, `sysctls: 'report'`",
    pool: { scheduler: 'wrr' },
    actions: ['fail'],
    losses: nothing,
    says: [],
  },
  {
    name: 'source-hash',
    forwarding: 'masquerade',
    setting: 'masquerade, `sh` with its fallback flag (the default)',
    pool: { scheduler: 'sh', sysctls: 'apply' },
    actions: ['quiesce', 'ready', 'fail'],
    losses: nothing,
    says: [],
  },
  {
    name: 'persistence',
    forwarding: 'masquerade',
    setting: 'masquerade, persistence',
    pool: { scheduler: 'wrr', persistence: { timeoutSeconds: 60 }, sysctls: 'apply' },
    actions: ['fail'],
    losses: nothing,
    says: [],
  },
]

/** What the pool warns about, or refuses. */
const bad: readonly Scenario[] = [
  {
    name: 'black-hole',
    forwarding: 'masquerade',
    setting: 'masquerade, `expire_nodest_conn=0`',
    pool: { scheduler: 'wrr' },
    actions: ['fail'],
    losses: losses('all', 'none'),
    says: ['udp-black-hole'],
    ci: true,
  },
  {
    name: 'black-hole-direct',
    forwarding: 'direct',
    setting: 'direct, `onePacket: false`, `expire_nodest_conn=0`',
    pool: { scheduler: 'wrr', onePacket: false },
    actions: ['fail'],
    losses: losses('all', 'none'),
    says: ['udp-black-hole'],
  },
  {
    name: 'black-hole-tunnel',
    forwarding: 'tunnel',
    setting: 'tunnel, `onePacket: false`, `expire_nodest_conn=0`',
    pool: { scheduler: 'wrr', onePacket: false },
    actions: ['fail'],
    losses: losses('all', 'none'),
    says: ['udp-black-hole'],
  },
  {
    name: 'black-hole-timeout',
    forwarding: 'masquerade',
    setting: 'masquerade, `expire_nodest_conn=0`, UDP timeout 5 s',
    pool: { scheduler: 'wrr' },
    udpTimeoutSeconds: 5,
    actions: ['fail'],
    losses: losses('some', 'none'),
    says: ['udp-black-hole'],
  },
  {
    name: 'quiesce',
    forwarding: 'masquerade',
    setting: "masquerade, `onDown: 'quiesce'`",
    pool: { scheduler: 'wrr', onDown: 'quiesce', sysctls: 'apply' },
    actions: ['fail'],
    losses: losses('all', 'none'),
    says: ['udp-quiesce'],
  },
  {
    name: 'quiesce-direct',
    forwarding: 'direct',
    setting: "direct, `onePacket: false`, `onDown: 'quiesce'`",
    pool: { scheduler: 'wrr', onePacket: false, onDown: 'quiesce', sysctls: 'apply' },
    actions: ['fail'],
    losses: losses('all', 'none'),
    says: ['udp-quiesce'],
  },
  {
    name: 'persistent-quiesce',
    forwarding: 'masquerade',
    setting: "masquerade, persistence, `onDown: 'quiesce'`, `expire_quiescent_template=0`",
    pool: { scheduler: 'wrr', persistence: { timeoutSeconds: 60 }, onDown: 'quiesce' },
    sysctls: { expire_nodest_conn: 1 },
    actions: ['fail'],
    losses: losses('all', 'all'),
    says: ['udp-quiesce', 'persistent-quiesce'],
  },
  {
    name: 'persistent-quiesce-expire',
    forwarding: 'masquerade',
    setting: "masquerade, persistence, `onDown: 'quiesce'`, `sysctls: 'apply'`",
    pool: {
      scheduler: 'wrr',
      persistence: { timeoutSeconds: 60 },
      onDown: 'quiesce',
      sysctls: 'apply',
    },
    actions: ['fail'],
    losses: losses('all', 'none'),
    says: ['udp-quiesce'],
  },
  {
    name: 'source-hash-without-fallback',
    forwarding: 'direct',
    setting: 'direct, `sh`, `schedulerFlags: []`',
    pool: { scheduler: 'sh', schedulerFlags: [], sysctls: 'apply' },
    actions: ['quiesce'],
    losses: losses('all', 'all'),
    says: ['hash-refuses'],
  },
  {
    name: 'source-hash-without-fallback-entries',
    forwarding: 'masquerade',
    setting: 'masquerade, `sh`, `schedulerFlags: []`',
    pool: { scheduler: 'sh', schedulerFlags: [], sysctls: 'apply' },
    actions: ['quiesce'],
    losses: losses('none', 'all'),
    says: ['hash-refuses'],
  },
  {
    name: 'one-packet-least-connections',
    forwarding: 'direct',
    setting: 'direct, `onePacket: true`, `wlc`',
    pool: { scheduler: 'wlc', onePacket: true, sysctls: 'apply' },
    actions: ['steady'],
    losses: nothing,
    says: ['one-packet-scheduler'],
    lopsided: true,
  },
  {
    name: 'one-packet-masquerade',
    forwarding: 'masquerade',
    setting: 'masquerade, `onePacket: true`',
    pool: { scheduler: 'wrr', onePacket: true },
    actions: [],
    losses: nothing,
    says: 'refuses',
  },
]

export const scenarios: readonly Scenario[] = [...supported, ...bad]

/** Nothing may be lost under it, or a tick's packets. */
export const isSupported = (scenario: Scenario) => supported.includes(scenario)
