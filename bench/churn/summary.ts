// From raw samples to results: medians over all rounds, and ratios to the floor of the same boot.
import { findCase, type Raw } from './plan.js'
import type { Result } from './results.js'

export interface Summary {
  readonly results: readonly Result[]
  /** What went wrong, a line each. */
  readonly problems: readonly string[]
}

/** @param clockUs what one reading of the clock costs in the guest, see {@link Header} */
export function summarise(raws: readonly Raw[], clockUs = 0): Summary {
  const groups = new Map<string, Raw[]>()
  for (const raw of raws) {
    const key = `${raw.case}\0${raw.driver}`
    groups.set(key, [...(groups.get(key) ?? []), raw])
  }
  const problems = raws
    .filter(({ problem }) => problem !== undefined)
    .map((raw) => `${raw.case}, ${raw.driver}: ${raw.problem}`)
  const plain = [...groups.values()]
    .map((group) => group.filter(({ problem }) => problem === undefined))
    .filter((group) => group.length > 0)
    .map((group) => summariseOne(group, clockUs))
  const medians = new Map(plain.map((result) => [`${result.case}\0${result.driver}`, result]))
  const results = plain.map((result) => {
    const floor = medians.get(`${result.case}\0${findCase(result.case).floor}`)
    return { ...result, ratioToFloor: ratio(result, floor) }
  })
  return { results, problems }
}

/** Drivers that got fewer changes are compared by the change. */
function ratio(result: Result, floor: Result | undefined): number | null {
  if (floor === undefined) return null
  if (result.perChangeUs !== null && floor.perChangeUs !== null) {
    return result.perChangeUs / floor.perChangeUs
  }
  return result.medianUs / floor.medianUs
}

/** Its samples, in their order, without the reading of the clock. */
export function timesOf({ case: name, times }: Raw, clockUs: number): number[] {
  const clock = findCase(name).mode === 'each' ? clockUs : 0
  return times.map((time) => Math.max(0, time - clock))
}

function summariseOne(group: readonly Raw[], clockUs: number): Result {
  const { case: name, driver, changes } = group[0]!
  const { mode } = findCase(name)
  const times = group.flatMap((raw) => timesOf(raw, clockUs)).sort((a, b) => a - b)
  const medianUs = quantile(times, 0.5)
  const perOperation =
    mode === 'bulk' ? changes : mode === 'each' ? changes / group[0]!.times.length : 0
  const extra = mergeExtra(group)
  const counted = group.find((raw) => raw.instructionsPerOp !== undefined)?.instructionsPerOp
  return {
    case: name,
    driver,
    n: times.length,
    medianUs,
    p99Us: quantile(times, 0.99),
    minUs: times[0]!,
    maxUs: times.at(-1)!,
    perChangeUs: perOperation > 0 ? medianUs / perOperation : null,
    ratioToFloor: null,
    syscallsPerOp: group.find((raw) => raw.syscallsPerOp !== undefined)?.syscallsPerOp ?? null,
    ...(counted !== undefined && { instructionsPerOp: counted }),
    ...(extra !== undefined && { extra }),
  }
}

/** Of several rounds the worst: they are bounds. */
function mergeExtra(group: readonly Raw[]): Record<string, number> | undefined {
  const all = group.flatMap(({ extra }) => Object.entries(extra ?? {}))
  if (all.length === 0) return undefined
  const worst: Record<string, number> = {}
  for (const [name, value] of all) worst[name] = Math.max(worst[name] ?? value, value)
  return worst
}

export function quantile(sorted: readonly number[], part: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))]!
}
