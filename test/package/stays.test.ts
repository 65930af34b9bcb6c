// What keeps a process alive, in processes of their own, with the library as it is built.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'

const cwd = fileURLToPath(new URL('../..', import.meta.url))

const pool = `
import { checks, HealthChecker, Ipvs, MirroredPool } from 'ipvs'
import { MemoryKernel } from 'ipvs/testing'
const ipvs = await Ipvs.open({ kernel: new MemoryKernel() })
const pool = await MirroredPool.open(ipvs, { address: '192.0.2.1', port: 53, scheduler: 'rr', forwarding: 'direct', servers: SERVERS, initial: 'up' })
const silence = { async *[Symbol.asyncIterator]() { yield ['10.1.0.1']; await new Promise(() => {}) } }
const checker = (options) => new HealthChecker(pool, { check: async () => {}, ...options })
`

/** Its exit status; or that it is there still, so long after it has said that it waits. */
async function end(
  code: string,
  waitMs?: number,
  servers = "['10.1.0.1']",
): Promise<number | null | 'stays'> {
  const program = pool.replace('SERVERS', servers) + code
  const child = spawn(process.execPath, ['--input-type=module', '--eval', program], {
    cwd,
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const exit = once(child, 'exit') as Promise<[number | null]>
  const said = once(child.stdout, 'data')
  await Promise.race([said, exit])
  const late = new Promise<'stays'>((resolve) => {
    if (waitMs !== undefined) setTimeout(resolve, waitMs, 'stays')
  })
  const how = await Promise.race([exit.then(([status]) => status), late])
  child.kill('SIGKILL')
  await exit
  return how
}

const waits = "console.log('waits');"
/** Node.js: nothing is left to do, and the program still awaits something. */
const unsettled = 13

test.each([
  ['awaits a following', `${waits} await pool.follow(silence)`],
  ['has a following', `${waits} void pool.follow(silence)`],
  [
    'follows a source that fails',
    `${waits} void pool.follow({ [Symbol.asyncIterator]() { throw new Error() } }, { retryMs: 30000 })`,
  ],
  ['has a checker', `${waits} checker().start()`],
  ['has a checker with long pauses', `${waits} checker({ intervalMs: 86400000 }).start()`],
])('a program that %s stays', async (_, code) => {
  expect(await end(code, 1000)).toBe('stays')
})

test('a program that has a checker stays, though there is nobody to check', async () => {
  expect(await end(`${waits} checker().start()`, 1000, '[]')).toBe('stays')
})

test.each([
  ['has a pool', waits, 0],
  ['has a checker that is not started', `${waits} checker()`, 0],
  [
    'has a checker that was stopped',
    `${waits} const it = checker(); it.start(); await it.ready(); await it.stop()`,
    0,
  ],
  ['has a checker with ref: false', `${waits} const it = checker({ ref: false }); it.start()`, 0],
  [
    'awaits a following with ref: false',
    `${waits} await pool.follow(silence, { ref: false })`,
    unsettled,
  ],
  ['has a following with ref: false', `${waits} void pool.follow(silence, { ref: false })`, 0],
  [
    'has ended a following',
    `${waits} await pool.follow(silence, { signal: AbortSignal.timeout(50) })`,
    0,
  ],
  ['has closed the pool', `${waits} void pool.follow(silence); await pool.close()`, 0],
])('a program that %s ends', async (_, code, status) => {
  expect(await end(code)).toBe(status)
})
