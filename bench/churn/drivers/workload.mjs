// What every driver in JavaScript shares: the arguments, the workload file, the clock and the one line a driver prints.
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { setImmediate } from 'node:timers/promises'

const modes = ['each', 'bulk', 'load', 'read']
/** Passes over a list until its memory is there and its code compiled: in the lab a new page costs 50 us. */
const WARM_PASSES = 12

/**
 * @typedef {{ line: number, words: string[] }} Change
 * @typedef {{
 *   each?: (operation: Change[]) => unknown,
 *   bulk?: (changes: Change[]) => unknown,
 *   read?: () => number | Promise<number>,
 *   rows?: () => number,
 *   prepare?: (changes: Change[]) => unknown,
 *   warmBulk?: (changes: Change[]) => unknown,
 *   close?: () => unknown,
 * }} Driver read returns the number of destinations, or rows does once the clock has stopped. What is given to `each` and
 *   `bulk` is shown to `prepare` first, before the clock starts. With WARM=1, JavaScript has been compiled by then, as in
 *   a process that has run for a while: what can be done twice is, lists in bulk by `warmBulk`.
 */

/**
 * Runs `node DRIVER.mjs VARIANT MODE FILE`. The variant makes its driver, `prepare` whatever it can of the changes,
 * before the clock starts.
 * @param {Record<string, (changes: Change[]) => Driver | Promise<Driver>>} variants
 */
export async function drive(variants) {
  try {
    const [variant, mode, file] = process.argv.slice(2)
    const usage = `usage: ${Object.keys(variants).join('|')} ${modes.join('|')} FILE`
    if (!variants[variant] || !modes.includes(mode) || !file) throw new Error(usage)
    const operations = mode === 'read' ? [] : readWorkload(file)
    const driver = await variants[variant](operations.flat())
    const { times, rows } = await run(driver, mode, operations)
    await driver.close?.()
    const figures = times.map((time) => (Number(time) / 1000).toFixed(3)).join(',')
    process.stdout.write(`{"times":[${figures}]${rows === undefined ? '' : `,"rows":${rows}`}}\n`)
  } catch (error) {
    process.stderr.write(`${path.basename(process.argv[1])}: ${error.message}\n`)
    process.exitCode = 1
  }
}

async function run(driver, mode, operations) {
  const times = []
  const clock = process.hrtime.bigint
  const warm = process.env.WARM === '1'
  if (mode === 'read') {
    for (let i = 0; warm && i < 5; i++) await driver.read()
    const reads = Number(process.env.READS || 20)
    let rows = 0
    for (let i = 0; i < reads; i++) {
      // What the last read returned is given back, as free() does: new memory costs the lab 50 us a page. What is
      // done with collected memory is done in the next turn.
      globalThis.gc?.()
      await setImmediate()
      const from = clock()
      rows = await driver.read()
      times.push(clock() - from)
    }
    return { times, rows: driver.rows?.() ?? rows }
  }
  if (mode === 'each') {
    for (const operation of operations) await driver.prepare?.(operation)
    for (const operation of warm ? operations : []) await driver.each(operation)
    let from = clock()
    for (const operation of operations) {
      await driver.each(operation)
      const now = clock()
      times.push(now - from)
      from = now
    }
  } else {
    const changes = operations.flat()
    await driver.prepare?.(changes)
    for (let i = 0; warm && i < WARM_PASSES; i++) await driver.warmBulk?.(changes)
    const from = clock()
    await driver.bulk(changes)
    times.push(clock() - from)
  }
  return { times: mode === 'load' ? [] : times }
}

/**
 * Operations, which end at empty lines. With BENCH_SABOTAGE=1 every tenth change is left out, so that the suite can
 * prove that it looks.
 */
export function readWorkload(file) {
  const sabotage = process.env.BENCH_SABOTAGE === '1'
  const operations = []
  let operation
  let seen = 0
  for (const [index, text] of readFileSync(file, 'utf8').split('\n').entries()) {
    const words = text.split(/\s+/).filter(Boolean)
    if (words.length === 0) {
      operation = undefined
      continue
    }
    if (operation === undefined) {
      operation = []
      operations.push(operation)
    }
    seen++
    if (!sabotage || seen % 10 !== 0) operation.push({ line: index + 1, words })
  }
  return operations
}
