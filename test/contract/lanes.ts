import { beforeEach, describe, expect, test } from 'vitest'
import type { ApplyResult, Change } from '../../src/types.js'
import { codeOf, fixture, SERVICE, server, TCP, UDP } from './fixture.js'
import type { Subject } from './subject.js'

function bulk(count: number): Change[] {
  return Array.from({ length: count }, (_, n) => ({
    op: 'ensure-destination',
    service: UDP,
    destination: server(n % 500, n),
  }))
}

function abortedSoon(): AbortSignal {
  const controller = new AbortController()
  setImmediate(() => controller.abort())
  return controller.signal
}

export function lanesContract(openKernel: () => Promise<Subject>): void {
  describe('order and lanes', () => {
    const shared = fixture(openKernel)

    beforeEach(async () => {
      await shared.ipvs.addService(SERVICE)
      await shared.ipvs.addService({ ...TCP, scheduler: 'wrr' })
    })

    const weightOf = async (n: number, service: typeof UDP | typeof TCP = UDP) => {
      const { address } = server(n)
      return (await shared.ipvs.destinations(service)).find((row) => row.address === address)
        ?.weight
    }
    const applyBulk = (changes: Change[]) => shared.ipvs.apply(changes, { priority: 'bulk' })

    test('calls are made in the order in which they came', async () => {
      const { ipvs } = shared
      const settled: number[] = []
      const calls = [
        ipvs.addDestination(UDP, server(0)),
        ipvs.replaceDestination(UDP, server(0, 7)),
        ipvs.removeDestination(UDP, server(0)),
        ipvs.addDestination(UDP, server(0, 9)),
        ipvs.addDestination(UDP, server(0, 10)),
        ipvs.removeService(UDP),
        ipvs.replaceDestination(UDP, server(0)),
        ipvs.addService(SERVICE),
        ipvs.addDestination(UDP, server(1, 3)),
      ].map((call, n) => codeOf(call).finally(() => settled.push(n)))
      expect(await Promise.all(calls)).toEqual([
        ...['ok', 'ok', 'ok', 'ok', 'ERR_IPVS_EXISTS', 'ok', 'ERR_IPVS_NO_SERVICE', 'ok', 'ok'],
      ])
      expect(await ipvs.destinations(UDP)).toMatchObject([server(1, 3)])
      // A failed call takes a moment longer: its error has to be made.
      const ok = settled.filter((n) => n !== 4 && n !== 6)
      expect(ok).toEqual([...ok].sort((a, b) => a - b))
    })

    test('of many writes to one destination the last one stands', async () => {
      const { ipvs } = shared
      await ipvs.addDestination(UDP, server(0))
      await Promise.all(
        Array.from({ length: 300 }, (_, n) => ipvs.replaceDestination(UDP, server(0, n + 1))),
      )
      expect(await weightOf(0)).toBe(300)
    })

    test('a read sees what was written before it, and settles after it', async () => {
      const { ipvs } = shared
      const settled: string[] = []
      const note = <T>(name: string, call: Promise<T>) => call.finally(() => settled.push(name))
      const write = note('write', ipvs.addDestination(UDP, server(0, 5)))
      const first = note('first', ipvs.destinations(UDP))
      const change = note('change', ipvs.replaceDestination(UDP, server(0, 6)))
      const second = note('second', ipvs.destinations(UDP))
      const remove = note('remove', ipvs.removeService(UDP))
      const gone = note('gone', ipvs.service(UDP))
      const snapshot = note('snapshot', ipvs.snapshot())
      await Promise.all([write, change, remove])
      // Writes overtake nothing but a read under way, which may see them.
      expect([5, 6]).toContain((await first)[0]!.weight)
      expect((await second)[0]!.weight).toBe(6)
      expect(await gone).toBeUndefined()
      expect((await snapshot).services.map((tree) => tree.protocol)).toEqual(['tcp'])
      expect(settled.indexOf('write')).toBeLessThan(settled.indexOf('first'))
      expect(settled.indexOf('change')).toBeLessThan(settled.indexOf('second'))
      expect(settled.indexOf('remove')).toBeLessThan(settled.indexOf('gone'))
    })

    test('one call that fails does not touch the calls that went out with it', async () => {
      const { ipvs } = shared
      const calls = Array.from({ length: 90 }, (_, n) =>
        n % 3 === 0
          ? ipvs.removeDestination(UDP, server(900 + n))
          : ipvs.addDestination(UDP, server(n)),
      )
      const results = await Promise.allSettled(calls)
      expect(results.map(({ status }) => status === 'fulfilled')).toEqual(
        Array.from({ length: 90 }, (_, n) => n % 3 !== 0),
      )
      expect((await ipvs.destinations(UDP)).length).toBe(60)
    })

    test('a long list has its place from the call on, and is all or nothing if one change is bad', async () => {
      const { ipvs } = shared
      await ipvs.addDestination(UDP, server(0))
      const list = (weight: number): Change[] =>
        Array.from({ length: 3000 }, () => ({
          op: 'replace-destination',
          service: UDP,
          destination: server(0, weight),
        }))
      const before = ipvs.apply(list(3))
      const after = ipvs.replaceDestination(UDP, server(0, 4))
      const read = ipvs.destinations(UDP)
      expect((await before).failed).toBe(0)
      await after
      expect((await read)[0]!.weight).toBe(4)

      const bad = { op: 'remove-service', service: { ...UDP, port: -1 } } as Change
      const refused = codeOf(ipvs.apply([...list(5), bad]))
      const next = ipvs.addService({ ...UDP, port: 99, scheduler: 'rr' })
      expect(await refused).toBe('ERR_IPVS_ARGUMENT')
      await next
      expect(await weightOf(0)).toBe(4)
      await expect(ipvs.apply([...list(6), bad])).rejects.toThrow(/changes\[3000\]\.service\.port/)
    })

    test('a long list that is aborted or out of time before it is encoded leaves the way free', async () => {
      const { ipvs } = shared
      const aborted = ipvs.apply(bulk(20_000), { signal: abortedSoon() })
      const late = ipvs.apply(bulk(20_000), { deadlineMs: 1 })
      const next = ipvs.addService({ ...UDP, port: 99, scheduler: 'rr' })
      for (const result of [await aborted, await late]) {
        expect(result.total).toBe(20_000)
        expect(result.applied + result.failed).toBe(20_000)
        const kinds = new Set(result.outcomes.map(({ status }) => status))
        for (const kind of kinds) expect(['applied', 'not-sent', 'unknown']).toContain(kind)
      }
      await next
      expect(await ipvs.service({ ...UDP, port: 99 })).toBeDefined()
    })

    test('a flip made during a bulk call settles first', async () => {
      const settled: string[] = []
      const all = applyBulk(bulk(8000)).finally(() => settled.push('bulk'))
      const flip = await shared.ipvs
        .apply(
          [UDP, TCP].map((service) => ({
            op: 'add-destination' as const,
            service,
            destination: server(2000, 4),
          })),
        )
        .finally(() => settled.push('flip'))
      expect(flip.failed).toBe(0)
      expect((await all).failed).toBe(0)
      expect(settled).toEqual(['flip', 'bulk'])
      expect([await weightOf(2000), await weightOf(2000, TCP)]).toEqual([4, 4])
      expect(await weightOf(499)).toBe(7999)
    })

    test('without the bulk lane it waits its turn', async () => {
      const settled: string[] = []
      const all = shared.ipvs.apply(bulk(3000)).finally(() => settled.push('first'))
      const flip = shared.ipvs.addDestination(TCP, server(1)).finally(() => settled.push('second'))
      await Promise.all([all, flip])
      expect(settled).toEqual(['first', 'second'])
    })

    test('a bulk change of what a later call has written is superseded', async () => {
      const { ipvs } = shared
      const all = applyBulk([
        ...bulk(8000),
        { op: 'ensure-destination', service: UDP, destination: server(3000, 1) },
        { op: 'ensure-destination', service: UDP, destination: server(3001, 1) },
        { op: 'replace-service', service: { ...SERVICE, scheduler: 'rr' } },
        { op: 'add-destination', service: TCP, destination: server(3000, 1) },
        { op: 'replace-service', service: { ...TCP, scheduler: 'rr' } },
      ])
      await Promise.all([
        ipvs.addDestination(UDP, server(3000, 70)),
        ipvs.replaceService({ ...SERVICE, scheduler: 'lc' }),
        ipvs.removeService(TCP),
      ])
      const result = await all
      expect(result).toMatchObject({ total: 8005, applied: 8001, failed: 4 })
      expect(result.outcomes.slice(8000).map(({ status }) => status)).toEqual([
        ...['superseded', 'applied', 'superseded', 'superseded', 'superseded'],
      ])
      expect(new Set(result.errors.map(({ error }) => (error as { code?: string }).code))).toEqual(
        new Set(['ERR_IPVS_SUPERSEDED']),
      )
      expect([await weightOf(3000), await weightOf(3001)]).toEqual([70, 1])
      expect((await ipvs.service(UDP))!.scheduler).toBe('lc')
      expect(await ipvs.service(TCP)).toBeUndefined()
    })

    test('a later call that wrote nothing supersedes nothing', async () => {
      const far = { ...UDP, port: 99 }
      const late = applyBulk([
        ...bulk(3000),
        { op: 'add-service', service: { ...far, scheduler: 'rr' } },
      ])
      expect(await codeOf(shared.ipvs.replaceService({ ...far, scheduler: 'wrr' }))).toBe(
        'ERR_IPVS_NO_SERVICE',
      )
      expect((await late).failed).toBe(0)
      expect((await shared.ipvs.service(far))?.scheduler).toBe('rr')
    })

    test('a queued removal of a service leaves what was written below it later', async () => {
      const late = applyBulk([...bulk(3000), { op: 'remove-service', service: TCP }])
      await shared.ipvs.addDestination(TCP, server(1, 5))
      expect((await late).outcomes.at(-1)!.status).toBe('superseded')
      expect(await weightOf(1, TCP)).toBe(5)
    })

    const marks = (count: number): Change[] =>
      Array.from({ length: count }, (_, n) => ({
        op: 'ensure-service',
        service: { fwmark: n + 1, scheduler: 'rr' },
      }))
    const statuses = async (call: Promise<ApplyResult>) => {
      const counts: Record<string, number> = {}
      for (const { status } of (await call).outcomes) counts[status] = (counts[status] ?? 0) + 1
      return counts
    }

    test('flush is the last word over a bulk call under way, and not over a later one', async () => {
      const { ipvs } = shared
      const all = statuses(applyBulk(marks(20_000)))
      while ((await ipvs.service({ fwmark: 1 })) === undefined);
      const flushed = ipvs.flush()
      const later = applyBulk(marks(40).slice(30))
      await flushed
      const { applied, superseded } = await all
      expect(applied! + superseded!).toBe(20_000)
      expect(superseded).toBeGreaterThan(0)
      expect((await later).applied).toBe(10)
      expect((await ipvs.services()).length).toBe(10)
    })

    test('flush is the last word over a long call and a reconcile that were made before it', async () => {
      const { ipvs } = shared
      const long = ipvs.apply(marks(3000))
      const reconciled = ipvs.reconcile([{ fwmark: 9000, scheduler: 'rr', destinations: [] }])
      const bulk = applyBulk(marks(300))
      await ipvs.flush()
      await Promise.all([long, reconciled, bulk])
      expect(await ipvs.services()).toEqual([])
    })

    test('a removal is the last word also where an earlier call has not come so far', async () => {
      const { ipvs } = shared
      const late = { fwmark: 9999 }
      const all = applyBulk([
        ...bulk(8000),
        { op: 'ensure-service', service: { ...late, scheduler: 'rr' } },
        { op: 'add-destination', service: late, destination: server(1) },
        { op: 'ensure-destination', service: UDP, destination: server(3000) },
        { op: 'ensure-destination', service: UDP, destination: server(3001) },
        { op: 'ensure-destination', service: TCP, destination: server(3002) },
      ])
      // Not there yet, and told so: it shall not come either.
      const told = [
        codeOf(ipvs.removeService(late)),
        codeOf(ipvs.removeDestination(UDP, server(3000))),
        codeOf(
          ipvs.apply([{ op: 'ensure-no-destination', service: UDP, destination: server(3001) }]),
        ),
        codeOf(ipvs.removeService(TCP)),
      ]
      expect(await Promise.all(told)).toEqual([
        ...['ERR_IPVS_NO_SERVICE', 'ERR_IPVS_NO_DESTINATION', 'ok', 'ok'],
      ])
      expect((await all).outcomes.slice(8000).map(({ status }) => status)).toEqual(
        Array(5).fill('superseded'),
      )
      expect((await ipvs.services()).map(({ protocol }) => protocol)).toEqual(['udp'])
      expect((await ipvs.destinations(UDP)).length).toBe(500)
    })

    test('an earlier removal does not take away what a later call was told is there', async () => {
      const { ipvs } = shared
      const all = applyBulk([...bulk(8000), { op: 'ensure-no-service', service: TCP }])
      expect(await codeOf(ipvs.addService({ ...TCP, scheduler: 'rr' }))).toBe('ERR_IPVS_EXISTS')
      expect((await all).outcomes.at(-1)!.status).toBe('superseded')
      expect(await ipvs.service(TCP)).toBeDefined()
    })

    test('a later bulk call does not pass an earlier long one and is overwritten by it', async () => {
      const { ipvs } = shared
      await ipvs.addDestination(TCP, server(1, 1))
      const set = (weight: number): Change => {
        return { op: 'replace-destination', service: TCP, destination: server(1, weight) }
      }
      for (const count of [129, 400, 3000]) {
        const first = ipvs.apply([...marks(count), set(10)])
        const second = applyBulk([set(20)])
        expect((await first).failed + (await second).failed).toBe(0)
        expect(await weightOf(1, TCP)).toBe(20)
      }
      const first = applyBulk([...marks(3000), set(30)])
      const second = applyBulk([set(40)])
      expect((await first).failed + (await second).failed).toBe(0)
      expect(await weightOf(1, TCP)).toBe(40)
    })

    test('verbs, short calls and long ones come in the order in which they were made', async () => {
      const { ipvs } = shared
      await ipvs.addDestination(UDP, server(0))
      const set = (weight: number, count: number): Change[] =>
        Array.from({ length: count }, () => {
          return { op: 'replace-destination', service: UDP, destination: server(0, weight) }
        })
      const ways: ((weight: number) => Promise<unknown>)[] = [
        (weight) => ipvs.replaceDestination(UDP, server(0, weight)),
        (weight) => ipvs.replaceDestination(UDP, server(0, weight), { deadlineMs: 3_600_001 }),
        ...[1, 16, 17, 400].map((n) => (weight: number) => ipvs.apply(set(weight, n))),
        (weight) => ipvs.apply(set(weight, 2), { signal: new AbortController().signal }),
        (weight) => applyBulk(set(weight, 2)),
      ]
      let weight = 0
      for (const first of ways) {
        for (const second of ways) {
          // The first of a turn goes out at once: these two wait for its end, or not.
          const calls = [ipvs.replaceDestination(UDP, server(0, ++weight)), first(++weight)]
          calls.push(second(++weight))
          const seen = ipvs.destinations(UDP)
          await Promise.all(calls)
          expect(await weightOf(0)).toBe(weight)
          // Of a bulk call a read need not wait.
          expect((await seen)[0]!.weight).toBeGreaterThan(weight - 3)
        }
      }
    })

    test('bulk calls run one after the other, and none supersedes another', async () => {
      const writes = [1, 2, 3, 4].map((weight) =>
        applyBulk(
          Array.from({ length: 500 }, (_, n) => ({
            op: 'ensure-destination',
            service: UDP,
            destination: server(n, weight),
          })),
        ),
      )
      for (const { failed } of await Promise.all(writes)) expect(failed).toBe(0)
      const weights = (await shared.ipvs.destinations(UDP)).map(({ weight }) => weight)
      expect(weights).toEqual(Array(500).fill(4))
    })

    test('a bulk call made after another call is not superseded by it', async () => {
      const first = applyBulk(bulk(2500))
      const normal = shared.ipvs.addDestination(UDP, server(3000, 1))
      const second = applyBulk([
        { op: 'replace-destination', service: UDP, destination: server(3000, 2) },
      ])
      expect((await first).failed).toBe(0)
      await normal
      expect((await second).failed).toBe(0)
      expect(await weightOf(3000)).toBe(2)
    })

    test('what other calls write while a reconcile reads came later, and is not undone', async () => {
      const { ipvs } = shared
      const others = [
        (n: number) => ipvs.replaceDestination(UDP, server(n, 9)),
        (n: number) =>
          applyBulk([{ op: 'replace-destination', service: UDP, destination: server(n, 9) }]),
      ]
      for (const [n, write] of others.entries()) {
        await ipvs.addDestination(UDP, server(n))
        const destinations = [server(n, 5)]
        const reconciled = ipvs.reconcile([{ ...SERVICE, destinations }])
        await write(n)
        const { outcomes } = await reconciled
        expect(outcomes.map(({ change, status }) => [change.op, status])).toEqual([
          ['replace-destination', 'superseded'],
        ])
        expect(await weightOf(n)).toBe(9)
        await ipvs.removeDestination(UDP, server(n))
      }
    })

    test('a reconcile sees what bulk calls before it write, and has the last word over them', async () => {
      const { ipvs } = shared
      await ipvs.addDestination(UDP, server(0, 5))
      for (const count of [1, 3000]) {
        const all = applyBulk([
          ...bulk(count),
          { op: 'ensure-destination', service: UDP, destination: server(0, 9) },
        ])
        const reconciled = ipvs.reconcile([{ ...SERVICE, destinations: [server(0, 5)] }])
        expect((await all).failed + (await reconciled).failed).toBe(0)
        expect(await ipvs.destinations(UDP)).toMatchObject([server(0, 5)])
      }
    })

    test('what was written before it is reconciled', async () => {
      const { ipvs } = shared
      const written = ipvs.addDestination(UDP, server(0, 9))
      const { outcomes } = await ipvs.reconcile([{ ...SERVICE, destinations: [server(0, 5)] }])
      await written
      expect(outcomes.map(({ status }) => status)).toEqual(['applied'])
      expect(await weightOf(0)).toBe(5)
    })
  })
}
