// ipvs watch: what changes in the table, until somebody ends it.
import { readInterval } from './interval.js'
import { withKernel } from './kernel.js'
import { print } from './output.js'
import { painter } from './paint.js'
import { untilStopped } from './signals.js'
import { exitStatuses, type Run } from './spec.js'
import { changeJson, changeLine } from './table/changes.js'

export const watch: Run = async (call) => {
  const intervalMs = readInterval(call, 10)
  const paint = painter(call)
  return withKernel(call, (ipvs) =>
    untilStopped(async (signal) => {
      for await (const event of ipvs.watch({ intervalMs, signal })) {
        const time = new Date().toISOString()
        const line = call.options.json
          ? JSON.stringify({ time, ...changeJson(event) })
          : `${paint('dim', time)} ${changeLine(event, paint)}`
        if (!print(`${line}\n`)) break
      }
      return exitStatuses.done
    }),
  )
}
