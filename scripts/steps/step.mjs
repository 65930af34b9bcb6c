// One step of a setup: one line on stderr with its time, everything else in a log file.
import { spawn } from 'node:child_process'
import { closeSync, mkdirSync, openSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'

export const checkout = fileURLToPath(new URL('../../', import.meta.url)).replace(/\/$/, '')
export const cacheDir = path.join(checkout, '.cache')
const logDir = path.join(checkout, 'build/log')

/** An end we can explain: the message is all the user needs, no stack. */
export class SetupError extends Error {}

/** What is wanted needs rights that whoever runs us does not have. */
export class NotAllowedError extends SetupError {}

/** Shows `title ... 3.2 s`. A step that has nothing to do ends at once and shows nothing. */
export async function step(title, work) {
  const started = Date.now()
  const seconds = () => ((Date.now() - started) / 1000).toFixed(1)
  const live = process.stderr.isTTY
  let shown = false
  const show = () => {
    if (live) process.stderr.write(`\r${title} ... ${seconds()} s`)
    else if (!shown) process.stderr.write(`${title} ...`)
    shown = true
  }
  const soon = setTimeout(show, 400)
  const tick = live ? setInterval(() => shown && show(), 500) : undefined
  const end = (word) => {
    clearTimeout(soon)
    clearInterval(tick)
    if (!shown) return
    process.stderr.write(`${live ? `\r${title} ...` : ''} ${word} ${seconds()} s\n`)
  }
  try {
    const result = await work()
    end('done,')
    return result
  } catch (error) {
    show()
    end('FAILED after')
    throw error
  }
}

/** Runs a command with its output in build/log/<name>.log, and shows the end of it on failure. */
export async function logged(name, command, args, options = {}) {
  mkdirSync(logDir, { recursive: true })
  const file = path.join(logDir, `${name}.log`)
  const log = openSync(file, options.append ? 'a' : 'w')
  try {
    const problem = await new Promise((resolve) => {
      const child = spawn(command, args, {
        cwd: options.cwd ?? checkout,
        env: { ...process.env, ...options.env },
        stdio: ['ignore', log, log],
      })
      child.on('error', (error) => resolve(error.message))
      child.on('close', (code, signal) =>
        resolve(code === 0 ? undefined : signal ? `killed by ${signal}` : `exit status ${code}`),
      )
    })
    if (problem === undefined) return
    const end = readFileSync(file, 'utf8').trimEnd().split('\n').slice(-50)
    throw new SetupError(
      `"${[command, ...args].join(' ')}" failed (${problem}). The end of its output:\n\n` +
        `${end.map((line) => `    ${line}`).join('\n')}\n\nAll of it: ${file}`,
    )
  } finally {
    closeSync(log)
  }
}

/** Finds a program on PATH, and where root's tools are even when PATH does not say so. */
export function programFolders() {
  const folders = (process.env.PATH ?? '').split(':').filter(Boolean)
  return [...new Set([...folders, '/usr/sbin', '/usr/bin', '/sbin', '/bin'])]
}
