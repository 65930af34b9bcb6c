// The headings of listings, and what stands in the columns below them.
import { rangeError } from '../errors.js'
import type { ForwardingMethod } from '../types.js'
import type { ListedColumns } from './listed.js'

/** What a listing shows beside services and servers. */
export type Shows = 'connections' | 'counters' | 'rates' | 'thresholds' | 'persistent-connections'

export interface Heading {
  readonly shows: Shows
  /** What the words behind a server say. Throws a RangeError. */
  readonly ofServer: (words: readonly string[]) => ListedColumns
  /** Services have the same columns then, and say nothing of their settings. */
  readonly ofService?: Heading['ofServer']
  readonly lacks: readonly string[]
}

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
      ofServer(words) {
        checkCount(words, 4)
        return {
          forwarding: readMethod(words[0]!),
          weight: readCount('weight', words[1]!),
          activeConnections: readCount('activeConnections', words[2]!),
          inactiveConnections: readCount('inactiveConnections', words[3]!),
        }
      },
      lacks: ['thresholds', 'tunnel types', 'persistent connections', ...NO_STATS],
    },
  ],
  [
    'Uthreshold Lthreshold ActiveConn InActConn',
    {
      shows: 'thresholds',
      ofServer(words) {
        checkCount(words, 4)
        return {
          upperThreshold: readCount('upperThreshold', words[0]!),
          lowerThreshold: readCount('lowerThreshold', words[1]!),
          activeConnections: readCount('activeConnections', words[2]!),
          inactiveConnections: readCount('inactiveConnections', words[3]!),
        }
      },
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
      ofServer(words) {
        checkCount(words, 4)
        return {
          weight: readCount('weight', words[0]!),
          persistentConnections: readCount('persistentConnections', words[1]!),
          activeConnections: readCount('activeConnections', words[2]!),
          inactiveConnections: readCount('inactiveConnections', words[3]!),
        }
      },
      lacks: ['forwarding methods', 'tunnel types', 'thresholds', ...NO_STATS],
    },
  ],
  [
    'Conns InPkts OutPkts InBytes OutBytes',
    {
      shows: 'counters',
      ofServer: readCounters,
      ofService: readCounters,
      lacks: [...NO_COUNTS, 'rates'],
    },
  ],
  [
    'CPS InPPS OutPPS InBPS OutBPS',
    {
      shows: 'rates',
      ofServer: readRates,
      ofService: readRates,
      lacks: [...NO_COUNTS, 'counters'],
    },
  ],
])

/** As large as the kernel's: 64 bits. */
function readCounters(words: readonly string[]): ListedColumns {
  checkCount(words, 5)
  const stats = {
    connections: readLarge('connections', words[0]!),
    inPackets: readLarge('inPackets', words[1]!),
    outPackets: readLarge('outPackets', words[2]!),
    inBytes: readLarge('inBytes', words[3]!),
    outBytes: readLarge('outBytes', words[4]!),
  }
  return { stats }
}

function readRates(words: readonly string[]): ListedColumns {
  checkCount(words, 5)
  const stats = {
    connectionRate: Number(readLarge('connectionRate', words[0]!)),
    inPacketRate: Number(readLarge('inPacketRate', words[1]!)),
    outPacketRate: Number(readLarge('outPacketRate', words[2]!)),
    inByteRate: Number(readLarge('inByteRate', words[3]!)),
    outByteRate: Number(readLarge('outByteRate', words[4]!)),
  }
  return { stats }
}

function checkCount(words: readonly string[], columns: number): void {
  if (words.length === columns) return
  throw rangeError('a line', `with ${columns} columns behind the address`, words.join(' '))
}

function readCount(column: string, word: string): number {
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
function readLarge(column: string, word: string): bigint {
  const [, digits, unit] = /^(\d{1,20})([KMGT]?)$/.exec(word) ?? []
  if (digits === undefined) throw rangeError(`column ${column}`, 'a number', word)
  return BigInt(digits) * 1000n ** BigInt(THOUSANDS.indexOf(unit!))
}
