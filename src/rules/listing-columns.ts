// The headings of listings, and what stands in the columns below them.
import { rangeError } from '../errors.js'
import type { ForwardingMethod } from '../types.js'
import type { ListedColumns, ListedStats } from './listed.js'

/** What a listing shows beside services and servers. */
export type Shows = 'connections' | 'counters' | 'rates' | 'thresholds' | 'persistent-connections'

/** Behind a server. */
type Column = Exclude<keyof ListedColumns, 'stats'> | keyof ListedStats

export interface Heading {
  readonly shows: Shows
  readonly columns: readonly Column[]
  /** Services have the same columns then, and say nothing of their settings. */
  readonly areStats: boolean
  readonly lacks: readonly string[]
}

const COUNTERS = ['connections', 'inPackets', 'outPackets', 'inBytes', 'outBytes'] as const
const RATES = [
  'connectionRate',
  'inPacketRate',
  'outPacketRate',
  'inByteRate',
  'outByteRate',
] as const

const NO_STATS = ['counters', 'rates']
const NO_COUNTS = [
  'weights',
  'forwarding methods',
  'thresholds',
  'open connections',
  'schedulers',
  'persistence',
]

/** By the words behind "Prot LocalAddress:Port" (ipvsadm.c: print_title). */
export const headings: ReadonlyMap<string, Heading> = new Map<string, Heading>([
  [
    'Scheduler Flags',
    {
      shows: 'connections',
      columns: ['forwarding', 'weight', 'activeConnections', 'inactiveConnections'],
      areStats: false,
      lacks: ['thresholds', 'tunnel types', 'persistent connections', ...NO_STATS],
    },
  ],
  [
    'Uthreshold Lthreshold ActiveConn InActConn',
    {
      shows: 'thresholds',
      columns: ['upperThreshold', 'lowerThreshold', 'activeConnections', 'inactiveConnections'],
      areStats: false,
      lacks: [
        'weights',
        'forwarding methods',
        'tunnel types',
        'persistent connections',
        ...NO_STATS,
      ],
    },
  ],
  [
    'Weight PersistConn ActiveConn InActConn',
    {
      shows: 'persistent-connections',
      columns: ['weight', 'persistentConnections', 'activeConnections', 'inactiveConnections'],
      areStats: false,
      lacks: ['forwarding methods', 'tunnel types', 'thresholds', ...NO_STATS],
    },
  ],
  [
    'Conns InPkts OutPkts InBytes OutBytes',
    { shows: 'counters', columns: COUNTERS, areStats: true, lacks: [...NO_COUNTS, 'rates'] },
  ],
  [
    'CPS InPPS OutPPS InBPS OutBPS',
    { shows: 'rates', columns: RATES, areStats: true, lacks: [...NO_COUNTS, 'counters'] },
  ],
])

/** What the words behind an address say. @throws RangeError */
export function readColumns(
  words: readonly string[],
  { columns, areStats }: Heading,
): ListedColumns {
  if (words.length !== columns.length) {
    const rule = `with ${columns.length} columns behind the address`
    throw rangeError('a line', rule, words.join(' '))
  }
  const entries = columns.map((column, index) => [
    column,
    readColumn(column, words[index]!, areStats),
  ])
  const read = Object.fromEntries(entries)
  return areStats ? { stats: read } : read
}

function readColumn(
  column: Column,
  word: string,
  isStat: boolean,
): ForwardingMethod | number | bigint {
  if (column === 'forwarding') return readMethod(word)
  if (!isStat) return readCount(column, word)
  const number = readLarge(column, word)
  // Counters are as large as the kernel's: 64 bits.
  return COUNTERS.some((counter) => counter === column) ? number : Number(number)
}

function readCount(column: Column, word: string): number {
  if (/^\d{1,10}$/.test(word)) return Number(word)
  throw rangeError(`column ${column}`, 'a number', word)
}

/** ip_vs_ctl.c: ip_vs_fwd_name, and ipvsadm.c: fwd_name. The last has no name of ours. */
const METHODS: ReadonlyMap<string, string> = new Map([
  ['Masq', 'masquerade'],
  ['Local', 'local'],
  ['Tunnel', 'tunnel'],
  ['Route', 'direct'],
  ['Bypass', 'method-4'],
])

function readMethod(word: string): ForwardingMethod {
  const method = METHODS.get(word)
  if (method !== undefined) return method as ForwardingMethod
  throw rangeError('a forwarding method', `one of ${[...METHODS.keys()].join(', ')}`, word)
}

const THOUSANDS = ['', 'K', 'M', 'G', 'T']

/** `123456`, or `123456K` and so on (ipvsadm.c: print_largenum). */
function readLarge(column: Column, word: string): bigint {
  const [, digits, unit] = /^(\d{1,20})([KMGT]?)$/.exec(word) ?? []
  if (digits === undefined) throw rangeError(`column ${column}`, 'a number', word)
  return BigInt(digits) * 1000n ** BigInt(THOUSANDS.indexOf(unit!))
}
