// How soon the failed servers were out, and whether others were: percentiles, and what was promised.
import { textTable } from '../../lab/page/table.js'
import { isRefusing, type Kind, kinds } from './failures.js'

export interface Pace {
  readonly intervalMs: number
  readonly retryDelayMs: number
  readonly timeoutMs: { readonly min: number; readonly max: number }
  readonly fall: number
}

export interface Found {
  readonly kind: Kind
  /** Of the time that the machine has given; `null`: it stayed. */
  readonly ms: number | null
}

export interface Outcome {
  readonly pace: Pace
  readonly found: readonly Found[]
  /** How often a server that nothing had happened to was taken out. */
  readonly falseVerdicts: number
  readonly minutes: number
  /** The part of the time that the machine has not given to the guest. */
  readonly missing: number
  /** What our program has said. */
  readonly said: string
}

export interface Figures {
  readonly kind: Kind
  readonly failures: number
  readonly p50: number
  readonly p99: number
  readonly most: number
  readonly limitMs: number
}

/**
 * A closed port is found with the `fall`-th check that is refused: two intervals, or the pauses between the checks if they are
 * longer. A silent server: an interval, then `fall` limits with the pauses between them.
 */
export function limitOf(kind: Kind, { intervalMs, retryDelayMs, timeoutMs, fall }: Pace): number {
  if (isRefusing(kind)) return 2 * intervalMs
  return intervalMs + fall * timeoutMs.max + (fall - 1) * retryDelayMs
}

export function figures({ found, pace }: Pick<Outcome, 'found' | 'pace'>): Figures[] {
  return kinds.flatMap((kind) => {
    const times = found
      .filter((one) => one.kind === kind)
      .map(({ ms }) => ms ?? Number.POSITIVE_INFINITY)
      .sort((a, b) => a - b)
    if (times.length === 0) return []
    const at = (part: number) => times[Math.ceil(part * times.length) - 1]!
    const failures = times.length
    return [
      { kind, failures, p50: at(0.5), p99: at(0.99), most: at(1), limitMs: limitOf(kind, pace) },
    ]
  })
}

export function problems(outcome: Outcome): string[] {
  const late = figures(outcome).flatMap(({ kind, p99, limitMs }) =>
    p99 <= limitMs ? [] : [`${kind}: found after ${write(p99)} (p99), allowed: ${limitMs} ms.`],
  )
  if (outcome.falseVerdicts === 0) return late
  return [
    ...late,
    `${outcome.falseVerdicts} times a server was taken out that nothing had happened to.`,
  ]
}

const write = (ms: number) => (Number.isFinite(ms) ? `${Math.round(ms)} ms` : 'never')

export function formatOutcome(outcome: Outcome): string {
  const rows = figures(outcome).map(({ kind, failures, p50, p99, most, limitMs }) => [
    kind,
    String(failures),
    ...[p50, p99, most, limitMs].map(write),
  ])
  const table = textTable(['server', 'failures', 'found p50', 'p99', 'max', 'allowed'], rows)
  const { minutes, falseVerdicts, missing } = outcome
  return [
    ...(rows.length === 0 ? [] : [...table, '']),
    `${falseVerdicts} false verdicts in ${minutes.toFixed(1)} minutes; ${Math.round(100 * missing)} % of the time was missing.`,
    '',
  ].join('\n')
}
