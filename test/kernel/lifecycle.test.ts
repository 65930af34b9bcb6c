import { beforeEach, expect, test } from 'vitest'
import { kernelSuite } from '../../lab/guest/suite.js'
import type { Ipvs } from '../../src/client.js'
import type { IpvsError } from '../../src/errors.js'
import type { ApplyResult, Change, Destination, Service } from '../../src/types.js'
import { program, programValue } from './programs.js'
import { ipvs, ns, setUp } from './setup.js'

const id = { protocol: 'udp', address: '192.0.2.1', port: 53 } as const
const service: Service = { ...id, scheduler: 'wrr' }

function server(n: number, weight = 1): Destination {
  const address = `10.1.${Math.floor(n / 255)}.${(n % 255) + 1}`
  return { address, port: 53, forwarding: 'masquerade', weight }
}

/** Changes of a few destinations, over and over: long to send, small to read. */
function ensure(count: number, from = 0): Change[] {
  return Array.from({ length: count }, (_, n) => ({
    op: 'ensure-destination',
    service: id,
    destination: server(from + (n % 500), n),
  }))
}

/** How many changes ended in which way, in the order of the first of each. */
function runs(result: ApplyResult): [status: string, count: number][] {
  const counts: [string, number][] = []
  for (const { status } of result.outcomes) {
    const last = counts.at(-1)
    if (last?.[0] === status) last[1]++
    else counts.push([status, 1])
  }
  return counts
}

function codeOf(error: unknown): string | undefined {
  return (error as IpvsError).code
}

kernelSuite('lifecycle', () => {
  setUp()
  beforeEach(() => ipvs.addService(service))

  /** A client that gave something up must go on with right results. */
  async function expectWorking(): Promise<void> {
    const result = await ipvs.apply([
      { op: 'ensure-no-service', service: id },
      { op: 'add-service', service },
      { op: 'add-destination', service, destination: server(1, 17) },
      { op: 'add-destination', service, destination: server(1, 18) },
    ])
    expect(result.outcomes.map(({ status }) => status)).toEqual([
      'applied',
      'applied',
      'applied',
      'failed',
    ])
    expect(codeOf(result.errors[0]!.error)).toBe('ERR_IPVS_EXISTS')
    expect(
      ipvs.applySync([{ op: 'remove-destination', service, destination: server(2) }]),
    ).toMatchObject({
      errors: [{ index: 0, error: { code: 'ERR_IPVS_NO_DESTINATION' } }],
    })
    expect((await ipvs.destinations(id)).map(({ weight }) => weight)).toEqual([17])
    expect(ns.rules()).toEqual([
      '-A -u 192.0.2.1:53 -s wrr',
      '-a -u 192.0.2.1:53 -r 10.1.0.2:53 -m -w 17',
    ])
  }

  test.each(['bulk', undefined] as const)(
    'an aborted signal withdraws what is not sent of a call (priority: %s)',
    async (priority) => {
      const controller = new AbortController()
      const options = { signal: controller.signal, ...(priority && { priority }) }
      const call = ipvs.apply(ensure(20_000), options)
      const next = ipvs.addDestination(id, server(600, 5))
      await using watcher = await ns.open()
      // The other call overtakes a bulk one.
      const there = priority === 'bulk' ? 501 : 500
      while ((await watcher.destinations(id)).length < there);
      controller.abort()
      const result = await call
      const [sent, withdrawn, ...more] = runs(result)
      expect(more).toEqual([])
      expect(sent).toEqual(['applied', expect.any(Number)])
      expect(withdrawn).toEqual(['not-sent', 20_000 - sent![1]])
      expect(result).toMatchObject({ total: 20_000, applied: sent![1], failed: withdrawn![1] })
      const { error } = result.errors[0]!
      expect(codeOf(error)).toBe('ERR_IPVS_NOT_SENT')
      expect(error.message).toContain('signal')
      await next
      const weights = (await ipvs.destinations(id)).map(({ weight }) => weight)
      // The last 500 that were applied, and the other call's.
      expect(weights.sort((a, b) => a - b)).toEqual([
        5,
        ...Array.from({ length: 500 }, (_, n) => sent![1] - 500 + n),
      ])
      await expectWorking()
    },
  )

  test('a signal that is aborted later does nothing to a call that is done', async () => {
    const controller = new AbortController()
    const result = await ipvs.apply(ensure(10), { signal: controller.signal })
    controller.abort()
    expect(runs(result)).toEqual([['applied', 10]])
    await expectWorking()
  })

  test.each(['bulk', undefined] as const)(
    'after the deadline the rest is unknown or not sent, and the client goes on with right results (priority: %s)',
    async (priority) => {
      const options = { deadlineMs: 1, ...(priority && { priority }) }
      const result = await ipvs.apply(ensure(20_000), options)
      const counts = runs(result)
      const statuses = counts.map(([status]) => status)
      expect([
        'applied unknown not-sent',
        'unknown not-sent',
        'applied not-sent',
        'not-sent',
      ]).toContain(statuses.join(' '))
      const { 'not-sent': notSent = 0, unknown = 0 } = Object.fromEntries(counts)
      expect(notSent).toBeGreaterThan(15_000)
      expect(unknown).toBeLessThanOrEqual(1024)
      expect(result.failed).toBe(notSent + unknown)
      expect(result.errors.at(-1)!.error.message).toContain('deadline')
      await expectWorking()
    },
  )

  test('reads have deadlines too, and a late answer is not taken for another', async () => {
    await ipvs.apply(ensure(500))
    const busy = ipvs.apply(ensure(20_000))
    const error = await ipvs.destinations(id, { deadlineMs: 1 }).catch((reason) => reason)
    expect(error).toMatchObject({ code: 'ERR_IPVS_TIMEOUT', command: 'GET_DEST' })
    expect((await busy).failed).toBe(0)
    await expectWorking()
  })

  test('close() sends what was accepted, settles it, and later calls are ERR_IPVS_CLOSED', async () => {
    const client = await ns.open()
    const calls = [
      client.apply(ensure(20_000), { priority: 'bulk' }),
      client.apply(ensure(3000, 1000)),
      client.apply([{ op: 'add-destination', service, destination: server(700, 3) }]),
    ]
    const read = client.destinations(id)
    const closed = client.close()
    const order: string[] = []
    void closed.then(() => order.push('closed'))
    void Promise.all([...calls, read]).then(() => order.push('settled'))
    void closed.then(() => setImmediate(() => order.push('next turn')))
    const rejected = [
      client.apply([{ op: 'add-service', service }]),
      client.addService(service),
      client.services(),
      client.service(id),
      client.destinations(id),
      client.snapshot(),
      client.sysctls(),
    ]
    for (const result of await Promise.allSettled(rejected)) {
      expect(result.status === 'rejected' && codeOf(result.reason)).toBe('ERR_IPVS_CLOSED')
    }
    expect(() => client.applySync([])).toThrow(expect.objectContaining({ code: 'ERR_IPVS_CLOSED' }))
    for (const result of await Promise.all(calls)) expect(result.failed).toBe(0)
    expect((await read).length).toBeGreaterThan(0)
    await closed
    await client.close()
    await new Promise((resolve) => setImmediate(resolve))
    expect(order.slice(0, 2).sort()).toEqual(['closed', 'settled'])
    expect(ns.rules().filter((line) => line.includes('10.1.2.191'))).toEqual([
      '-a -u 192.0.2.1:53 -r 10.1.2.191:53 -m -w 3',
    ])
    expect(ns.rules().length).toBe(1002)
  })

  test('close() waits no longer than the deadlines of what is queued', async () => {
    const other = await ns.open()
    const calls = [1, 2, 3].map(() => other.apply(ensure(20_000), { deadlineMs: 5 }))
    await other.close()
    const results = await Promise.all(calls)
    for (const { applied, failed } of results) expect(applied + failed).toBe(20_000)
    // The last one gave up nearly everything.
    expect(results.at(-1)!.failed).toBeGreaterThan(10_000)
    await expectWorking()
  })

  test('a client that is used after "await using" ends is closed', async () => {
    let kept: Ipvs
    {
      await using inner = await ns.open()
      kept = inner
      expect(await inner.service(id)).toBeDefined()
    }
    await expect(kept.services()).rejects.toMatchObject({ code: 'ERR_IPVS_CLOSED' })
  })

  test('a process with an idle client ends by itself, after its calls have settled', () => {
    const { status, signal, stdout } = program('idle.mjs', [ns.name])
    expect({ status, signal, stdout }).toEqual({
      status: 0,
      signal: null,
      stdout: 'applied 1\nexit\n',
    })
  })

  test('worker threads that are ended at any moment leave the process alive, and nothing behind', (context) => {
    const seed = Math.floor(Math.random() * 2 ** 31)
    context.annotate(`seed ${seed}`)
    const { first, last } = programValue<
      Record<'first' | 'last', { threads: number; descriptors: number }>
    >('terminate.mjs', [ns.name, '36', String(seed)])
    expect(last.threads).toBeLessThanOrEqual(first.threads)
    expect(last.descriptors).toBeLessThanOrEqual(first.descriptors)
  })
})
