// What a run leaves behind: docs/pair.json is one of them.
import type { Header, Plan } from '../trials/trials.js'
import type { Row, Seen, Verdict } from './verdict.js'

export interface PairPlan extends Plan {
  /** The figures are to be kept: a trial that lacked too much of its time is played again, too. */
  readonly keep: boolean
}

export interface TrialResult extends Verdict {
  /** What the system has said. */
  readonly output: string
}

export interface Result extends Header {
  readonly node: string
  readonly date: string
  /** The part of the time that the machine has not given to the guest, in the trial in which it was most. */
  readonly missing: number
  readonly rows: readonly Row[]
  readonly trials: readonly Seen[]
}

/** One row, one line: readable, and a new run is a readable difference. */
export function formatResult({ rows, trials, ...head }: Result): string {
  const top = Object.entries(head).map(([name, value]) => `  "${name}": ${JSON.stringify(value)},`)
  const lines = (some: readonly object[]) =>
    some.map((one) => `    ${JSON.stringify(one)}`).join(',\n')
  return `{\n${top.join('\n')}\n  "rows": [\n${lines(rows)}\n  ],\n  "trials": [\n${lines(trials)}\n  ]\n}\n`
}
