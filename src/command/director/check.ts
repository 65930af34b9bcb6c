// ipvs check: asks a server now.
import type { CheckResult, CheckState } from '../../director/index.js'
import { print, printJson } from '../output.js'
import { painter } from '../paint.js'
import { exitStatuses, type Run } from '../spec.js'
import { columns } from './columns.js'
import { ask } from './control.js'

export const check: Run = async (call) => {
  const result = (await ask(call, { do: 'check', target: call.words[0]! })) as CheckResult
  const { pool, server, steps, state } = result
  const isFine = steps.every(({ outcome }) => outcome === 'success')
  if (call.options.json) printJson(result)
  else {
    const paint = painter(call)
    const styles = { success: 'green', failure: 'red', unknown: 'yellow' } as const
    const rows = steps.map(({ name, outcome, reason, durationMs }) => [
      `  ${name}`,
      outcome,
      `${durationMs.toFixed(1)} ms`,
      reason,
    ])
    const lines = columns(rows).map((line, index) => paint(styles[steps[index]!.outcome], line))
    const asked = steps.length === 0 ? 'nobody checks it' : `asked by ${result.check}`
    print(`${[`${pool}/${server}: ${asked}`, ...lines, ...explain(state)].join('\n')}\n`)
  }
  return isFine ? exitStatuses.done : exitStatuses.failed
}

/** What the director makes of it. */
function explain(state: CheckResult['state']): string[] {
  if (state === undefined) return []
  const { health, admin, serves, weight, check: checked } = state
  const how = serves ? `gets connections with weight ${weight.effective}` : 'gets no connections'
  const line = `the director has it ${health}, ${admin}: it ${how}`
  return checked === 'none' ? [line] : [line, counts(checked, health)]
}

function counts(
  { successes, rise, failures, fall, nextAt, heldUntil }: CheckState,
  health: string,
) {
  const when =
    nextAt === undefined
      ? ''
      : `, the next check in ${Math.max(0, Math.round((nextAt - Date.now()) / 100) / 10)} s`
  const held = heldUntil === undefined ? '' : ', kept down because it flaps'
  return health === 'up'
    ? `${failures} of ${fall} failures in a row make it down${when}`
    : `${successes} of ${rise} successes in a row make it up${held}${when}`
}
