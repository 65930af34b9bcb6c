// What is timed, and by whom. A driver is a program that runs one workload in a fresh process and namespace.
import { checkout, compiled } from '../../lab/checkout.js'
import {
  additions,
  batches,
  churn,
  memberFlips,
  type Operation,
  pairs,
  table,
  type Workload,
  weightFlips,
  weights,
} from './workload.js'

/** `host`: on this machine itself, at hardware speed; one sample is the mean of a batch. */
export type Mode = 'each' | 'bulk' | 'read' | 'own' | 'host'

export interface Case {
  readonly name: string
  readonly title: string
  /** What one sample is. */
  readonly unit: string
  readonly mode: Mode
  readonly workload: Workload
  /** The driver that others are compared with. */
  readonly floor: string
  readonly drivers: readonly string[]
  /** Some drivers take seconds: they get the first so many operations. */
  readonly fewer?: Readonly<Record<string, number>>
  /** How often each driver runs, over all rounds. Default: every round. */
  readonly rounds?: number
  /** Of mode `own`: samples that drivers take. */
  readonly samples?: number
}

const drivers = `${checkout}/bench/churn/drivers`
const node = (file: string, variant: string) => [process.execPath, `${drivers}/${file}`, variant]

/** Collects before each read what the last one left: as a C program frees it. */
const gc = (file: string, variant: string) => [
  process.execPath,
  '--expose-gc',
  `${drivers}/${file}`,
  variant,
]

/** How a driver is started; mode and workload file follow. */
export const COMMANDS: Readonly<Record<string, readonly string[]>> = {
  'c-floor': [compiled('floor'), 'barrier'],
  'c-ack': [compiled('floor'), 'ack'],
  'c-verified': [compiled('floor'), 'verified'],
  libnl: [compiled('libnl'), 'kept'],
  'libnl-fresh': [compiled('libnl'), 'fresh'],
  ipvsadm: node('ipvsadm.mjs', 'fork'),
  'ipvsadm-restore': node('ipvsadm.mjs', 'restore'),
  netlink: node('netlink.mjs', 'one'),
  'netlink-64': node('netlink.mjs', 'many'),
  apply: node('ipvs.mjs', 'apply'),
  'apply, first call': node('ipvs.mjs', 'apply-first'),
  applySync: node('ipvs.mjs', 'applySync'),
  pool: node('ipvs.mjs', 'pool'),
  'pool-1000': node('ipvs.mjs', 'pool-1000'),
  snapshot: gc('ipvs.mjs', 'snapshot'),
  'snapshot, every row read': gc('ipvs.mjs', 'apply'),
  reconcile: gc('whole.mjs', 'reconcile'),
  'snapshot beside it': gc('whole.mjs', 'snapshot'),
  'apply, idle': node('whole.mjs', 'flips'),
  'apply, in a bulk sync': node('whole.mjs', 'flips-in-bulk'),
  'apply, pool blocked': node('whole.mjs', 'flips-blocked'),
  'event loop': node('whole.mjs', 'event-loop'),
  'pools, reconcile': gc('pools.mjs', 'reconcile'),
  'pools, one flip': node('pools.mjs', 'flip'),
  'pools, a flip each': gc('pools.mjs', 'flips'),
  'memory of applySync': gc('whole.mjs', 'memory-sync'),
  'memory of a pool': gc('whole.mjs', 'memory-pool'),
  'c-encode': [compiled('host-floor'), 'encode'],
  'addon, encode': [compiled('host-core'), 'encode'],
  'addon, decode': [compiled('host-core'), 'decode'],
  'JavaScript, check and encode': [process.execPath, `${checkout}/bench/host/encode.mjs`],
  'JavaScript, 50,000 changes': [process.execPath, `${checkout}/bench/host/event-loop.mjs`],
  'c-controller': [compiled('host-floor'), 'controller'],
  'addon, controller': [compiled('host-core'), 'controller'],
  'c-controller, ack each': [compiled('host-floor'), 'controller-ack-64'],
  'addon, 64 in a batch': [compiled('host-core'), 'controller-64'],
}

const ours = ['apply', 'applySync', 'pool']
const everybody = [
  ...['c-floor', 'c-ack', ...ours, 'libnl', 'libnl-fresh', 'netlink', 'netlink-64'],
  ...['ipvsadm', 'ipvsadm-restore'],
]
const inBulk = ['c-floor', 'c-ack', 'apply', 'apply, first call', 'libnl', 'netlink', 'netlink-64']

/** `Operation`s of a table that one reconcile has to change: of every n-th server the weight. */
function drift(setup: readonly Operation[], every: number): Operation[] {
  return setup
    .filter(([line], index) => line!.startsWith('-a') && index % every === 0)
    .map(([line]) => [line!.replace(/^-a/, '-e').replace(/-w \d+$/, '-w 9')])
}

const thousand = table(1000, 10)
const thousandPools = pairs(1000, 8)

function reconcileCase(name: string, what: string, operations: readonly Operation[]): Case {
  return {
    name,
    title: `reconcile 1,000 services of 10 servers: ${what}`,
    unit: 'reconcile',
    mode: 'own',
    workload: { setup: thousand, operations },
    floor: 'snapshot beside it',
    drivers: ['snapshot beside it', 'reconcile'],
    samples: 10,
  }
}

/** Cases that differ in one number only: they make one picture. */
export interface Family {
  readonly name: string
  readonly title: string
  /** What the number is. */
  readonly label: string
  readonly numbers: readonly number[]
  /** What is plotted of each: microseconds per change, or per operation. */
  readonly per: 'change' | 'flip'
  readonly drivers: readonly string[]
}

export const FAMILIES: readonly Family[] = [
  {
    name: 'batch',
    title: 'What a weight costs, by how many are given at once',
    label: 'weights in one call',
    numbers: [1, 2, 8, 64, 512, 1000],
    per: 'change',
    drivers: ['c-floor', 'c-ack', 'apply', 'applySync'],
  },
  {
    name: 'size',
    title: 'What a mirrored flip costs, by how many servers the services have',
    label: 'servers',
    numbers: [10, 100, 1000, 10_000],
    per: 'flip',
    drivers: ['c-floor', 'c-ack', 'apply', 'applySync'],
  },
]

const familyCases: readonly Case[] = FAMILIES.flatMap(({ name, title, label, numbers, drivers }) =>
  numbers.map((number) => ({
    name: `${name}-${number}`,
    title: `${title}: ${number.toLocaleString('en')} ${label}`,
    unit: name === 'size' ? 'flip' : 'call',
    mode: 'each' as const,
    workload:
      name === 'size'
        ? weightFlips(400, number)
        : batches(number, Math.max(20, Math.floor(400 / number))),
    floor: 'c-floor',
    drivers,
    rounds: 2,
  })),
)

export const CASES: readonly Case[] = [
  {
    name: 'flip-weight',
    title: 'Mirrored flip: one server, TCP and UDP, another weight',
    unit: 'flip',
    mode: 'each',
    workload: weightFlips(1000),
    floor: 'c-floor',
    drivers: everybody,
    fewer: { ipvsadm: 6, 'ipvsadm-restore': 6 },
  },
  {
    name: 'flip-members',
    title: 'Mirrored flip: one server leaves or comes back, TCP and UDP',
    unit: 'flip',
    mode: 'each',
    workload: memberFlips(1000),
    floor: 'c-floor',
    drivers: everybody,
    fewer: { ipvsadm: 6, 'ipvsadm-restore': 6 },
  },
  {
    name: 'add-10000',
    title: '10,000 servers added to an empty service',
    unit: 'list',
    mode: 'bulk',
    workload: additions(10_000),
    floor: 'c-floor',
    drivers: [...inBulk, 'ipvsadm', 'ipvsadm-restore'],
    fewer: { ipvsadm: 20, 'ipvsadm-restore': 2000, netlink: 2000, 'netlink-64': 2000 },
  },
  {
    name: 'weights-10000',
    title: '10,000 weights set over 100 services of 10 servers',
    unit: 'list',
    mode: 'bulk',
    workload: weights(10_000, 100, 10),
    floor: 'c-floor',
    drivers: [...inBulk, 'ipvsadm', 'ipvsadm-restore'],
    fewer: { ipvsadm: 20, 'ipvsadm-restore': 2000, netlink: 2000, 'netlink-64': 2000 },
  },
  {
    name: 'churn-1000',
    title: '10,000 random changes over 1,000 services of 10 servers',
    unit: 'list',
    mode: 'bulk',
    workload: churn(10_000, 1000, 10),
    floor: 'c-floor',
    drivers: inBulk,
    fewer: { netlink: 2000, 'netlink-64': 2000 },
  },
  {
    name: 'callers-1000',
    title: '1,000 callers at once: pool.setWeight, 10,000 times, TCP and UDP',
    unit: 'list',
    mode: 'bulk',
    workload: weightFlips(10_000, 100),
    floor: 'c-floor',
    drivers: ['c-floor', 'apply', 'pool-1000', 'pool'],
    fewer: { pool: 1000 },
  },
  {
    name: 'snapshot-1000x10',
    title: 'The whole table read: 1,000 services of 10 servers',
    unit: 'read',
    mode: 'read',
    workload: { setup: thousand, operations: [] },
    floor: 'c-verified',
    drivers: [
      ...['c-floor', 'c-verified', 'snapshot', 'snapshot, every row read'],
      ...['libnl', 'ipvsadm', 'netlink'],
    ],
  },
  {
    name: 'snapshot-100x1000',
    title: 'The whole table read: 100 services of 1,000 servers',
    unit: 'read',
    mode: 'read',
    workload: { setup: table(100, 1000), operations: [] },
    floor: 'c-verified',
    drivers: [
      ...['c-floor', 'c-verified', 'snapshot', 'snapshot, every row read'],
      ...['libnl', 'ipvsadm', 'netlink'],
    ],
  },
  reconcileCase('reconcile-equal', 'nothing to do', []),
  reconcileCase('reconcile-percent', '1 % to change', drift(thousand, 100)),
  reconcileCase('reconcile-all', 'everything to change', drift(thousand, 1)),
  {
    name: 'flip-under-load',
    title: 'A flip while something else goes on (50,000 changes in bulk; libuv’s threads blocked)',
    unit: 'flip',
    mode: 'own',
    workload: { setup: weights(0, 1000, 50).setup, operations: [] },
    floor: 'apply, idle',
    drivers: ['apply, idle', 'apply, in a bulk sync', 'apply, pool blocked'],
    samples: 300,
  },
  {
    name: 'event-loop',
    title: 'The longest the event loop stands still during an apply of 50,000 changes',
    unit: 'apply',
    mode: 'own',
    workload: { setup: weights(0, 1000, 50).setup, operations: [] },
    floor: 'event loop',
    drivers: ['event loop'],
    samples: 1,
  },
  {
    name: 'pools-reconcile',
    title:
      '1,000 pools of 8 servers, TCP and UDP, on one client: all reconcile, with nothing to do',
    unit: 'reconcile of all',
    mode: 'own',
    workload: { setup: thousandPools, operations: [] },
    floor: 'snapshot beside it',
    drivers: ['snapshot beside it', 'pools, reconcile'],
    samples: 10,
  },
  {
    name: 'pools-flip',
    title: 'The same 1,000 pools: one flip after the other',
    unit: 'flip',
    mode: 'own',
    workload: { setup: thousandPools, operations: [] },
    floor: 'pools, one flip',
    drivers: ['pools, one flip'],
    samples: 3000,
  },
  {
    name: 'pools-flips',
    title: 'The same 1,000 pools: a flip in each of them, in one turn',
    unit: '1,000 flips',
    mode: 'own',
    workload: { setup: thousandPools, operations: [] },
    floor: 'pools, a flip each',
    drivers: ['pools, a flip each'],
    samples: 20,
  },
  {
    name: 'memory',
    title: 'A million mirrored flips',
    unit: 'flip',
    mode: 'own',
    workload: { setup: weightFlips(0).setup, operations: [] },
    floor: 'memory of applySync',
    drivers: ['memory of applySync', 'memory of a pool'],
    rounds: 1,
    samples: 1_000_000,
  },
  ...familyCases,
]

const nothing: Workload = { setup: [], operations: [] }

/** What needs no IPVS: they run on the machine itself. */
export const HOST_CASES: readonly Case[] = [
  {
    name: 'host-codec',
    title: 'At hardware speed: a change encoded, a row decoded, in batches of 1,000',
    unit: 'change',
    mode: 'host',
    workload: nothing,
    floor: 'c-encode',
    drivers: ['c-encode', 'addon, encode', 'addon, decode', 'JavaScript, check and encode'],
  },
  {
    name: 'host-transaction',
    title: 'At hardware speed: a question to the generic-netlink controller, with a barrier',
    unit: 'transaction',
    mode: 'host',
    workload: nothing,
    floor: 'c-controller',
    drivers: ['c-controller', 'addon, controller'],
  },
  {
    name: 'host-batch',
    title: 'At hardware speed: 64 questions in one batch, beside an acknowledgement for each',
    unit: 'message',
    mode: 'host',
    workload: nothing,
    floor: 'c-controller, ack each',
    drivers: ['c-controller, ack each', 'addon, 64 in a batch'],
  },
  {
    name: 'host-event-loop',
    title:
      'At hardware speed: the longest the event loop stands still in the first apply of a process',
    unit: 'apply',
    mode: 'host',
    workload: nothing,
    floor: 'JavaScript, 50,000 changes',
    drivers: ['JavaScript, 50,000 changes'],
  },
]
