// A role that is asked for again and again: what a file says, or what a program prints.
import { constants } from 'node:fs'
import { open } from 'node:fs/promises'
import { pause } from '../../abort.js'
import { messageOf } from '../events.js'
import type { Heard } from './fifo.js'
import { type RoleWord, roleOf } from './words.js'

const MOST_BYTES = 4096
const WRITING_MS = 50

/** A word in a file, such as one that a notify script writes: `echo MASTER > FILE`. */
export async function lookAtFile(path: string): Promise<RoleWord> {
  const text = await readStart(path)
  if (text.trim() !== '') return wordOf(text)
  // A shell empties it before it writes.
  await pause(WRITING_MS, undefined)
  return wordOf(await readStart(path))
}

async function readStart(path: string): Promise<string> {
  // A FIFO would be waited for.
  const file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK)
  try {
    if (!(await file.stat()).isFile()) throw new Error('is no file')
    const { buffer, bytesRead } = await file.read(Buffer.alloc(MOST_BYTES), 0, MOST_BYTES, null)
    return buffer.toString('utf8', 0, bytesRead)
  } finally {
    await file.close()
  }
}

/** The first word that a program prints. It is ended when it takes too long, or nobody wants to know any more. */
export async function lookByCommand(
  [command, ...args]: readonly string[],
  timeoutMs: number,
  signal: AbortSignal,
): Promise<RoleWord> {
  // The only part that starts processes.
  const { execFile } = await import('node:child_process')
  return new Promise((resolve, reject) => {
    const limits = {
      timeout: timeoutMs,
      killSignal: 'SIGKILL',
      maxBuffer: 2 ** 20,
      signal,
    } as const
    execFile(command!, args, limits, (error, stdout, stderr) => {
      try {
        if (error !== null)
          throw new Error(`${error.message.trim()}${stderr && `: ${stderr.trim()}`}`)
        resolve(wordOf(stdout))
      } catch (cause) {
        reject(cause as Error)
      }
    })
  })
}

/** Asks at once, and again after each pause. Only what has changed is told. */
export async function lookAgain(
  name: string,
  look: () => Promise<RoleWord>,
  intervalMs: number,
  heard: Heard,
  signal: AbortSignal,
): Promise<void> {
  let before: string | undefined
  while (!signal.aborted) {
    try {
      const word = await look()
      if (signal.aborted) return
      heard.trouble(undefined)
      const now = JSON.stringify(word)
      if (now !== before) heard.word(word)
      before = now
    } catch (error) {
      heard.trouble(`${name}: ${messageOf(error)}`)
    }
    await pause(intervalMs, signal)
  }
}

function wordOf(text: string): RoleWord {
  const [word = ''] = text.trim().split(/\s+/)
  const role = roleOf(word)
  if (role !== undefined) return { role, word }
  throw new Error(
    `says ${JSON.stringify(word.slice(0, 40))}, which is no role: active, standby, MASTER, BACKUP, FAULT or STOP`,
  )
}
