// What a run leaves behind: docs/udp-failover.json is one of them.
import type { Scenario } from './scenarios.js'
import type { Row } from './verdict.js'

export interface ScenarioResult
  extends Pick<Scenario, 'name' | 'forwarding' | 'setting' | 'says' | 'losses'> {
  /** Nothing may be lost under it, or a tick's packets. */
  readonly supported: boolean
  readonly refused?: string
  readonly rows: readonly Row[]
  readonly problems: readonly string[]
  /** What may be the machine's fault, and the part of the time that was missing; such a run is not kept. */
  readonly doubts?: readonly string[]
  readonly missing?: number
}

export interface Result {
  readonly kernel: string
  readonly node: string
  readonly date: string
  readonly scenarios: readonly ScenarioResult[]
}

/** One row, one line: readable, and a new run is a readable difference. */
export function formatResult({ scenarios, ...head }: Result): string {
  const lines = scenarios.map(({ rows, ...scenario }) => {
    const inner = rows.map((row) => `\n      ${JSON.stringify(row)}`)
    return `    ${JSON.stringify(scenario).slice(0, -1)},"rows":[${inner}]}`
  })
  const top = Object.entries(head).map(([name, value]) => `  "${name}": ${JSON.stringify(value)},`)
  return `{\n${top.join('\n')}\n  "scenarios": [\n${lines.join(',\n')}\n  ]\n}\n`
}
