// Starts a program and waits for its end. No shell is involved.
import { spawn } from 'node:child_process'

/** What a program is given beside its arguments. */
export interface ProgramInput {
  /** Beside the environment of this process. */
  readonly env: Readonly<Record<string, string>>
  /** On its stdin. */
  readonly text: string
}

/** @throws Error (rejects) it could not be started, did not end in time, or did not end with 0 */
export function runProgram(
  [command, ...args]: readonly string[],
  { env, text }: ProgramInput,
  signal: AbortSignal,
): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = spawn(command!, args, {
      // Whatever it starts can be ended with it.
      detached: true,
      stdio: ['pipe', 'ignore', 'ignore'],
      env: { ...process.env, ...env },
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
    child.stdin.end(text)
  })
}
