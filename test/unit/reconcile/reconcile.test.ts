import { setImmediate as turn } from 'node:timers/promises'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { IpvsError } from '../../../src/errors.js'
import { serviceKey } from '../../../src/identity.js'
import { readDesired } from '../../../src/reconcile/desired.js'
import { type ReconcileResult, reconcileTable } from '../../../src/reconcile/reconcile.js'
import { inTurn } from '../../../src/reconcile/turns.js'
import type { Change, Destination, ServiceStatus, ServiceTree } from '../../../src/types.js'
import { atOnce, FOREIGN, Model, refused, trees } from './model.js'

const service = { protocol: 'udp', address: '192.0.2.1', port: 53, scheduler: 'wrr' } as const
const other = { ...service, port: 54 } as const
const ready = Promise.resolve()
const key = serviceKey(service)

function server(n: number, weight = 1): Destination {
  return { address: `10.1.0.${n}`, port: 53, forwarding: 'masquerade', weight }
}

interface Options {
  readonly prunes?: (service: ServiceStatus) => boolean
  readonly dryRun?: boolean
}

function run(
  model: Model,
  desired: readonly ServiceTree[],
  { prunes = () => false, dryRun = false }: Options = {},
): Promise<ReconcileResult> {
  return reconcileTable(model, atOnce(readDesired(desired)), {
    prunes,
    dryRun,
    ifDigest: undefined,
  })
}

function failing(...addresses: string[]): (change: Change) => IpvsError | undefined {
  return (change) =>
    'destination' in change && addresses.includes(change.destination.address)
      ? refused('ERR_IPVS_INVALID')
      : undefined
}

function outcomes(result: ReconcileResult): string[] {
  return result.outcomes.map(({ change, status }) => {
    const on = 'destination' in change ? change.destination.address : String(change.service.port)
    return `${change.op} ${on} ${status}`
  })
}

const all = () => true

describe('reconcile', () => {
  it('sends nothing if nothing differs', async () => {
    const tree = { ...service, destinations: [server(1)] }
    const model = new Model([tree, ...FOREIGN])
    const result = await run(model, [tree])
    expect(model.calls).toEqual(['snapshot'])
    expect(result).toMatchObject({ changes: [], total: 0, applied: 0, failed: 0, errors: [] })
    expect(result.outcomes).toEqual([])
  })

  it('takes what it has read as desired, and finds nothing to do', async () => {
    const model = new Model([
      { ...service, destinations: [server(1), { ...server(2), forwarding: 'tunnel' }] },
      { fwmark: 7, scheduler: 'rr', destinations: [] },
    ])
    const { services } = await model.snapshot()
    expect((await run(model, services)).changes).toEqual([])
    const copy = new Model([])
    const { changes } = await run(copy, services)
    expect(JSON.stringify(changes)).not.toMatch(/stats|Connections/)
    expect(copy.trees()).toEqual(services)
  })

  it('adds in one write, and takes away in a second one', async () => {
    const model = new Model([
      { ...service, destinations: [server(1), server(2)] },
      { ...other, destinations: [] },
    ])
    const desired = [{ ...service, destinations: [server(2, 0), server(3)] }]
    const result = await run(model, desired, { prunes: all })
    expect(model.calls).toEqual(['snapshot', 'write 1', 'write 3'])
    expect(model.sent).toEqual(result.changes)
    expect(result).toMatchObject({ total: 4, applied: 4, failed: 0 })
    expect(outcomes(result)).toEqual([
      'ensure-destination 10.1.0.3 applied',
      'replace-destination 10.1.0.2 applied',
      'ensure-no-destination 10.1.0.1 applied',
      'ensure-no-service 54 applied',
    ])
  })

  it('of a dry run tells the changes, and sends nothing', async () => {
    const model = new Model([{ ...service, destinations: [server(1)] }])
    const desired = [{ ...service, destinations: [server(2)] }]
    const result = await run(model, desired, { dryRun: true })
    expect(model.calls).toEqual(['snapshot'])
    expect(result).toMatchObject({ total: 2, applied: 0, failed: 0, errors: [] })
    expect(result.outcomes.map(({ status }) => status)).toEqual(['not-sent', 'not-sent'])
    expect((await run(model, desired)).changes).toEqual(result.changes)
  })

  describe('when something could not be added', () => {
    it('keeps what was to go from that service, and says why', async () => {
      const model = new Model([
        { ...service, destinations: [server(1)] },
        { ...other, destinations: [server(1)] },
      ])
      model.fail = failing('10.1.0.9')
      const result = await run(model, [
        { ...service, destinations: [server(9)] },
        { ...other, destinations: [server(2)] },
      ])
      expect(result).toMatchObject({ total: 4, applied: 2, failed: 2 })
      expect(outcomes(result)).toEqual([
        'ensure-destination 10.1.0.9 failed',
        'ensure-destination 10.1.0.2 applied',
        'ensure-no-destination 10.1.0.1 not-sent',
        'ensure-no-destination 10.1.0.1 applied',
      ])
      const [first, held] = result.errors
      expect(held!.error).toMatchObject({ code: 'ERR_IPVS_NOT_SENT', cause: first!.error })
      expect(held!.error.message).toBe(
        'ensure-no-destination 10.1.0.1:53 of udp 192.0.2.1:53 was held back: 10.1.0.9:53 of udp 192.0.2.1:53 ' +
          'could not be made first. Reconcile again once it can',
      )
      expect(model.serving(key)).toBe(1)
    })

    it('drains all the same where another destination serves', async () => {
      const model = new Model([{ ...service, destinations: [server(1), server(2)] }])
      model.fail = failing('10.1.0.9')
      const wanted = [server(1, 0), server(2), server(9)]
      const result = await run(model, [{ ...service, destinations: wanted }])
      expect(outcomes(result)).toEqual([
        'ensure-destination 10.1.0.9 failed',
        'replace-destination 10.1.0.1 applied',
      ])
    })

    it('does not drain the last one', async () => {
      const model = new Model([{ ...service, destinations: [server(1, 5), server(2, 5)] }])
      model.fail = failing('10.1.0.9')
      const wanted = [server(1, 0), server(2, 0), server(9)]
      const result = await run(model, [{ ...service, destinations: wanted }])
      expect(outcomes(result).slice(1)).toEqual([
        'replace-destination 10.1.0.1 not-sent',
        'replace-destination 10.1.0.2 not-sent',
      ])
    })

    it('keeps services that were to go while a new one, or one of its destinations, is not there', async () => {
      const model = new Model([{ ...service, destinations: [server(1)] }])
      model.fail = failing('10.1.0.9')
      const result = await run(model, [{ ...other, destinations: [server(9)] }], { prunes: all })
      expect(outcomes(result)).toEqual([
        'ensure-service 54 applied',
        'ensure-destination 10.1.0.9 failed',
        'ensure-no-service 53 not-sent',
      ])
      model.fail = () => undefined
      const again = await run(model, [{ ...other, destinations: [server(9)] }], { prunes: all })
      expect(again).toMatchObject({ total: 2, applied: 2 })
    })

    it('never leaves a service without a destination that serves, whatever fails', async () => {
      await fc.assert(
        fc.asyncProperty(trees, trees, fc.infiniteStream(fc.boolean()), async (now, was, luck) => {
          const model = new Model(was)
          const before = new Map(was.map((tree) => [serviceKey(tree), serving(tree)]))
          const watched = now.filter((tree) => serving(tree) > 0 && before.get(serviceKey(tree))!)
          model.fail = () => (luck.next().value ? refused('ERR_IPVS_MEMORY') : undefined)
          model.changed = () => {
            for (const tree of watched) expect(model.serving(serviceKey(tree))).toBeGreaterThan(0)
          }
          const result = await run(model, now, { prunes: all })
          expect(result.applied + result.failed).toBe(result.total)
          expect(
            result.errors.map(({ index, change }) => result.changes[index] === change),
          ).toEqual(result.errors.map(() => true))
          model.fail = () => undefined
          expect((await run(model, now, { prunes: all })).failed).toBe(0)
          expect((await run(model, now, { prunes: all })).changes).toEqual([])
        }),
      )
    })
  })

  describe('on a read that cannot be relied on', () => {
    it('asks again, and removes nothing', async () => {
      const model = new Model([
        { ...service, destinations: [server(1), server(2)] },
        { ...other, destinations: [] },
      ])
      model.verified = false
      model.attempts = 5
      const desired = [{ ...service, destinations: [server(2, 0), server(3)] }]
      const result = await run(model, desired, { prunes: all })
      expect(model.calls.filter((call) => call === 'snapshot').length).toBe(3)
      expect(outcomes(result)).toEqual([
        'ensure-destination 10.1.0.3 applied',
        'replace-destination 10.1.0.2 applied',
        'ensure-no-destination 10.1.0.1 not-sent',
        'ensure-no-service 54 not-sent',
      ])
      expect(result.errors[0]!.error.message).toMatch(/kept changing while it was read/)
      model.verified = true
      expect(await run(model, desired, { prunes: all })).toMatchObject({ total: 2, applied: 2 })
    })

    it('asks the kernel by name for services that a dump of several rounds did not show', async () => {
      const model = new Model([{ ...service, destinations: [server(1), server(4)] }])
      model.attempts = 2
      model.overlooked = [key]
      const desired = [
        { ...service, destinations: [server(1), server(2)] },
        { ...other, destinations: [] },
      ]
      const result = await run(model, desired)
      expect(model.calls.slice(0, 4).sort()).toEqual([
        `destinations ${key}`,
        `service ${key}`,
        `service ${serviceKey(other)}`,
        'snapshot',
      ])
      expect(outcomes(result)).toEqual([
        'ensure-service 54 applied',
        'ensure-destination 10.1.0.2 applied',
        'ensure-no-destination 10.1.0.4 applied',
      ])
    })

    it('does not remove what has gone since', async () => {
      const model = new Model([{ ...other, destinations: [] }, ...FOREIGN])
      model.attempts = 2
      const gone = serviceKey(other)
      const prunes = (seen: ServiceStatus): boolean => {
        model.entries.delete(gone)
        return seen.port === other.port
      }
      expect((await run(model, [], { prunes })).changes).toEqual([])
      expect(model.calls).toEqual(['snapshot', `service ${gone}`])
    })
  })

  it('says of services that no change can name that they are still there', async () => {
    const model = new Model(FOREIGN)
    const result = await run(model, [], { prunes: all })
    expect(result.outcomes.map(({ status }) => status)).toEqual([
      'not-sent',
      'not-sent',
      'applied',
      'applied',
    ])
    expect(result.errors[0]!.error.message).toMatch(
      /^ensure-no-service 200 192\.0\.2\.9:9 was held back: no change can name it \(.*\)\. Remove it with/,
    )
  })

  it('asks the selector about services that are not desired, and about no other', async () => {
    const model = new Model([{ ...service, destinations: [] }, ...FOREIGN])
    const asked: unknown[] = []
    const prunes = (seen: ServiceStatus): boolean => {
      asked.push(seen.port)
      return seen.port === 443
    }
    const result = await run(model, [{ ...service, destinations: [] }], { prunes })
    expect(asked).toEqual([9, 9, 0, 443])
    expect(outcomes(result)).toEqual(['ensure-no-service 443 applied'])
  })
})

describe('turns', () => {
  it('come one after the other, also after a failure', async () => {
    const owner = {}
    const log: string[] = []
    const work =
      (name: string, fails = false) =>
      async () => {
        log.push(`${name} begins`)
        await turn()
        log.push(`${name} ends`)
        if (fails) throw new Error(name)
      }
    const calls = [
      inTurn(owner, 60_000, ready, work('a', true)),
      inTurn(owner, 60_000, ready, work('b')),
      inTurn(owner, 60_000, ready, work('c')),
    ]
    expect((await Promise.allSettled(calls)).map(({ status }) => status)).toEqual([
      'rejected',
      'fulfilled',
      'fulfilled',
    ])
    expect(log).toEqual(['a', 'b', 'c'].flatMap((name) => [`${name} begins`, `${name} ends`]))
  })

  it('are waited for no longer than the deadline, and the next still waits for the first', async () => {
    const owner = {}
    let end = (): void => {}
    const first = inTurn(
      owner,
      60_000,
      ready,
      () => new Promise<void>((resolve) => (end = resolve)),
    )
    await expect(inTurn(owner, 5, ready, async () => 2)).rejects.toMatchObject({
      code: 'ERR_IPVS_TIMEOUT',
    })
    let third = false
    const last = inTurn(owner, 60_000, ready, async () => {
      third = true
    })
    await turn()
    expect(third).toBe(false)
    end()
    await Promise.all([first, last])
    expect(third).toBe(true)
  })
})

function serving({ destinations }: ServiceTree): number {
  return destinations.filter(({ weight }) => weight !== 0).length
}
