// What goes to stdout and stderr: written before it returns, so that nothing is lost however the process ends.
import { writeSync } from 'node:fs'
import { CommandError } from './errors.js'
import { exitStatuses } from './spec.js'

/**
 * Writes to stdout.
 *
 * @returns false if nobody reads any more, as behind `| head`, which is no error
 * @throws CommandError
 */
export function print(text: string): boolean {
  try {
    writeAll(1, text)
    return true
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    if (code === 'EPIPE') return false
    const why = code === 'ENOSPC' ? 'the disk is full' : message
    throw new CommandError(
      `what belongs on stdout could not all be written: ${why}. Do not use what is there; make room, and do it again.`,
      exitStatuses.failed,
      error,
    )
  }
}

/** One document, as `--json` wants it. */
export function printJson(value: unknown): boolean {
  return print(`${JSON.stringify(value)}\n`)
}

/** Writes a line to stderr. Where that cannot be, there is nobody to tell. */
export function tell(line: string): void {
  try {
    writeAll(2, `${line}\n`)
  } catch {
    // See above.
  }
}

function writeAll(fd: number, text: string): void {
  const bytes = Buffer.from(text)
  for (let at = 0; at < bytes.length; ) {
    try {
      at += writeSync(fd, bytes, at)
    } catch (error) {
      // A pipe that somebody else has made non-blocking, and that is full.
      if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') throw error
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 5)
    }
  }
}
