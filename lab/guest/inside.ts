// For tests that are in the lab already: a command of the checkout, on the kernel they run on.
import { execFile } from 'node:child_process'
import { built } from '../checkout.js'
import { exitStatus } from '../command.js'

export interface Ran<Result> {
  readonly status: number | null
  /** The JSON of its last line. */
  readonly result: Result
  readonly said: string
}

/** The machine has not given the time to tell: neither held nor failed. */
export class TooBusyError extends Error {
  override readonly name = 'TooBusyError'
}

/** On a machine that is too busy to tell, a command is run again, so often at most. */
const mostRepeats = 2

/**
 * @param file of build/tools: `demo/main.js`
 * @throws TooBusyError if it could not tell in any of its runs
 */
export async function runInside<Result>(
  file: string,
  args: readonly string[],
): Promise<Ran<Result>> {
  let ran = await once<Result>(file, args)
  for (let again = 0; ran.status === exitStatus.busy && again < mostRepeats; again++) {
    ran = await once<Result>(file, args)
  }
  if (ran.status === exitStatus.busy) throw new TooBusyError(ran.said)
  return ran
}

function once<Result>(file: string, args: readonly string[]): Promise<Ran<Result>> {
  // Inside the lab, its kernel is "the host's".
  const env = { ...process.env, IPVS_KERNEL: 'host' }
  const words = [built('tools', file), ...args]
  return new Promise((resolve, reject) => {
    const child = execFile(
      process.execPath,
      words,
      { env, maxBuffer: 1 << 26 },
      (_error, stdout, stderr) => {
        const last = stdout.trimEnd().split('\n').at(-1) ?? ''
        if (!last.startsWith('{')) reject(new Error(`${file} gave no result; it said:\n${stderr}`))
        else resolve({ status: child.exitCode, result: JSON.parse(last), said: stderr })
      },
    )
  })
}
