// ipvs watch: what changes in the table, until somebody ends it.
import { usageError } from './errors.js'
import { withKernel } from './kernel.js'
import { print } from './output.js'
import { painter } from './paint.js'
import { untilStopped } from './signals.js'
import { type Call, exitStatuses, type Run } from './spec.js'
import { changeJson, changeLine } from './table/changes.js'

export const watch: Run = async (call) => {
  const intervalMs = interval(call)
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

const UNITS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 }

function interval({ options }: Call): number {
  const text = String(options.interval ?? '2s')
  const [, number, unit] = /^(\d+(?:\.\d+)?)(ms|s|m|h)$/.exec(text) ?? []
  const ms = Number(number) * (UNITS[unit ?? ''] ?? Number.NaN)
  if (ms >= 10 && ms <= 86_400_000) return Math.round(ms)
  throw usageError(`--interval ${text}: write a time from 10ms to 24h, such as 500ms, 2s or 1m.`)
}
