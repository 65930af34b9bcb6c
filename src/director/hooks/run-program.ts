// Starts a program for an event. No shell is involved.
import { spawn } from 'node:child_process'
import type { DirectorEvent } from '../events.js'

/** @throws Error (rejects) it could not be started, did not end in time, or did not end with 0 */
export function runProgram(
  [command, ...args]: readonly string[],
  event: DirectorEvent,
  signal: AbortSignal,
): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = spawn(command!, args, {
      // Whatever it starts can be ended with it.
      detached: true,
      stdio: ['pipe', 'ignore', 'ignore'],
      env: {
        ...process.env,
        IPVS_EVENT: event.event,
        IPVS_POOL: event.pool ?? '',
        IPVS_SERVER: event.server ?? '',
        IPVS_REASON: event.text,
      },
    })
    const end = () => {
      try {
        if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL')
      } catch {
        // It has ended already.
      }
    }
    signal.addEventListener('abort', end, { once: true })
    child.once('error', reject)
    child.once('exit', (code, by) => {
      signal.removeEventListener('abort', end)
      if (code === 0) resolve()
      else if (signal.aborted) reject(new Error('it took too long and was ended'))
      else reject(new Error(`it ended with ${by ?? `status ${code}`}`))
    })
    // A program may read it or not.
    child.stdin.on('error', () => {})
    child.stdin.end(`${JSON.stringify(event)}\n`)
  })
}
