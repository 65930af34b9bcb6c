// What a run leaves behind: docs/failover.json is one of them.
import type { Header } from '../trials/trials.js'
import type { FailureName } from './failures.js'
import type { SystemName } from './systems.js'
import type { Row, Timeline, Verdict } from './verdict.js'

export interface TrialResult extends Verdict {
  readonly system: SystemName
  readonly failure: FailureName
  /** The longest time between two looks at the table. */
  readonly longestGapMs: number
  /** What the system has said. */
  readonly output: string
}

export interface Result extends Header {
  readonly node: string
  readonly date: string
  /** The longest time between two looks at the table, in any trial. */
  readonly longestGapMs: number
  readonly rows: readonly Row[]
  readonly timelines: readonly Timeline[]
}

/** One row, one line: readable, and a new run is a readable difference. */
export function formatResult({ rows, timelines, ...head }: Result): string {
  const top = Object.entries(head).map(([name, value]) => `  "${name}": ${JSON.stringify(value)},`)
  const lines = (some: readonly object[]) =>
    some.map((one) => `    ${JSON.stringify(one)}`).join(',\n')
  return `{\n${top.join('\n')}\n  "rows": [\n${lines(rows)}\n  ],\n  "timelines": [\n${lines(timelines)}\n  ]\n}\n`
}
