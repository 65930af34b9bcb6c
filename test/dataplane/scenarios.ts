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
 * - `limit`: the server gets an upper threshold, and a lower one. What comes next happens to it too.
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
  | 'limit'
  | 'restart'

/**
 * Queries that were sent after the promise had resolved, and lost: none; those of the kernel's next `tick`; `some`, but
 * not all; or `all`, nearly.
 */
export type Loss = 'none' | 'tick' | 'some' | 'all'

/** How many entries of the kernel's table a server may have with `limit`, and below how many it gets new ones again. */
export const limit = { upperThreshold: 6, lowerThreshold: 3 } as const

export interface Scenario {
  readonly name: string
  readonly forwarding: 'direct' | 'tunnel' | 'masquerade'
  /** Of the virtual address and the servers; IPv4 if left out. */
  readonly family?: 'ipv6'
  /** The front is a firewall mark, which the director gives to everything for the virtual address. */
  readonly marked?: true
  /** What the two streams are of; TCP if left out. */
  readonly streams?: 'sctp'
  /** In the table. */
  readonly setting: string
  readonly pool: Pick<
    MirroredPoolOptions,
    'scheduler' | 'onePacket' | 'onDown' | 'persistence' | 'schedulerFlags' | 'sysctls' | 'tunnel'
  >
  /** Of each server. */
  readonly upperThreshold?: number
  /** Set before the pool is opened; all of IPVS's are the kernel's defaults otherwise. */
  readonly sysctls?: Readonly<Record<string, 0 | 1>>
  readonly udpTimeoutSeconds?: number
  readonly actions: readonly Action[]
  readonly losses: Readonly<Record<UdpClient, Loss>>
  /** The pool's warnings, in order; or that it is not opened at all. */
  readonly says: readonly PoolWarningCode[] | 'refuses'
  /** All packets go to one server. */
  readonly lopsided?: true
  /** By the client's address alone: one client has one server, and which one is another matter each time servers come or go. */
  readonly byClient?: true
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
/** Where the way of the packets is what is new. */
const outAndBack: readonly Action[] = ['fail', 'recover', 'drain', 'ready']
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
  {
    name: 'gre',
    forwarding: 'tunnel',
    setting: 'tunnel, GRE',
    pool: { scheduler: 'wrr', tunnel: { type: 'gre' }, sysctls: 'apply' },
    actions: outAndBack,
    losses: nothing,
    says: [],
  },
  {
    name: 'gue',
    forwarding: 'tunnel',
    setting: 'tunnel, GUE',
    pool: { scheduler: 'wrr', tunnel: { type: 'gue', port: 6080 }, sysctls: 'apply' },
    actions: outAndBack,
    losses: nothing,
    says: [],
  },
  {
    name: 'ipv6',
    forwarding: 'direct',
    setting: 'IPv6, direct',
    pool: { scheduler: 'wrr', sysctls: 'apply' },
    family: 'ipv6',
    actions: outAndBack,
    losses: nothing,
    says: [],
    ci: true,
  },
  {
    name: 'ipv6-entries',
    forwarding: 'direct',
    setting: 'IPv6, direct, `onePacket: false`',
    pool: { scheduler: 'wrr', onePacket: false, sysctls: 'apply' },
    family: 'ipv6',
    actions: outAndBack,
    losses: nothing,
    says: [],
  },
  {
    name: 'ipv6-tunnel',
    forwarding: 'tunnel',
    setting: 'IPv6, tunnel',
    pool: { scheduler: 'wrr', sysctls: 'apply' },
    family: 'ipv6',
    actions: outAndBack,
    losses: nothing,
    says: [],
  },
  {
    name: 'ipv6-gre',
    forwarding: 'tunnel',
    setting: 'IPv6, tunnel, GRE',
    pool: { scheduler: 'wrr', tunnel: { type: 'gre' }, sysctls: 'apply' },
    family: 'ipv6',
    actions: outAndBack,
    losses: nothing,
    says: [],
  },
  {
    name: 'ipv6-gue',
    forwarding: 'tunnel',
    setting: 'IPv6, tunnel, GUE',
    pool: { scheduler: 'wrr', tunnel: { type: 'gue', port: 6080 }, sysctls: 'apply' },
    family: 'ipv6',
    actions: outAndBack,
    losses: nothing,
    says: [],
  },
  {
    name: 'ipv6-masquerade',
    forwarding: 'masquerade',
    setting: 'IPv6, masquerade',
    pool: { scheduler: 'wrr', sysctls: 'apply' },
    family: 'ipv6',
    actions: outAndBack,
    losses: nothing,
    says: [],
  },
  {
    name: 'mark',
    forwarding: 'direct',
    setting: 'firewall mark, direct',
    pool: { scheduler: 'wrr', sysctls: 'apply' },
    marked: true,
    actions: outAndBack,
    losses: nothing,
    says: [],
    ci: true,
  },
  {
    name: 'mark-masquerade',
    forwarding: 'masquerade',
    setting: 'firewall mark, masquerade',
    pool: { scheduler: 'wrr', sysctls: 'apply' },
    marked: true,
    actions: outAndBack,
    losses: nothing,
    says: [],
  },
  {
    name: 'mark-ipv6',
    forwarding: 'direct',
    setting: 'firewall mark, IPv6, direct',
    pool: { scheduler: 'wrr', sysctls: 'apply' },
    family: 'ipv6',
    marked: true,
    actions: outAndBack,
    losses: nothing,
    says: [],
  },
  {
    name: 'maglev',
    forwarding: 'direct',
    setting: 'direct, `mh` by address and port',
    pool: { scheduler: 'mh', schedulerFlags: ['mh-port', 'mh-fallback'], sysctls: 'apply' },
    actions: story,
    losses: nothing,
    says: [],
  },
  {
    name: 'maglev-masquerade',
    forwarding: 'masquerade',
    setting: 'masquerade, `mh` (by address, with its fallback flag)',
    pool: { scheduler: 'mh', sysctls: 'apply' },
    actions: outAndBack,
    byClient: true,
    losses: nothing,
    says: [],
  },
  {
    name: 'source-hash-ports',
    forwarding: 'direct',
    setting: 'direct, `sh` by address and port',
    pool: { scheduler: 'sh', schedulerFlags: ['sh-port', 'sh-fallback'], sysctls: 'apply' },
    actions: story,
    losses: nothing,
    says: [],
  },
  {
    name: 'sctp',
    forwarding: 'direct',
    setting: 'direct, SCTP and UDP',
    pool: { scheduler: 'wrr', sysctls: 'apply' },
    streams: 'sctp',
    actions: outAndBack,
    losses: nothing,
    says: [],
  },
  {
    name: 'sctp-masquerade',
    forwarding: 'masquerade',
    setting: 'masquerade, SCTP and UDP',
    pool: { scheduler: 'wrr', sysctls: 'apply' },
    streams: 'sctp',
    actions: outAndBack,
    losses: nothing,
    says: [],
  },
  {
    name: 'thresholds',
    forwarding: 'masquerade',
    setting: 'masquerade, a server with `upperThreshold: 6, lowerThreshold: 3`, UDP timeout 1 s',
    pool: { scheduler: 'wrr', sysctls: 'apply' },
    udpTimeoutSeconds: 1,
    actions: ['limit', 'fail', 'recover', 'drain', 'ready'],
    losses: nothing,
    says: [],
  },
]

/** What the pool warns about, or refuses; and thresholds, which are what was asked for. */
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
    name: 'thresholds-of-all',
    forwarding: 'masquerade',
    setting: 'masquerade, `upperThreshold: 60` of both servers',
    pool: { scheduler: 'wrr', sysctls: 'apply' },
    upperThreshold: 60,
    actions: ['steady'],
    losses: losses('none', 'some'),
    says: [],
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
