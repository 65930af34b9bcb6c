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
  /** Of a silent server: the time limit of its last check, as the reason says it. */
  readonly limitMs?: number | undefined
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
  /** What was needed, in intervals or time limits (p99), and what is allowed. */
  readonly needed: number
  readonly allowed: number
  readonly unit: 'intervals' | 'limits'
}

/**
 * A closed port is found with the `fall`-th check that is refused: two intervals. A silent server is found `fall` limits after
 * its first check, as long as the last of them was; that check is an interval away at most, and the pauses come on top.
 */
function needed({ kind, ms, limitMs }: Found, { intervalMs, retryDelayMs, fall }: Pace): number {
  if (ms === null) return Number.POSITIVE_INFINITY
  if (isRefusing(kind)) return ms / intervalMs
  if (limitMs === undefined) return 0
  return (ms - intervalMs - (fall - 1) * retryDelayMs) / limitMs
}

const percentile = (values: readonly number[], part: number): number =>
  values.toSorted((a, b) => a - b)[Math.ceil(part * values.length) - 1]!

export function figures({ found, pace }: Pick<Outcome, 'found' | 'pace'>): Figures[] {
  return kinds.flatMap((kind) => {
    const own = found.filter((one) => one.kind === kind)
    if (own.length === 0) return []
    const times = own.map(({ ms }) => ms ?? Number.POSITIVE_INFINITY)
    const units = own.map((one) => needed(one, pace))
    return [
      {
        kind,
        failures: own.length,
        p50: percentile(times, 0.5),
        p99: percentile(times, 0.99),
        most: percentile(times, 1),
        needed: percentile(units, 0.99),
        ...(isRefusing(kind)
          ? { allowed: 2, unit: 'intervals' as const }
          : { allowed: pace.fall, unit: 'limits' as const }),
      },
    ]
  })
}

export function problems(outcome: Outcome): string[] {
  const late = figures(outcome).flatMap(({ kind, p99, needed, allowed, unit }) =>
    needed <= allowed
      ? []
      : [
          `${kind}: found after ${write(p99)} (p99): ${count(needed)} ${unit}, ${allowed} are allowed.`,
        ],
  )
  if (outcome.falseVerdicts === 0) return late
  return [
    ...late,
    `${outcome.falseVerdicts} times a server was taken out that nothing had happened to.`,
  ]
}

const count = (value: number) => (Number.isFinite(value) ? value.toFixed(1) : 'too many')
const write = (ms: number) => (Number.isFinite(ms) ? `${Math.round(ms)} ms` : 'never')

export function formatOutcome(outcome: Outcome): string {
  const rows = figures(outcome).map(({ kind, failures, p50, p99, most, needed, allowed, unit }) => [
    kind,
    String(failures),
    ...[p50, p99, most].map(write),
    `${count(needed)} ${unit}`,
    String(allowed),
  ])
  const head = ['server', 'failures', 'found p50', 'p99', 'max', 'needed (p99)', 'allowed']
  const { minutes, falseVerdicts, missing, pace } = outcome
  return [
    `Checks every ${pace.intervalMs} ms, ${pace.retryDelayMs} ms after a failure; limits of ${pace.timeoutMs.min} to ${pace.timeoutMs.max} ms; fall ${pace.fall}.`,
    '',
    ...(rows.length === 0 ? [] : [...textTable(head, rows), '']),
    `${falseVerdicts} false verdicts in ${minutes.toFixed(1)} minutes; ${Math.round(100 * missing)} % of the time was missing.`,
    '',
  ].join('\n')
}
