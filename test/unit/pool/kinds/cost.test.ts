// Kind 6: judging costs per turn, not per verdict.
import { afterEach, beforeAll, describe, expect, it, vi } from 'vitest'
import { HealthChecker, type HealthMember, type MirroredPool } from '../../../../src/index.js'
import { closeAll, ground, ignore, verdict } from './ground.js'

afterEach(closeAll)

const many = (count: number) =>
  Array.from({ length: count }, (_, i) => `10.${4 + (i >> 14)}.${(i >> 7) & 127}.${1 + (i & 127)}`)

/** Processor time in milliseconds: what others do on this machine does not count. */
async function spent(work: () => Promise<unknown>): Promise<number> {
  const from = process.cpuUsage()
  await work()
  const { user, system } = process.cpuUsage(from)
  return (user + system) / 1000
}

/** The least of some runs: what collects garbage, and what is compiled, is not what is asked about. */
async function least(runs: number, run: () => Promise<number>): Promise<number> {
  let best = Number.POSITIVE_INFINITY
  for (let i = 0; i < runs; i++) best = Math.min(best, await run())
  return best
}

type Act = (pool: MirroredPool, member: HealthMember, index: number) => Promise<void>
const fail: Act = (pool, member) => pool.report(member, verdict(false))
const flap: Act = async (pool, member) => {
  void pool.report(member, verdict(false)).catch(ignore)
  await pool.report(member, verdict(true))
}

async function turn(count: number, options: Record<string, unknown>, act: Act): Promise<number> {
  const world = await ground()
  const pool = await world.open({ protocols: ['tcp'], servers: many(count), ...options })
  const members = [...pool.members()].slice(1)
  const ms = await spent(() =>
    Promise.allSettled(members.map((member, index) => act(pool, member, index))),
  )
  await pool.close()
  return ms
}

describe('verdicts of one turn', () => {
  // What is compiled first is not what is asked about.
  beforeAll(async () => {
    await turn(1000, {}, flap)
    await turn(300, { quorum: { up: 10 }, backup: ['10.1.0.9'] }, flap)
  })

  const good: Act = (pool, member) => pool.report(member, verdict(true))
  const parts: Act = (pool, member, index) =>
    pool.report(member, verdict(true, { weightFactor: (index % 10) / 10 }))
  const call: Act = (pool, { key }) => pool.down(key)
  const word: Act = (pool, { key }) => pool.setAdmin(key, 'drain')

  it.each<[string, Record<string, unknown>, Act, Record<string, unknown>?]>([
    ['a quorum in servers', { quorum: { up: 10, down: 5 } }, fail],
    ['a panic that freezes', { panic: { minHealthyPercent: 50, action: 'freeze' } }, fail],
    ['slow start', { slowStart: { durationMs: 60_000 } }, good, { initial: 'down' }],
    ['a limit', { maxChangesPerMinute: 100_000 }, flap],
    ['backups', { backup: ['10.1.0.9', '10.1.0.8'] }, fail],
    ['parts of weights', { quorum: { up: 10, unit: 'weight' } }, parts],
    ['calls in place of verdicts', { quorum: { up: 10 } }, call],
    ['the administrator’s word', { quorum: { up: 10 } }, word],
  ])('cost about what they cost without rules (%s)', async (_, rules, act, more = {}) => {
    const count = 2000
    const simple = await least(2, () => turn(count, more, act))
    const judged = await least(2, () => turn(count, { ...more, ...rules }, act))
    // Judging each anew costs more than ten times as much.
    expect(judged / simple).toBeLessThan(5)
  })
})

describe('without a route', () => {
  const members = many(8000).map((address, index) => ({ key: `${index}`, address, port: 53 }))

  /** Processor time of a result, where those that are lost have this error. */
  async function perResult(code: string, lost: (index: number) => boolean): Promise<number> {
    const error = Object.assign(new Error(`connect ${code}`), { code, syscall: 'connect' })
    const target = { members: () => members, report() {}, onMembers: () => () => {} }
    const checker = new HealthChecker(target, {
      check: async ({ key }) => {
        if (lost(Number(key))) throw error
      },
      intervalMs: 500,
      timeoutMs: 450,
      retryDelayMs: 500,
      fall: 100,
      rise: 1,
    })
    checker.on('warning', ignore)
    let results = 0
    checker.on('result', () => results++)
    const ms = await spent(async () => {
      checker.start()
      await vi.waitUntil(() => results >= 2 * members.length, { timeout: 30_000, interval: 5 })
    })
    await checker.stop()
    return ms / results
  }

  it.each<[string, (index: number) => boolean]>([
    ['nobody is ever reached', () => true],
    ['the last ones are reached', (index) => index < 0.9 * members.length],
  ])('a result costs no more than where servers refuse (%s)', async (_, lost) => {
    const refused = await perResult('ECONNREFUSED', lost)
    const unreachable = await perResult('ENETUNREACH', lost)
    expect(unreachable / refused).toBeLessThan(1.6)
  })
})
