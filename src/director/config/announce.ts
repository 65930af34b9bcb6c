// Who is told whether a pool's addresses are to be announced.
import type { Path } from './mistakes.js'
import type { Reader } from './reader.js'
import { digestOf } from './values.js'

/** A program that announces and withdraws a pool's addresses, by a routing daemon say. */
export interface AnnounceConfig {
  /** The program and its arguments; `announce` or `withdraw` is put behind them. */
  readonly exec: readonly string[]
  /** One that takes longer is ended. Milliseconds. */
  readonly timeoutMs: number
  /** From a withdrawal to the next announcement: whoever flaps is away for so long at least. Milliseconds. */
  readonly holdMs: number
  /** Told again after so long, for a routing daemon that has forgotten it. Milliseconds. Default: never. */
  readonly repeatMs?: number | undefined
  readonly digest: string
}

const EXAMPLE = '{ exec: [/etc/ipvs/route, dns] }'
const KEYS = ['exec', 'timeout', 'hold', 'repeat']

/** Mistakes give `undefined`. */
export function readAnnounce(
  value: unknown,
  path: Path,
  reader: Reader,
): AnnounceConfig | undefined {
  const fields = reader.map(value, path, EXAMPLE)
  if (fields === undefined) return undefined
  reader.known(fields, path, KEYS)
  const { exec, timeout = '10s', hold = '0s', repeat } = fields
  const what = 'a list: a program and its arguments, such as [/etc/ipvs/route, dns]'
  const program = reader.texts(exec, [...path, 'exec'], what)
  const timeoutMs = reader.duration(timeout, [...path, 'timeout'], 10, 3_600_000)
  const holdMs = reader.duration(hold, [...path, 'hold'], 0, 86_400_000)
  const repeatMs =
    repeat === undefined
      ? undefined
      : reader.duration(repeat, [...path, 'repeat'], 1000, 86_400_000)
  if (program === undefined || timeoutMs === undefined || holdMs === undefined) return undefined
  return { exec: program, timeoutMs, holdMs, repeatMs, digest: digestOf(fields) }
}
