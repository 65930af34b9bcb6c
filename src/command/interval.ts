// Times as people write them: 500ms, 2s, 1m.
import { usageError } from './errors.js'
import type { Call } from './spec.js'

const UNITS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 }

/** `--interval` in milliseconds; two seconds without it. @throws CommandError */
export function readInterval({ options }: Call, leastMs: number): number {
  const text = String(options.interval ?? '2s')
  const [, number, unit] = /^(\d+(?:\.\d+)?)(ms|s|m|h)$/.exec(text) ?? []
  const ms = Number(number) * (UNITS[unit ?? ''] ?? Number.NaN)
  if (ms >= leastMs && ms <= 86_400_000) return Math.round(ms)
  throw usageError(
    `--interval ${text}: write a time from ${leastMs}ms to 24h, such as 500ms, 2s or 1m.`,
  )
}
