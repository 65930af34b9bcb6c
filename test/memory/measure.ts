// Many checks of one kind with one ending, and what is left of them. To be run with --expose-gc.
import { readdirSync } from 'node:fs'
import { setTimeout as sleep, setImmediate as turn } from 'node:timers/promises'
import { queryObjects } from 'node:v8'
import { abortAfterMs, type Ending } from './endings.js'
import type { Library, Subject } from './subjects.js'

/** What is in memory, and open. */
export interface Sight {
  /** Of any kind: whatever is kept of a check has one at least. */
  readonly objects: number
  readonly heapBytes: number
  readonly externalBytes: number
  readonly residentBytes: number
  readonly descriptors: number
  /** Handles and requests of Node.js, timers too. */
  readonly resources: number
}

export async function look(): Promise<Sight> {
  await settle()
  // Typed as if it were `format: 'summary'`; by default it counts.
  const objects = Number(queryObjects(Object))
  const { heapUsed, external, arrayBuffers, rss } = process.memoryUsage()
  return {
    objects,
    heapBytes: heapUsed,
    externalBytes: external + arrayBuffers,
    residentBytes: rss,
    descriptors: readdirSync('/proc/self/fd').length,
    resources: process.getActiveResourcesInfo().length,
  }
}

/** What is closing leaves in the next turns; what was freed by one collection may free more in the next. */
async function settle(): Promise<void> {
  for (let i = 0; i < 3; i++) {
    await sleep(4)
    globalThis.gc?.()
  }
}

/** What has come of some checks. */
export interface Outcomes {
  readonly succeeded: number
  readonly failed: readonly string[]
}

/** For all checks that are not aborted: a listener that stays on it is kept with all that it knows. */
const { signal: shared } = new AbortController()

/** At once; those that need a process less. */
const width = 24
/** A check takes a few milliseconds; on a busy machine a thousand times as long. */
const MOST_MS = 120_000

export async function runChecks(
  library: Library,
  subject: Subject,
  ending: Ending,
  port: number,
  count: number,
): Promise<Outcomes> {
  const check = subject.check(library, port, ending)
  const member = { key: `127.0.0.1:${port}`, address: '127.0.0.1', port }
  const afterMs = abortAfter(subject, ending)
  const reasons = new Set<string>()
  let begun = 0
  let succeeded = 0
  const worker = async () => {
    while (begun++ < count) {
      const controller = new AbortController()
      const stop = () => controller.abort(new Error('time is up'))
      const timer = afterMs ? setTimeout(stop, afterMs) : undefined
      const end = check(member, {
        signal: afterMs === undefined ? shared : controller.signal,
      }).then(
        () => {
          succeeded++
        },
        (error: Error) => {
          if (reasons.size < 5) reasons.add(error.message)
        },
      )
      if (afterMs === 0) void abortAnywhere(stop)
      await inTime(end, `${subject.name}, ${ending}: a check has not ended`)
      clearTimeout(timer)
    }
  }
  await Promise.all(Array.from({ length: subject.costly ? 4 : width }, worker))
  return { succeeded, failed: [...reasons] }
}

/** Rejects where nothing ends it: what hangs is to be said. */
async function inTime(end: Promise<void>, words: string): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${words} after ${MOST_MS / 1000} s`)), MOST_MS)
  })
  await Promise.race([end, late])
  clearTimeout(timer)
}

function abortAfter({ speech, costly }: Subject, ending: Ending): number | undefined {
  const afterMs = abortAfterMs[ending]
  // Datagrams that are wrong, or a half, are waited on.
  if (speech?.udp && afterMs !== undefined) return Math.min(afterMs, abortAfterMs.half ?? 0)
  return costly && afterMs !== undefined ? 100 : afterMs
}

async function abortAnywhere(stop: () => void): Promise<void> {
  const turns = Math.floor(Math.random() ** 2 * 60)
  for (let i = 0; i < turns; i++) await turn()
  stop()
}
