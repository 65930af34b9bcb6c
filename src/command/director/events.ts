// ipvs events: what happens to the pools of a director, until somebody ends it.
import type { DirectorEvent } from '../../director/index.js'
import { print } from '../output.js'
import { painter } from '../paint.js'
import { untilStopped } from '../signals.js'
import { exitStatuses, type Run } from '../spec.js'
import { controlPath } from './control.js'
import { eventLine } from './event-line.js'

export const events: Run = async (call) => {
  const { followDirector } = await import('../../director/index.js')
  const paint = painter(call)
  return untilStopped(async (signal) => {
    for await (const event of followDirector(controlPath(call), signal)) {
      if (event === undefined) continue
      const line = call.options.json
        ? JSON.stringify(event)
        : eventLine(event as DirectorEvent, paint)
      if (!print(`${line}\n`)) break
    }
    return exitStatuses.done
  })
}
