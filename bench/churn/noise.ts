// How noisy a run was. Whatever else the machine does slows the C floor as it slows everybody, and the floor has nothing of
// its own that varies: no collector of garbage, no compiler. So what differs between its rounds are the neighbours.
import { findCase, type Raw } from './plan.js'
import { kindOf } from './results.js'
import { quantile, timesOf } from './summary.js'

/** A run with more is not kept: the tables are read for ratios such as 1.3. */
export const mostNoise = 0.2

/** A part, of each case with a floor in C that ran twice at least. */
export type Noise = Readonly<Record<string, number>>

/** @param clockUs what one reading of the clock costs in the guest */
export function noiseOf(raws: readonly Raw[], clockUs = 0): Noise {
  const rounds = new Map<string, (readonly number[])[]>()
  for (const raw of raws) {
    const isFloor = raw.driver === findCase(raw.case).floor && kindOf(raw.driver) === 'floor'
    if (!isFloor || raw.problem !== undefined) continue
    rounds.set(raw.case, [...(rounds.get(raw.case) ?? []), timesOf(raw, clockUs)])
  }
  const twice = [...rounds].filter(([, times]) => times.length > 1)
  return Object.fromEntries(twice.map(([name, times]) => [name, betweenRounds(times)]))
}

/**
 * By how much two rounds differ in the same operation: the median over all operations and all pairs of rounds. What
 * operations differ by among themselves is not in it, nor is one bad round of five.
 */
function betweenRounds(rounds: readonly (readonly number[])[]): number {
  const apart = rounds.flatMap((one, i) =>
    rounds.slice(0, i).flatMap((other) => one.map((time, at) => difference(time, other[at]!))),
  )
  return quantile(
    apart.sort((a, b) => a - b),
    0.5,
  )
}

/** How much faster the faster one was: 0 to 1. */
function difference(one: number, other: number): number {
  return one === other ? 0 : 1 - Math.min(one, other) / Math.max(one, other)
}

export function formatNoise(noise: Noise): string {
  return Object.entries(noise)
    .map(([name, part]) => `${name} ${Math.round(100 * part)} %`)
    .join(', ')
}

/** The cases for which the run cannot be kept. */
export function tooNoisy(noise: Noise): Noise {
  return Object.fromEntries(Object.entries(noise).filter(([, part]) => part > mostNoise))
}
