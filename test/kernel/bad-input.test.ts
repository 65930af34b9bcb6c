// The whole matrix of bad input against the real client: every entry rejects, and none reaches the kernel. strace watches
// this very process.
import { expect, test } from 'vitest'
import { kernelSuite } from '../../lab/guest/suite.js'
import { Ipvs } from '../../src/client.js'
import type { Change, Destination, Service, ServiceId } from '../../src/types.js'
import { badChanges } from '../unit/bad-input.js'
import { ipvs, ns, setUp } from './setup.js'
import { messages, type SystemCall } from './strace.js'
import { traced } from './traced.js'

const service: Service = { protocol: 'udp', address: '192.0.2.1', port: 53, scheduler: 'rr' }
const good: Change = { op: 'add-service', service }

interface Rejected {
  readonly code?: unknown
  readonly option?: unknown
  readonly value?: unknown
}

async function rejection(work: () => Promise<unknown>): Promise<Rejected> {
  try {
    await work()
  } catch (error) {
    return error as Rejected
  }
  return {}
}

kernelSuite('bad input', () => {
  setUp()

  /** What this process sent over netlink while `work` ran. */
  async function sentDuring(work: () => Promise<void>): Promise<SystemCall[]> {
    return (await traced('sendmsg,sendto,sendmmsg', work)).filter(({ netlink }) => netlink)
  }

  test('every bad change rejects with ERR_IPVS_ARGUMENT and its option, and nothing is sent', async () => {
    const wrong: unknown[] = []
    let count = 0
    const sent = await sentDuring(async () => {
      for (const { name, change, option, value } of badChanges()) {
        count++
        const error = await rejection(() => ipvs.apply([change as Change]))
        const right =
          (error instanceof TypeError || error instanceof RangeError) &&
          error.code === 'ERR_IPVS_ARGUMENT' &&
          error.option === option &&
          Object.is(error.value, value)
        if (!right) wrong.push({ name, option, error })
      }
    })
    expect(wrong).toEqual([])
    expect(count).toBeGreaterThan(1000)
    expect(sent).toEqual([])
    expect(ns.rules()).toEqual([])
  })

  test('one bad change among good ones keeps all of them from being sent', async () => {
    const bad = { op: 'add-service', service: { ...service, port: 65_536 } } as Change
    const changes = [...Array<Change>(2000).fill(good), bad]
    const sent = await sentDuring(async () => {
      const expected = {
        code: 'ERR_IPVS_ARGUMENT',
        option: 'changes[2000].service.port',
        value: 65_536,
      }
      expect(await rejection(() => ipvs.apply(changes))).toMatchObject(expected)
      expect(await rejection(() => ipvs.apply(changes, { priority: 'bulk' }))).toMatchObject(
        expected,
      )
      expect(await rejection(async () => ipvs.applySync(changes))).toMatchObject(expected)
    })
    expect(sent).toEqual([])
    expect(ns.rules()).toEqual([])
  })

  test('verbs reject bad arguments by the names of their own parameters, and nothing is sent', async () => {
    const id = service as ServiceId
    const destination: Destination = { address: '10.1.0.1', port: 53, forwarding: 'direct' }
    const as = <T>(value: unknown): T => value as T
    const cases: readonly [option: string, value: unknown, work: () => Promise<unknown>][] = [
      ['service', undefined, () => ipvs.addService(as(undefined))],
      ['service.port', '53', () => ipvs.addService(as({ ...service, port: '53' }))],
      ['service.scheduler', 'none', () => ipvs.replaceService({ ...service, scheduler: 'none' })],
      ['service.bogus', 1, () => ipvs.replaceService(as({ ...service, bogus: 1 }))],
      [
        'service.address',
        '192.0.2.01',
        () => ipvs.removeService({ ...id, address: '192.0.2.01' } as ServiceId),
      ],
      ['service.fwmark', 0, () => ipvs.removeService({ fwmark: 0 })],
      ['service.fwmark', 2 ** 32, () => ipvs.service({ fwmark: 2 ** 32 })],
      [
        'service.address',
        '::ffff:192.0.2.1',
        () => ipvs.destinations({ ...id, address: '::ffff:192.0.2.1' } as ServiceId),
      ],
      ['destination', null, () => ipvs.addDestination(id, as(null))],
      ['destination.weight', -1, () => ipvs.addDestination(id, { ...destination, weight: -1 })],
      [
        'destination.weight',
        Number.NaN,
        () => ipvs.replaceDestination(id, { ...destination, weight: Number.NaN }),
      ],
      ['destination.port', 54, () => ipvs.replaceDestination(id, { ...destination, port: 54 })],
      [
        'destination.address',
        '224.0.0.1',
        () => ipvs.removeDestination(id, { address: '224.0.0.1', port: 53 }),
      ],
      ['patch', undefined, () => ipvs.updateService(id, as(undefined))],
      ['patch.address', '192.0.2.2', () => ipvs.updateService(id, as({ address: '192.0.2.2' }))],
      ['patch', null, () => ipvs.updateDestination(id, destination, as(null))],
      ['patch.wieght', 1, () => ipvs.updateDestination(id, destination, as({ wieght: 1 }))],
      ['changes', undefined, () => ipvs.apply(as(undefined))],
      ['changes', 'add', () => ipvs.apply(as('add'))],
      ['changes', new Set([good]).size, () => ipvs.apply(as(1))],
      ['options.priority', 'high', () => ipvs.apply([good], as({ priority: 'high' }))],
      ['options.onError', true, () => ipvs.apply([good], as({ onError: true }))],
      ['options.deadlineMs', 0, () => ipvs.apply([good], { deadlineMs: 0 })],
      [
        'options.deadlineMs',
        Number.POSITIVE_INFINITY,
        () => ipvs.services({ deadlineMs: Number.POSITIVE_INFINITY }),
      ],
      ['options.signal', 'abort', () => ipvs.apply([good], as({ signal: 'abort' }))],
      ['options.timeout', 5, () => ipvs.addService(service, as({ timeout: 5 }))],
      ['options.netns', '', () => Ipvs.open({ netns: '' })],
      ['options.netns', '..', () => Ipvs.open({ netns: '..' })],
      ['options.netns', 7, () => Ipvs.open(as({ netns: 7 }))],
      ['options.netns.pid', 0, () => Ipvs.open({ netns: { pid: 0 } })],
      ['options.netns.fd', -1, () => Ipvs.open({ netns: { fd: -1 } })],
      ['options.netsn', 'a', () => Ipvs.open(as({ netsn: 'a' }))],
    ]
    const sent = await sentDuring(async () => {
      for (const [option, value, work] of cases) {
        const error = await rejection(work)
        const context = `${option} = ${String(value)}`
        expect({ code: error.code, option: error.option, value: error.value }, context).toEqual({
          code: 'ERR_IPVS_ARGUMENT',
          option,
          value,
        })
      }
    })
    expect(sent).toEqual([])
    expect(ns.rules()).toEqual([])
  })

  test('the trace does see what is sent', async () => {
    const sent = await sentDuring(async () => {
      await ipvs.apply([good])
      ipvs.applySync([{ op: 'remove-service', service }])
    })
    expect(sent.map(({ bytes }) => messages(bytes).map(({ command }) => command))).toEqual([
      [1, 0],
      [3, 0],
    ])
  })
})
