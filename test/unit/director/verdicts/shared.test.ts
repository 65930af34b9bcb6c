import { expect, onTestFinished, test } from 'vitest'
import { SharedVerdicts } from '../../../../src/director/verdicts/shared.js'
import type { Verdict } from '../../../../src/health/types.js'
import { MemoryEtcd } from './memory-etcd.js'

const verdict = (healthy: boolean): Verdict => ({
  healthy,
  initial: false,
  reason: healthy ? 'connected' : 'refused',
  at: 0,
})

/** A director with its words, and what counts for it. */
function director(etcd: MemoryEtcd, name: string, down = 2, ttlMs = 2000) {
  const own = new Map<string, Verdict>()
  const counts = new Map<string, Verdict>()
  const troubles: (string | undefined)[] = []
  const warnings: string[] = []
  const shared = new SharedVerdicts({
    client: etcd.client(name) as never,
    config: { prefix: 'v/', down, ttlMs },
    name,
    again: (pool, server) => {
      const key = `${pool}/${server}`
      counts.set(key, shared.hear(pool, server, own.get(key)!))
    },
    trouble: (text) => troubles.push(text),
    warn: (text) => warnings.push(text),
  })
  onTestFinished(() => shared.close())
  const say = (server: string, healthy: boolean) => {
    own.set(`dns/${server}`, verdict(healthy))
    counts.set(`dns/${server}`, shared.hear('dns', server, verdict(healthy)))
  }
  return {
    shared,
    say,
    is: (server: string) => counts.get(`dns/${server}`)?.healthy,
    reason: (server: string) => counts.get(`dns/${server}`)?.reason,
    troubles,
    warnings,
  }
}

const three = (etcd: MemoryEtcd) => ['a', 'b', 'c'].map((name) => director(etcd, name))
const started = () => {
  const etcd = new MemoryEtcd()
  onTestFinished(() => etcd.close())
  return etcd
}

test('a server that one of three calls down stays; the second word takes it out, everywhere', async () => {
  const etcd = started()
  const all = three(etcd)
  for (const one of all) for (const server of ['s1', 's2']) one.say(server, true)
  await expect.poll(() => etcd.keys.size).toBe(6)
  all[0]!.say('s1', false)
  await expect.poll(() => all.map((one) => one.is('s1'))).toEqual([true, true, true])
  expect(all[0]!.reason('s1')).toBe('1 of 3 directors say down (a); here: refused')
  all[1]!.say('s1', false)
  await expect.poll(() => all.map((one) => one.is('s1'))).toEqual([false, false, false])
  expect(all[2]!.reason('s1')).toMatch(
    /^2 of 3 directors say down \((a, b|b, a)\); here: connected$/,
  )
  all[1]!.say('s1', true)
  await expect.poll(() => all.map((one) => one.is('s1'))).toEqual([true, true, true])
  expect(all.map((one) => one.is('s2'))).toEqual([true, true, true])
})

test('a director that sees nobody believes the others, and its words do not count', async () => {
  const etcd = started()
  const all = three(etcd)
  for (const one of all) for (const server of ['s1', 's2', 's3']) one.say(server, true)
  await expect.poll(() => etcd.keys.size).toBe(9)
  for (const server of ['s1', 's2', 's3']) all[0]!.say(server, false)
  await expect.poll(() => ['s1', 's2', 's3'].map(all[0]!.is)).toEqual([true, true, true])
  expect(all[0]!.warnings).toEqual([
    'all checks fail here, and others see servers: the others are believed',
  ])
  // One more is enough to say: the blind one has no vote.
  all[1]!.say('s1', false)
  await expect.poll(() => all.map((one) => one.is('s1'))).toEqual([true, true, true])
  all[2]!.say('s1', false)
  await expect.poll(() => all.map((one) => one.is('s1'))).toEqual([false, false, false])
})

test('without etcd every director believes itself and says so, and listens again when it is back', async () => {
  const etcd = started()
  const all = three(etcd)
  for (const one of all) for (const server of ['s1', 's2']) one.say(server, true)
  all[0]!.say('s1', false)
  await expect.poll(() => [etcd.keys.size, all[0]!.is('s1')]).toEqual([6, true])
  etcd.stop()
  await expect.poll(() => all[0]!.is('s1'), { timeout: 10_000 }).toBe(false)
  expect(all[0]!.troubles).toEqual([
    expect.stringMatching(
      /^what other directors say of servers is not known, this one believes its own checks: etcd is away/,
    ),
  ])
  expect(all[1]!.is('s1')).toBe(true)
  etcd.start()
  await expect.poll(() => all[0]!.is('s1'), { timeout: 10_000 }).toBe(true)
  await expect.poll(() => all[0]!.troubles.at(-1)).toBe(undefined)
})

test('one that is cut off loses its vote with its lease, and gets it back', async () => {
  const etcd = started()
  const all = three(etcd)
  for (const one of all) for (const server of ['s1', 's2']) one.say(server, true)
  for (const one of all.slice(0, 2)) one.say('s1', false)
  await expect.poll(() => all[2]!.is('s1')).toBe(false)
  etcd.cutOff(['a'])
  // Of the two that are left one says down: two would have to.
  await expect.poll(() => all[2]!.is('s1'), { timeout: 10_000 }).toBe(true)
  etcd.heal()
  await expect.poll(() => all[2]!.is('s1'), { timeout: 10_000 }).toBe(false)
})

test('a compaction while it is cut off is no obstacle', async () => {
  const etcd = started()
  const all = three(etcd)
  for (const one of all) for (const server of ['s1', 's2']) one.say(server, true)
  await expect.poll(() => etcd.keys.size).toBe(6)
  etcd.cutOff(['c'])
  for (const one of all.slice(0, 2)) one.say('s1', false)
  await expect
    .poll(() => [...etcd.keys.values()].filter(({ value }) => value === 'down').length)
    .toBe(2)
  etcd.compact()
  etcd.heal()
  await expect.poll(() => all[2]!.is('s1'), { timeout: 10_000 }).toBe(false)
})

test('many verdicts are few writes', async () => {
  const etcd = started()
  const one = director(etcd, 'a')
  const servers = Array.from({ length: 1000 }, (_, index) => `s${index}`)
  for (const server of servers) one.say(server, true)
  await expect.poll(() => etcd.keys.size, { timeout: 10_000 }).toBe(1000)
  // A lease, a look, a watch, and ten writes.
  expect(etcd.traffic.requests).toBeLessThanOrEqual(14)
})

test('what is not checked any more is taken away, and all of it at the end', async () => {
  const etcd = started()
  const one = director(etcd, 'a')
  for (const server of ['s1', 's2']) one.say(server, true)
  await expect.poll(() => [...etcd.keys.keys()]).toEqual(['v/dns/s1/a', 'v/dns/s2/a'])
  one.shared.forget('dns', 's1')
  await expect.poll(() => [...etcd.keys.keys()]).toEqual(['v/dns/s2/a'])
  await one.shared.close()
  expect(etcd.keys.size).toBe(0)
})

test('a word that somebody else has written in its name is put right, and told', async () => {
  const etcd = started()
  const one = director(etcd, 'a')
  one.say('s1', true)
  await expect.poll(() => etcd.keys.size).toBe(1)
  etcd.write([{ key: 'v/dns/s1/a', value: 'down' }])
  await expect
    .poll(() => one.warnings, { timeout: 10_000 })
    .toEqual(['somebody else says of servers what a does: give each director a "name" of its own'])
  await expect.poll(() => etcd.keys.get('v/dns/s1/a')?.value).toBe('up')
})

test('what is no word says nothing', async () => {
  const etcd = started()
  const one = director(etcd, 'a', 1)
  one.say('s1', true)
  await expect.poll(() => etcd.keys.size).toBe(1)
  etcd.write([
    { key: 'v/dns/s1/b', value: 'DOWN' },
    { key: 'v/dns/s1', value: 'down' },
    { key: 'v/dns/s1/b/c', value: 'down' },
    { key: 'v/dns/s1/x', value: 'up' },
  ])
  etcd.write([
    { key: 'v/dns/s1/y', value: 'down' },
    { key: 'v/dns/s2/y', value: 'up' },
  ])
  await expect.poll(() => one.is('s1')).toBe(false)
  expect(one.reason('s1')).toBe('1 of 3 directors say down (y); here: connected')
})
