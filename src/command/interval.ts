// Times as people write them: 500ms, 2s, 1m.
import { usageError } from './errors.js'
import type { Call } from './spec.js'

const UNITS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 }
const DAY_MS = 86_400_000

/** An option's time in milliseconds. @throws CommandError */
export function readTime(
  { options }: Call,
  option: string,
  fallback: string,
  leastMs: number,
  mostMs = DAY_MS,
): number {
  const text = String(options[option] ?? fallback)
  const [, number, unit] = /^(\d+(?:\.\d+)?)(ms|s|m|h)$/.exec(text) ?? []
  const ms = Number(number) * (UNITS[unit ?? ''] ?? Number.NaN)
  if (ms >= leastMs && ms <= mostMs) return Math.round(ms)
  const most = `${mostMs / UNITS.h!}h`
  throw usageError(
    `--${option} ${text}: write a time from ${leastMs}ms to ${most}, such as 500ms, 2s or 1m.`,
  )
}

/** `--interval`; two seconds without it. @throws CommandError */
export function readInterval(call: Call, leastMs: number): number {
  return readTime(call, 'interval', '2s', leastMs)
}
