// Slow start: how much of its weight a server has some time after it came up. Always a part of the configured weight,
// never of the present one.
import type { Rules } from '../config/rules.js'

/** The part after `elapsedMs`, 0 to 1: `from` at first, then step by step, all of it after `durationMs`. */
export function slowStartFactorAt(
  { durationMs, steps, from }: NonNullable<Rules['slowStart']>,
  elapsedMs: number,
): number {
  if (elapsedMs >= durationMs) return 1
  const step = Math.floor((Math.max(0, elapsedMs) * steps) / durationMs)
  return from + ((1 - from) * step) / steps
}

/** When the part grows next, in milliseconds after the server came up. */
export function nextStep(
  { durationMs, steps }: NonNullable<Rules['slowStart']>,
  elapsedMs: number,
): number {
  const step = Math.floor((Math.max(0, elapsedMs) * steps) / durationMs) + 1
  return (step * durationMs) / steps
}
