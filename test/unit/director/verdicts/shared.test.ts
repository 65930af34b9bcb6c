import { expect, onTestFinished, test, vi } from 'vitest'
import { PoolTarget } from '../../../../src/director/pool-target.js'
import type { Word } from '../../../../src/director/verdicts/judge.js'
import { SharedVerdicts } from '../../../../src/director/verdicts/shared.js'
import { EtcdError } from '../../../../src/etcd/index.js'
import type { Verdict } from '../../../../src/health/types.js'
import { MemoryEtcd } from './memory-etcd.js'

const verdict = (healthy: boolean): Verdict => ({
  healthy,
  initial: false,
  reason: healthy ? 'connected' : 'refused',
  at: 0,
})

/**
 * A director with its words, and what counts for it.
 *
 * @param change what its client of etcd does otherwise
 */
function director(
  etcd: MemoryEtcd,
  name: string,
  down = 2,
  ttlMs = 2000,
  change: Partial<ReturnType<MemoryEtcd['client']>> = {},
) {
  const own = new Map<string, Verdict>()
  const counts = new Map<string, Verdict>()
  const troubles: (string | undefined)[] = []
  const warnings: string[] = []
  /** What has counted when others were heard. */
  const turns: boolean[] = []
  const shared = new SharedVerdicts({
    client: { ...etcd.client(name), ...change } as never,
    config: { prefix: 'v/', down, ttlMs },
    name,
    again: (pool, server) => {
      const key = `${pool}/${server}`
      const counted = shared.hear(pool, server, own.get(key)!)
      counts.set(key, counted)
      turns.push(counted.healthy)
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
    turns,
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
  const one = director(etcd, 'a', 2, 60_000)
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

/** Of s1; they see s2, and so are not blind. */
const othersSay = (word: Word, ...names: string[]) =>
  names.flatMap((name) => [
    { key: `v/dns/s1/${name}`, value: word },
    { key: `v/dns/s2/${name}`, value: 'up' },
  ])

/** Looks are driven by hand. */
function looking(ttlMs = 2000) {
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] })
  onTestFinished(() => void vi.useRealTimers())
  return () => void vi.advanceTimersByTime(ttlMs / 5)
}

test('a word that somebody else has written in its name is put right at the second look, and told', async () => {
  const look = looking()
  const etcd = started()
  const one = director(etcd, 'a', 1)
  one.say('s1', true)
  await expect.poll(() => etcd.keys.size).toBe(1)
  etcd.write([{ key: 'v/dns/s1/a', value: 'down' }, ...othersSay('down', 'b')])
  await expect.poll(() => one.is('s1')).toBe(false)
  look()
  expect(one.warnings).toEqual([])
  look()
  expect(one.warnings).toEqual([
    'somebody else says of servers what a does: give each director a "name" of its own',
  ])
  await expect.poll(() => etcd.keys.get('v/dns/s1/a')?.value).toBe('up')
})

test("a word that is being written, or has just changed, is nobody else's", async () => {
  const look = looking()
  const etcd = started()
  const { commit } = etcd.client('a')
  let waits = 0
  let goOn = () => {}
  const one = director(etcd, 'a', 1, 2000, {
    commit: async (...args) => {
      if (waits++ > 0) await new Promise<void>((resolve) => (goOn = resolve))
      await commit(...args)
    },
  })
  one.say('s1', true)
  await expect.poll(() => etcd.keys.size).toBe(1)
  etcd.write(othersSay('down', 'b'))
  await expect.poll(() => one.is('s1')).toBe(false)
  one.say('s1', false)
  await expect.poll(() => waits).toBe(2)
  for (let n = 0; n < 3; n++) look()
  goOn()
  await expect.poll(() => etcd.keys.get('v/dns/s1/a')?.value).toBe('down')
  expect(one.warnings).toEqual([])
})

test('a watch that tells nothing of a change is no reason to say so', async () => {
  const look = looking()
  const etcd = started()
  etcd.write([{ key: 'v/dns/s1/a', value: 'up' }, ...othersSay('down', 'b')])
  const { commit } = etcd.client('a')
  let writes = 0
  const one = director(etcd, 'a', 1, 2000, {
    commit: async (...args) => {
      await commit(...args)
      writes++
    },
    async *watch(_, { signal }) {
      await new Promise((resolve) => signal?.addEventListener('abort', resolve))
    },
  })
  one.say('s1', true)
  await expect.poll(() => one.is('s1')).toBe(false)
  await expect.poll(() => writes).toBe(1)
  one.say('s1', false)
  await expect.poll(() => writes).toBe(2)
  // Of what was written the publisher hears in the same turn, or the next.
  await new Promise((resolve) => setImmediate(resolve))
  for (let n = 0; n < 3; n++) look()
  expect(one.warnings).toEqual([])
})

test('what its checks say is published, whoever is blind before and after', async () => {
  const etcd = started()
  const servers = ['s1', 's2', 's3']
  etcd.write(servers.map((server) => ({ key: `v/dns/${server}/b`, value: 'up' })))
  const told = new Map<string, boolean>()
  const pool = {
    members: () => servers.map((key) => ({ key })),
    report: async ({ key }: { key: string }, { healthy }: Verdict) => void told.set(key, healthy),
  }
  const warnings: string[] = []
  const shared: SharedVerdicts = new SharedVerdicts({
    client: etcd.client('a') as never,
    config: { prefix: 'v/', down: 1, ttlMs: 60_000 },
    name: 'a',
    again: (_, server) => target.again(server),
    trouble: () => {},
    warn: (text) => warnings.push(text),
  })
  onTestFinished(() => shared.close())
  const target = new PoolTarget(
    () => pool as never,
    () => true,
    {
      judge: (server, one) => shared.hear('dns', server, one),
      forget: () => {},
      reported: () => {},
    },
  )
  const say = (healthy: boolean) =>
    Promise.all(servers.map((key) => target.report({ key } as never, verdict(healthy))))
  const published = () => servers.map((server) => etcd.keys.get(`v/dns/${server}/a`)?.value)
  await say(false)
  await expect.poll(published).toEqual(['down', 'down', 'down'])
  await expect.poll(() => warnings).toHaveLength(1)
  for (const healthy of [true, false, true]) {
    await say(healthy)
    await expect.poll(published).toEqual(Array(3).fill(healthy ? 'up' : 'down'))
    expect([...told.values()]).toEqual([true, true, true])
  }
})

test('who may read but not write goes on believing the others, and says that it is not heard', async () => {
  const etcd = started()
  etcd.write(othersSay('up', 'b', 'c'))
  const refused = async () => {
    throw new EtcdError('ERR_ETCD_REFUSED', 'mvcc: database space exceeded')
  }
  const one = director(etcd, 'a', 2, 300, { commit: refused })
  one.say('s1', false)
  await expect.poll(() => one.is('s1')).toBe(true)
  await expect
    .poll(() => one.troubles)
    .toEqual([
      'what this director says of servers does not reach the others: mvcc: database space exceeded',
    ])
  expect(one.turns).not.toContain(false)
})

test('who may write but not read says so', async () => {
  const one = director(started(), 'a', 2, 300, {
    range: async () => {
      throw new EtcdError('ERR_ETCD_PERMISSION', 'permission denied')
    },
  })
  await expect
    .poll(() => one.troubles)
    .toEqual([
      'what other directors say of servers is not known, this one believes its own checks: permission denied',
    ])
})

test.each(['fails', 'is silent'])(
  'who could read and cannot any more believes itself after ttl, though writing goes on: the watch %s',
  async (how) => {
    const etcd = started()
    etcd.write(othersSay('down', 'b', 'c'))
    const { range } = etcd.client('a')
    let isReadable = true
    let breakOff = () => {}
    const one = director(etcd, 'a', 2, 300, {
      range: async (...args) => {
        if (isReadable) return range(...args)
        throw new EtcdError('ERR_ETCD_UNAVAILABLE', 'no answer')
      },
      async *watch(_, { signal }) {
        await new Promise<void>((resolve) => {
          breakOff = resolve
          signal?.addEventListener('abort', () => resolve())
        })
        if (!signal?.aborted) throw new EtcdError('ERR_ETCD_BROKEN', 'the connection was closed')
      },
    })
    one.say('s1', true)
    await expect.poll(() => one.is('s1')).toBe(false)
    isReadable = false
    if (how === 'fails') breakOff()
    await expect.poll(() => one.is('s1')).toBe(true)
    expect(one.troubles).toEqual([expect.stringMatching(/believes its own checks: (no|the conn)/)])
    isReadable = true
    await expect.poll(() => one.is('s1'), { timeout: 10_000 }).toBe(false)
    expect(one.troubles.at(-1)).toBe(undefined)
  },
)

test('calls that do not end are silence too', async () => {
  const etcd = started()
  etcd.write(othersSay('down', 'b'))
  const { range, keepAlive } = etcd.client('a')
  let hangs = false
  const unlessHanging =
    <A extends [string, { readonly signal?: AbortSignal | undefined }?], T>(
      call: (...args: A) => Promise<T>,
    ) =>
    (...args: A) =>
      hangs
        ? new Promise<never>((_, reject) => {
            args[1]?.signal?.addEventListener('abort', () => reject(new Error('it was ended')))
          })
        : call(...args)
  const one = director(etcd, 'a', 1, 300, {
    range: unlessHanging(range),
    keepAlive: unlessHanging(keepAlive),
    async *watch(_, { signal }) {
      await new Promise((resolve) => signal?.addEventListener('abort', resolve))
    },
  })
  one.say('s1', true)
  await expect.poll(() => one.is('s1')).toBe(false)
  hangs = true
  await expect.poll(() => one.troubles).toEqual([expect.stringMatching(/believes its own checks/)])
  await expect.poll(() => one.is('s1')).toBe(true)
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
