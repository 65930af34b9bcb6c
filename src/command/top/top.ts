// ipvs top: services and destinations with their rates, live on a terminal, in lines elsewhere.
import { setTimeout as sleep } from 'node:timers/promises'
import { isatty } from 'node:tty'
import { controlPath } from '../director/control.js'
import { CommandError, usageError } from '../errors.js'
import { readInterval } from '../interval.js'
import { readProc, withKernel } from '../kernel.js'
import { print } from '../output.js'
import { painter } from '../paint.js'
import { untilStopped } from '../signals.js'
import { type Call, exitStatuses, type Run } from '../spec.js'
import { selector } from '../table/seen.js'
import type { SortKey } from './columns.js'
import { directorAt, withDirector } from './director.js'
import { live } from './live.js'
import { kernelSource, learn, NOTHING, only, printable, procSource, type Source } from './looks.js'
import { lookJson, lookText } from './plain.js'
import { blocks, letters } from './view.js'

/** Each is a line for each row. */
const LEAST_MS = 100
/** What the kernel takes to add its counters up. */
const LEAST_ONCE_MS = 2000

export const top: Run = async (call) => {
  const intervalMs = readInterval(call, LEAST_MS)
  if (call.options.once && intervalMs < LEAST_ONCE_MS) {
    throw usageError(
      `--interval ${call.options.interval}: with --once it is 2s at least, because the kernel adds its counters up every two seconds.`,
    )
  }
  const [word] = call.words
  const isMeant = word === undefined ? undefined : selector(word)
  const follow = (source: Source) =>
    run(call, intervalMs, isMeant === undefined ? source : only(source, word!, isMeant))
  let isOpen = false
  try {
    return await withKernel(call, async (ipvs) => {
      const source = kernelSource(ipvs)
      // Some kernels let everybody open it, and nobody read.
      await source.look(() => false)
      isOpen = true
      return follow(source)
    })
  } catch (error) {
    if (isOpen) throw error
    const { source, lacks } = await readProc('ipvs top', call, error)
    return follow(procSource(source, lacks))
  }
}

function run(call: Call, intervalMs: number, source: Source): Promise<number> {
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const
  if (!isLive(call)) return untilStopped((signal) => stream(call, intervalMs, source, signal))
  // Of another namespace it may know nothing, unless somebody says that it does.
  const isOurs = call.options.netns === undefined || call.options.control !== undefined
  const director = isOurs ? directorAt(controlPath(call)) : undefined
  const seen = director === undefined ? source : withDirector(source, director)
  return untilStopped(async (signal) => {
    await live({ ...liveOptions(call, intervalMs, seen), director }, signal)
    return exitStatuses.done
  }, signals)
}

function isLive({ options }: Call): boolean {
  return !options.json && !options.once && isatty(0) && isatty(1) && process.env.TERM !== 'dumb'
}

function liveOptions(call: Call, intervalMs: number, source: Source) {
  const { netns, interval = '2s', sort } = call.options
  const { LC_ALL, LC_CTYPE, LANG } = process.env
  const isUtf8 = /utf-?8/i.test(LC_ALL || LC_CTYPE || LANG || '')
  return {
    ...{ source, intervalMs, sort: sort as SortKey | undefined, isOne: call.words.length > 0 },
    about: `${netns === undefined ? '' : `netns ${printable(String(netns))}  `}every ${interval}`,
    paint: painter(call),
    glyphs: isUtf8 ? blocks : letters,
  }
}

/** Each look, or the second one alone. */
async function stream(
  call: Call,
  intervalMs: number,
  source: Source,
  signal: AbortSignal,
): Promise<number> {
  const { once, json, sort } = call.options
  const key = (sort as SortKey | undefined) ?? (source.hasCounters ? 'in-packets' : 'active')
  const paint = painter(call)
  const isWanted = () => call.words.length > 0
  const beganMs = performance.now()
  let known = NOTHING
  for (let looks = 1; !signal.aborted; looks++) {
    const look = await source.look(isWanted)
    known = learn(known, look)
    if (!once || looks === 2) {
      const told = { source, look, known }
      const text = json ? `${lookJson(told)}\n` : lookText(told, key, paint)
      const time = `${paint('dim', new Date().toISOString())}\n`
      if (!print(once || json ? text : `${time}${text}\n`) || once) return exitStatuses.done
    }
    const passedMs = performance.now() - beganMs
    const dueMs = intervalMs * (Math.floor(passedMs / intervalMs) + 1)
    await sleep(dueMs - passedMs, undefined, { signal }).catch(() => {})
  }
  if (once) throw new CommandError(`stopped by ${signal.reason} before the second look.`)
  return exitStatuses.done
}
