// What this very process asks of the kernel while it does something, as strace sees it.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { ns } from './setup.js'
import { STRACE, type SystemCall, systemCalls } from './strace.js'

/** The system calls of these kinds (as strace names them) that all threads make while `work` runs. */
export async function traced(kinds: string, work: () => Promise<unknown>): Promise<SystemCall[]> {
  const file = path.join(ns.folder, 'trace')
  const [strace, ...options] = [...STRACE, '-e', `trace=${kinds}`, '-o', file]
  const child = spawn(strace!, [...options, '-p', `${process.pid}`], {
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  const ended = once(child, 'close')
  let said = ''
  await new Promise<void>((resolve, reject) => {
    child.stderr.on('data', (data) => {
      said += data
      // Once it has all threads.
      if (said.includes('attached')) resolve()
    })
    child.on('close', () => reject(new Error(`strace has ended: ${said}`)))
  })
  try {
    await work()
  } finally {
    child.kill('SIGINT')
    await ended
  }
  return systemCalls(readFileSync(file, 'utf8'))
}
