// Two setups in one checkout take turns.
import { mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { cacheDir } from './step.mjs'

const file = path.join(cacheDir, 'setup.lock')

export async function withLock(work) {
  mkdirSync(cacheDir, { recursive: true })
  for (let said = false; !take(); await sleep(200)) {
    const owner = readOwner()
    if (owner === undefined || !alive(owner)) {
      // The owner writes its id right after making the file: give it a moment to.
      if (owner !== undefined || age() > 2000) rmSync(file, { force: true })
    } else if (!said) {
      process.stderr.write(
        `Another setup of this checkout is running (process ${owner}); waiting.\n`,
      )
      said = true
    }
  }
  const release = () => {
    if (readOwner() === process.pid) rmSync(file, { force: true })
  }
  process.once('exit', release)
  try {
    return await work()
  } finally {
    process.off('exit', release)
    release()
  }
}

function take() {
  try {
    writeFileSync(file, `${process.pid}\n`, { flag: 'wx' })
    return true
  } catch (error) {
    if (error.code === 'EEXIST') return false
    throw error
  }
}

function readOwner() {
  try {
    return Number(readFileSync(file, 'utf8')) || undefined
  } catch {
    return undefined
  }
}

function age() {
  try {
    return Date.now() - statSync(file).mtimeMs
  } catch {
    return 0
  }
}

function alive(pid) {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return error.code === 'EPERM'
  }
}
