// ipvs set: what is said of a server by hand.
import type { ConnectionCounts, SetResult } from '../../director/index.js'
import { usageError } from '../errors.js'
import { readTime } from '../interval.js'
import { print, printJson, tell } from '../output.js'
import { seeHelp } from '../parse.js'
import { untilStopped } from '../signals.js'
import { type Call, exitStatuses, type Run } from '../spec.js'
import { ask } from './control.js'

const LOOK_MS = 1000
const YEAR_MS = 366 * 86_400_000

export const set: Run = async (call) => {
  const { options, words } = call
  const [target, word] = words as [string, string]
  const said = readWord(word)
  const forMs = options.for === undefined ? {} : { forMs: readTime(call, 'for', '', 1000, YEAR_MS) }
  const timeoutMs = readTime(call, 'timeout', '5m', 0)
  const result = (await ask(call, { do: 'set', target, ...said, ...forMs })) as SetResult
  if (!options.wait) {
    if (options.json) printJson(result)
    else print(`${sentence(result, target)}\n`)
  }
  if (result.notKept !== undefined)
    tell(`ipvs set: it will not outlive the director: ${result.notKept}`)
  return options.wait ? waitUntilIdle(call, target, result, timeoutMs) : exitStatuses.done
}

/** @throws CommandError */
function readWord(word: string) {
  if (word === 'drain' || word === 'maintenance' || word === 'ready') return { admin: word }
  const [, weight] = /^weight=(\d{1,10}|file)$/.exec(word) ?? []
  if (weight === 'file') return { weight } as const
  if (weight !== undefined && Number(weight) <= 0x7fffffff) return { weight: Number(weight) }
  throw usageError(
    `"${word}" is nothing to say of a server: drain, maintenance, ready, weight=50, weight=file. ${seeHelp('set')}`,
  )
}

function sentence({ pool, state }: SetResult, target: string): string {
  if (state === undefined)
    return `${target} is not in pool ${pool} now; it is as the file says when it comes back.`
  const { server, admin, health, weight } = state
  return `${pool}/${server} is ${admin}, ${health}, weight ${weight.effective}`
}

async function waitUntilIdle(
  call: Call,
  target: string,
  result: SetResult,
  timeoutMs: number,
): Promise<number> {
  const begun = performance.now()
  return untilStopped(async (signal) => {
    for (;;) {
      const counts = (await ask(call, { do: 'connections', target })) as ConnectionCounts
      const { active, inactive, persistent } = counts
      const elapsed = performance.now() - begun
      const isIdle = active + inactive + persistent === 0
      const outcome = isIdle ? 'idle' : elapsed >= timeoutMs ? 'deadline' : undefined
      if (call.options.json)
        printJson({ ...result, ...counts, elapsedMs: Math.round(elapsed), outcome })
      else {
        const line = `${Math.round(elapsed / 1000)} s: ${active} active, ${inactive} inactive, ${persistent} persistent`
        const end = { idle: ': all are gone', deadline: ': these are left' }
        print(`${line}${outcome === undefined ? '' : end[outcome]}\n`)
      }
      if (isIdle) return exitStatuses.done
      if (outcome !== undefined || signal.aborted) return exitStatuses.failed
      await new Promise<void>((resolve) => {
        const timer = setTimeout(done, Math.min(LOOK_MS, Math.max(1, timeoutMs - elapsed)))
        signal.addEventListener('abort', done, { once: true })
        function done() {
          clearTimeout(timer)
          signal.removeEventListener('abort', done)
          resolve()
        }
      })
    }
  })
}
