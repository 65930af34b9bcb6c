// What callers do while their calls are under way, and what a client that is being closed still owes them.
import { getEventListeners } from 'node:events'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { IpvsError } from '../../src/errors.js'
import { type ApplyResult, type Change, Ipvs, type WatchEvent } from '../../src/index.js'
import { MemoryKernel } from '../../src/testing/index.js'
import type { ServiceTree, Snapshot } from '../../src/types.js'

const UDP = { protocol: 'udp', address: '192.0.2.1', port: 53 } as const
const SERVER = { address: '10.1.0.1', port: 53, forwarding: 'masquerade' } as const

let kernel: MemoryKernel
let ipvs: Ipvs

beforeEach(async () => {
  kernel = new MemoryKernel({
    rules: '-A -u 192.0.2.1:53 -s rr\n-a -u 192.0.2.1:53 -r 10.1.0.1:53 -m',
  })
  ipvs = await Ipvs.open({ kernel })
})
afterEach(() => ipvs.close())

async function errorOf(call: Promise<unknown>): Promise<IpvsError> {
  const error = await call.then(
    () => undefined,
    (thrown) => thrown,
  )
  expect(error).toBeInstanceOf(IpvsError)
  return error
}

describe('a caller that goes on with the objects it has given', () => {
  test.each<[string, (id: { fwmark: number; scheduler: string }) => Promise<unknown>, RegExp]>([
    [
      'addService',
      (service) => ipvs.addService(service),
      /^add-service fwmark 11 ipv4: there is such/,
    ],
    ['replaceService', (service) => ipvs.replaceService({ ...service, fwmark: 13 }), /fwmark 13/],
    ['removeService', (service) => ipvs.removeService(service), /^remove-service fwmark 11 ipv4/],
    ['destinations', (service) => ipvs.destinations(service), /of fwmark 11 ipv4/],
    ['updateService', (service) => ipvs.updateService(service, { scheduler: 'wrr' }), /fwmark 11/],
    ['zero', (service) => ipvs.zero(service), /fwmark 11/],
    [
      'updateDestination',
      (service) => ipvs.updateDestination(service, SERVER, { weight: 2 }),
      /fwmark 11/,
    ],
  ])('%s: the error is about what was sent', async (name, call, message) => {
    if (name === 'addService') kernel.load('-A -f 11 -s rr')
    const service = { fwmark: 11, scheduler: 'rr' }
    const failing = errorOf(call(service))
    Object.assign(service, { fwmark: 'x', scheduler: 5 })
    const error = await failing
    expect(error.message).toMatch(message)
    expect(error.code).toBe(name === 'addService' ? 'ERR_IPVS_EXISTS' : 'ERR_IPVS_NO_SERVICE')
  })

  test('the error has a change of its own, once the caller’s says something else', async () => {
    const destination = { ...SERVER, address: '10.1.0.2', weight: 7 }
    const change: Change = { op: 'replace-destination', service: { ...UDP }, destination }
    const call = ipvs.apply([change])
    destination.address = '10.1.0.3'
    const [failure] = (await call).errors
    expect(failure!.error.message).toContain('10.1.0.2:53 of udp 192.0.2.1:53')
    expect((failure!.error as IpvsError).change).toEqual({
      op: 'replace-destination',
      service: UDP,
      destination: {
        ...SERVER,
        address: '10.1.0.2',
        weight: 7,
        upperThreshold: 0,
        lowerThreshold: 0,
      },
    })
    const [same] = (await ipvs.apply([change])).errors
    expect((same!.error as IpvsError).change).toBe(change)
  })

  test.each([
    ['16 changes', 16],
    ['a long list', 3000],
  ])(
    '%s: each error is about its own change, also of objects that are used again',
    async (_, count) => {
      const service = { fwmark: 1, scheduler: 'rr' }
      const changes = Array.from(
        { length: count },
        (): Change => ({ op: 'remove-service', service }),
      )
      const call = ipvs.apply(changes)
      service.fwmark = 99
      const { errors } = await call
      expect(errors.length).toBe(count)
      for (const { error } of errors) expect(error.message).toContain('fwmark 1 ipv4')
    },
  )

  test('a scheduler that does not exist is named as it was sent', async () => {
    const service = { ...UDP, scheduler: 'nosuch' }
    const failing = errorOf(ipvs.replaceService(service))
    service.scheduler = 'rr'
    const error = await failing
    expect(error).toMatchObject({ code: 'ERR_IPVS_NO_SCHEDULER' })
    expect(error.message).toContain('ip_vs_nosuch')
  })

  test('a lost answer is settled by what was sent', async () => {
    kernel.fail({ errno: 'lost' })
    const service = { ...UDP, scheduler: 'wrr' }
    const call = ipvs.apply([{ op: 'replace-service', service }])
    service.scheduler = 'lc'
    expect((await call).outcomes[0]!.status).toBe('applied')
    expect((await ipvs.service(UDP))!.scheduler).toBe('wrr')
  })

  test.each<[string, (list: Change[]) => void]>([
    ['cleared', (list) => list.splice(0)],
    ['longer', (list) => list.push({ op: 'remove-service', service: { fwmark: 7 } })],
    ['emptied in places', (list) => list.fill(undefined as unknown as Change, 10, 20)],
  ])('a list that is %s meanwhile is sent as it was', async (_, edit) => {
    for (const count of [10, 200, 2000]) {
      const list = Array.from({ length: count }, (_, n): Change => {
        return { op: 'ensure-service', service: { fwmark: n + 1, scheduler: 'rr' } }
      })
      const call = ipvs.apply(list)
      edit(list)
      const next = ipvs.replaceService({ ...UDP, scheduler: 'wrr' })
      const result: ApplyResult = await call
      await next
      expect(result).toMatchObject({ total: count, applied: count, failed: 0 })
      expect(result.outcomes.length).toBe(count)
      expect((await ipvs.services()).length).toBe(count + 1)
      await ipvs.flush()
      await ipvs.addService({ ...UDP, scheduler: 'rr' })
    }
  })

  test.each([30_000_000, 2 ** 31, 2 ** 32 - 2])(
    'a list with holes, %d long, is refused',
    async (length) => {
      const list: Change[] = []
      list[length] = { op: 'ensure-no-service', service: { fwmark: 1 } }
      for (const call of [ipvs.apply(list), (async () => ipvs.applySync(list))()]) {
        await expect(call).rejects.toMatchObject({ code: 'ERR_IPVS_ARGUMENT', option: 'changes' })
      }
      const short: Change[] = []
      short[30] = list[length]!
      await expect(ipvs.apply(short)).rejects.toMatchObject({
        code: 'ERR_IPVS_ARGUMENT',
        option: 'changes[0]',
      })
    },
  )

  test('an update goes to the object that it was asked for', async () => {
    await ipvs.addDestination(UDP, { ...SERVER, address: '10.1.0.2' })
    const id = { ...UDP } as { protocol: 'udp'; address: string; port: number }
    const destination = { address: '10.1.0.1', port: 53 }
    const patch = { weight: 9 }
    const update = ipvs.updateDestination(id, destination, patch)
    id.port = 54
    destination.address = '10.1.0.2'
    patch.weight = 1
    await update
    const weights = (await ipvs.destinations(UDP)).map(({ address, weight }) => [address, weight])
    expect(weights).toEqual([
      ['10.1.0.2', 1],
      ['10.1.0.1', 9],
    ])
  })
})

test('what reconcile makes is what was desired when it was checked', async () => {
  const tunnel = { type: 'gue' as string, port: 6080 }
  const persistence = { timeoutSeconds: 60 }
  const schedulerFlags = ['sh-port']
  const destination = { address: '10.1.0.7', port: 53, forwarding: 'tunnel', tunnel }
  const desired = {
    ...UDP,
    scheduler: 'sh',
    persistence,
    schedulerFlags,
    destinations: [destination],
  }
  const call = ipvs.reconcile([desired as unknown as ServiceTree])
  // It is checked in this turn, and read and sent in later ones.
  await Promise.resolve()
  tunnel.type = 'nosuch'
  persistence.timeoutSeconds = -1
  schedulerFlags.push('nosuch')
  destination.address = 'nowhere'
  expect((await call).failed).toBe(0)
  const [tree] = (await ipvs.snapshot()).services
  expect(tree).toMatchObject({
    scheduler: 'sh',
    persistence: { timeoutSeconds: 60 },
    schedulerFlags: ['sh-port'],
    destinations: [{ address: '10.1.0.7', tunnel: { type: 'gue', port: 6080 } }],
  })
})

describe('closing waits for what is under way', () => {
  const calls: [string, () => Promise<unknown>][] = [
    ['one change', () => ipvs.replaceService({ ...UDP, scheduler: 'wrr' })],
    [
      'apply',
      () =>
        ipvs.apply([{ op: 'replace-service', service: { ...UDP, scheduler: 'wrr' } }], {
          onError: 'throw',
        }),
    ],
    [
      'a bulk call',
      () =>
        ipvs.apply([{ op: 'replace-service', service: { ...UDP, scheduler: 'wrr' } }], {
          onError: 'throw',
          priority: 'bulk',
        }),
    ],
    ['an update', () => ipvs.updateService(UDP, { scheduler: 'wrr' })],
  ]
  test.each(calls)('%s whose answer is lost is settled by a read', async (_, call) => {
    kernel.fail({ errno: 'lost' })
    const done = call()
    await ipvs.close()
    await done
    await using other = await Ipvs.open({ kernel })
    expect((await other.service(UDP))!.scheduler).toBe('wrr')
  })

  test('an update of a destination writes what it was asked for', async () => {
    const update = ipvs.updateDestination(UDP, SERVER, { weight: 5 })
    const late = ipvs.updateService(UDP, {})
    const closing = ipvs.close()
    await expect(ipvs.updateService(UDP, {})).rejects.toMatchObject({ code: 'ERR_IPVS_CLOSED' })
    await Promise.all([update, late, closing])
    await using other = await Ipvs.open({ kernel })
    expect((await other.destinations(UDP))[0]!.weight).toBe(5)
  })

  test('the end of a sync daemon is confirmed', async () => {
    await ipvs.startSyncDaemon({ role: 'master', interface: 'lo' })
    const stop = ipvs.stopSyncDaemon('master')
    await ipvs.close()
    await stop
  })
})

describe('signals', () => {
  const MANY = 40
  test('one for many calls at a time is no leak, nor is anything left on it', async () => {
    const warnings: Error[] = []
    const hear = (warning: Error) => void warnings.push(warning)
    process.on('warning', hear)
    const controller = new AbortController()
    const { signal } = controller
    const calls: Promise<unknown>[] = []
    for (let n = 1; n <= MANY; n++) {
      const change: Change = { op: 'add-service', service: { fwmark: n, scheduler: 'rr' } }
      calls.push(
        ipvs.apply([change], { signal, priority: n % 2 === 0 ? 'bulk' : undefined } as object),
      )
      calls.push(ipvs.reconcile([], { signal }))
      calls.push(ipvs.watch({ intervalMs: 86_400_000, signal }).next())
    }
    await new Promise((resolve) => setTimeout(resolve, 20))
    expect(getEventListeners(signal, 'abort').length).toBe(1)
    controller.abort()
    await Promise.all(calls)
    await new Promise(setImmediate)
    process.off('warning', hear)
    expect(warnings).toEqual([])
    expect(getEventListeners(signal, 'abort')).toEqual([])
  })

  test('a call that is over has left nothing on its signal', async () => {
    const { signal } = new AbortController()
    await ipvs.apply([{ op: 'remove-service', service: UDP }], { signal })
    expect(getEventListeners(signal, 'abort')).toEqual([])
  })

  test('each of many calls with one signal is taken back by it', async () => {
    const controller = new AbortController()
    const calls = Array.from({ length: 20 }, (_, n) =>
      ipvs.apply([{ op: 'add-service', service: { fwmark: n + 1, scheduler: 'rr' } }], {
        signal: controller.signal,
      }),
    )
    controller.abort()
    for (const { outcomes } of await Promise.all(calls))
      expect(outcomes[0]!.status).toBe('not-sent')
  })
})

describe('watch', () => {
  /** Looks that could not be verified, by their number; they miss every destination. */
  function disturb(...unverified: number[]): { looks: number } {
    const seen = { looks: 0 }
    const look = ipvs.snapshot.bind(ipvs)
    vi.spyOn(ipvs, 'snapshot').mockImplementation(async (...given): Promise<Snapshot> => {
      const snapshot = await look(...given)
      if (!unverified.includes(++seen.looks)) return snapshot
      const services = snapshot.services.map((service) => ({ ...service, destinations: [] }))
      return { ...snapshot, services, verified: false }
    })
    return seen
  }

  async function eventsOf(looks: number, seen: { looks: number }): Promise<WatchEvent[]> {
    const events: WatchEvent[] = []
    const stop = new AbortController()
    const watching = (async () => {
      for await (const event of ipvs.watch({ intervalMs: 10, signal: stop.signal }))
        events.push(event)
    })()
    await expect.poll(() => seen.looks).toBeGreaterThanOrEqual(looks)
    stop.abort()
    await watching
    return events
  }

  test.each([[[1]], [[1, 2, 3]], [[2]], [[1, 3]]])(
    'looks %j that are not verified tell nothing',
    async (unverified) => {
      const seen = disturb(...unverified)
      expect(await eventsOf(5, seen)).toEqual([])
    },
  )

  test('what changes between two verified looks is told once', async () => {
    const seen = disturb(1, 2, 4)
    const events = eventsOf(8, seen)
    await expect.poll(() => seen.looks).toBeGreaterThanOrEqual(3)
    kernel.load('-A -f 7 -s rr')
    expect((await events).map(({ type }) => type)).toEqual(['service-added'])
  })

  test('there is a pause between two looks, whatever the signal does', async () => {
    const seen = disturb()
    const stop = new AbortController()
    const next = ipvs.watch({ intervalMs: 86_400_000, signal: stop.signal }).next()
    await new Promise((resolve) => setTimeout(resolve, 30))
    expect(seen.looks).toBe(1)
    stop.abort()
    expect(await next).toEqual({ done: true, value: undefined })
    expect(seen.looks).toBe(1)
    expect((await ipvs.watch({ signal: stop.signal }).next()).done).toBe(true)
    expect(seen.looks).toBe(1)
  })
})
