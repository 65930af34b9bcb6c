// Random lives of a pool: flips, other writers, failures. In the end the kernel is what was wanted.
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { IpvsError, type IpvsErrorCode } from '../../../src/errors.js'
import type { DownAction, MirroredPoolOptions, PoolRole } from '../../../src/pool/api.js'
import { MirroredPool } from '../../../src/pool/index.js'
import type { AdminState } from '../../../src/servers.js'
import type { Destination, ServiceId } from '../../../src/types.js'
import { StandIn } from './stand-in.js'
import { quiet, record } from './watch.js'

const SERVERS = ['10.1.0.1', '10.1.0.2', '10.1.0.3', '10.1.0.4']
const FRONTS: readonly ServiceId[] = [
  { protocol: 'tcp', address: '192.0.2.1', port: 53 },
  { protocol: 'udp', address: '192.0.2.1', port: 53 },
  { fwmark: 7, family: 'ipv4' },
]

type Action =
  | {
      readonly do: 'up' | 'down' | 'add' | 'remove' | 'report-up' | 'report-down'
      readonly server: number
    }
  | { readonly do: 'weight'; readonly server: number; readonly weight: number }
  | { readonly do: 'admin'; readonly server: number; readonly admin: AdminState }
  | { readonly do: 'reconcile' }
  | { readonly do: 'role'; readonly role: PoolRole }
  | {
      readonly do: 'fail'
      readonly count: number
      readonly code: IpvsErrorCode
      readonly lost: boolean
    }
  | { readonly do: 'fail-read' }
  | { readonly do: 'wait'; readonly turns: number }
  | {
      readonly do: 'edit'
      readonly front: number
      readonly server: number
      readonly edit: 'delete' | 'weight' | 'service' | 'foreign' | 'scheduler'
    }

const server = fc.nat({ max: SERVERS.length - 1 })
const action: fc.Arbitrary<Action> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constantFrom('up', 'down', 'add', 'remove', 'report-up', 'report-down'),
      server,
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constant('weight'), server, weight: fc.nat({ max: 9 }) }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant('admin'),
      server,
      admin: fc.constantFrom('ready', 'drain', 'maintenance'),
    }),
  },
  { weight: 1, arbitrary: fc.constant({ do: 'reconcile' } as const) },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant('role'),
      role: fc.constantFrom<PoolRole[]>('active', 'standby'),
    }),
  },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('wait'), turns: fc.nat({ max: 6 }) }) },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant('fail'),
      count: fc.nat({ max: 6 }),
      code: fc.constantFrom('ERR_IPVS_MEMORY', 'ERR_IPVS_UNKNOWN_OUTCOME', 'ERR_IPVS_NOT_SENT'),
      lost: fc.boolean(),
    }),
  },
  { weight: 1, arbitrary: fc.constant({ do: 'fail-read' } as const) },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constant('edit'),
      front: fc.nat({ max: FRONTS.length - 1 }),
      server,
      edit: fc.constantFrom('delete', 'weight', 'service', 'foreign', 'scheduler'),
    }),
  },
)

interface Model {
  weight: number
  admin: AdminState
  health: 'up' | 'down' | 'unknown'
}

/** What a front should hold of a server. */
function wanted({ weight, admin, health }: Model, onDown: DownAction): number | undefined {
  if (admin === 'maintenance' || health === 'down') return onDown === 'remove' ? undefined : 0
  if (health === 'unknown') return undefined
  return admin === 'drain' ? 0 : weight
}

function destination(address: string, front: ServiceId, weight: number): Destination {
  return { address, port: front.port ?? 0, forwarding: 'direct', weight }
}

function edit(kernel: StandIn, at: Extract<Action, { do: 'edit' }>): void {
  const service = FRONTS[at.front]!
  const there = kernel.rules().some((rule) => rule.startsWith(`${keyOf(service)} wrr`))
  if (!there) return
  const here = destination(SERVERS[at.server]!, service, 77)
  switch (at.edit) {
    case 'delete':
      kernel.edit({ op: 'ensure-no-destination', service, destination: here })
      break
    case 'weight':
      kernel.edit({ op: 'ensure-destination', service, destination: here })
      break
    case 'service':
      kernel.edit({ op: 'remove-service', service })
      break
    case 'foreign':
      kernel.edit({
        op: 'ensure-destination',
        service,
        destination: destination('10.9.9.9', service, 1),
      })
      break
    case 'scheduler':
      kernel.edit({ op: 'replace-service', service: { ...service, scheduler: 'rr' } })
  }
}

function keyOf(id: ServiceId): string {
  return id.fwmark === undefined
    ? `${id.protocol} ${id.address}:${id.port}`
    : `fwmark ${id.fwmark} ipv4`
}

async function live(
  actions: readonly Action[],
  initial: NonNullable<MirroredPoolOptions['initial']>,
  onDown: { tcp: DownAction; udp: DownAction },
): Promise<void> {
  const kernel = new StandIn()
  const pool = await MirroredPool.open(kernel, {
    fronts: [{ address: '192.0.2.1', port: 53 }, { fwmark: 7 }],
    scheduler: 'wrr',
    forwarding: 'direct',
    servers: SERVERS.slice(0, 3),
    initial,
    onDown,
  })
  const events = record(pool)
  const health = initial === 'adopt' ? 'unknown' : initial
  const model = new Map<string, Model>(
    SERVERS.slice(0, 3).map((name) => [name, { weight: 1, admin: 'ready', health }]),
  )
  let role: PoolRole = 'active'
  let failures = 0
  let failed: Extract<Action, { do: 'fail' }> | undefined
  let readFailures = 0
  kernel.fail = () =>
    failures-- > 0
      ? { error: new IpvsError(failed!.code, failed!.code), lost: failed!.lost }
      : undefined
  kernel.failRead = () =>
    readFailures-- > 0 ? new IpvsError('ERR_IPVS_TIMEOUT', 'read') : undefined
  const calls: Promise<unknown>[] = []
  const call = (promise: Promise<unknown>) => calls.push(promise.catch((error) => error))

  for (const at of actions) {
    const name = 'server' in at ? SERVERS[at.server]! : ''
    const server = model.get(name)
    switch (at.do) {
      case 'up':
      case 'down':
        call(pool[at.do](name))
        if (server) server.health = at.do
        break
      case 'report-up':
      case 'report-down': {
        const healthy = at.do === 'report-up'
        const found = [...pool.members()].find(({ address }) => address === name)
        const verdict = { healthy, initial: false, reason: 'random', at: 0 }
        if (found) call(pool.report(found, verdict))
        if (server) server.health = healthy ? 'up' : 'down'
        break
      }
      case 'add':
        call(pool.add(name))
        // What a foreign hand has put there before is presumed up; the pool says whether it has done so.
        if (!server) {
          const state = [...pool.members()].find(({ address }) => address === name)!.state!
          model.set(name, { weight: 1, admin: 'ready', health: state })
        }
        break
      case 'remove':
        call(pool.remove(name))
        model.delete(name)
        break
      case 'weight':
        call(pool.setWeight(name, at.weight))
        if (server) server.weight = at.weight
        break
      case 'admin':
        call(pool.setAdmin(name, at.admin))
        if (server) server.admin = at.admin
        break
      case 'role':
        call(pool.become(at.role))
        role = at.role
        break
      case 'reconcile':
        call(pool.reconcile())
        break
      case 'fail':
        failed = at
        failures = at.count
        break
      case 'fail-read':
        readFailures = 2
        break
      case 'edit':
        edit(kernel, at)
        break
      case 'wait':
        await quiet(at.turns)
        break
    }
  }

  // All promises settle, and with the failures over one reconcile puts everything right.
  failures = 0
  readFailures = 0
  for (const outcome of await Promise.all(calls)) {
    if (outcome instanceof Error)
      expect(outcome).toHaveProperty('code', expect.stringMatching(/^ERR_IPVS/))
  }
  await quiet()
  // Undecided servers stay as they are found, and hold back what is not declared.
  for (const [name, server] of model) {
    if (server.health !== 'unknown') continue
    await pool.up(name)
    server.health = 'up'
  }
  for (const name of model.keys()) {
    if (initial === 'adopt') await pool[model.get(name)!.health as 'up'](name)
  }
  await pool.reconcile()
  await quiet()

  const rules = (role === 'standby' ? [] : FRONTS).flatMap((front) => {
    const action = front.fwmark === undefined ? onDown[front.protocol as 'tcp'] : both(onDown)
    const flags = front.protocol === 'udp' ? ' ops' : ''
    const rows = [...model].flatMap(([name, server]) => {
      const weight = wanted(server, action)
      return weight === undefined
        ? []
        : [`${keyOf(front)} -> ${name}:${front.port ?? 0} direct ${weight}`]
    })
    return [`${keyOf(front)} wrr${flags}`, ...rows.sort()]
  })
  expect(kernel.rules().sort()).toEqual(rules.sort())
  expect(pool.status()).toMatchObject({ converged: true })
  expect(pool.status().servers.map(({ error }) => error)).toEqual([...model].map(() => undefined))
  expect((await pool.reconcile()).changes).toEqual([])
  expect(events.map(({ sequence }) => sequence)).toEqual(
    events.map((_, i) => events[0]!.sequence + i),
  )
  await pool.close()
}

function both({ tcp, udp }: { tcp: DownAction; udp: DownAction }): DownAction {
  return tcp === 'quiesce' && udp === 'quiesce' ? 'quiesce' : 'remove'
}

describe('random lives', () => {
  const downAction = fc.constantFrom<DownAction[]>('remove', 'quiesce')
  it('end with the kernel equal to what was wanted', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(action, { maxLength: 40 }),
        fc.constantFrom('up', 'adopt', 'down'),
        fc.record({ tcp: downAction, udp: downAction }),
        live,
      ),
      { numRuns: Number(process.env.RUNS ?? 150) },
    )
  })

  it('without failures and other writers: nothing to repair, ever, and the fronts agree at each moment', async () => {
    const calm = action.filter(({ do: what }) => !['fail', 'fail-read', 'edit'].includes(what))
    await fc.assert(
      fc.asyncProperty(fc.array(calm, { maxLength: 40 }), async (actions) => {
        const kernel = new StandIn()
        const pool = await MirroredPool.open(kernel, {
          fronts: [{ address: '192.0.2.1', port: 53 }, { fwmark: 7 }],
          scheduler: 'wrr',
          forwarding: 'direct',
          servers: SERVERS,
        })
        kernel.batches.length = 0
        const events = record(pool)
        // At each moment a server is everywhere the same: batches are whole.
        kernel.before = () => {
          const rows = (front: ServiceId) =>
            kernel
              .rules()
              .filter((rule) => rule.startsWith(`${keyOf(front)} ->`))
              .map((rule) => rule.split('-> ')[1]!.replace(/:\d+/, ''))
          expect(rows(FRONTS[1]!)).toEqual(rows(FRONTS[0]!))
          expect(rows(FRONTS[2]!)).toEqual(rows(FRONTS[0]!))
        }
        const calls: Promise<unknown>[] = []
        let stoodBy = false
        for (const at of actions) {
          if (at.do === 'wait') await quiet(at.turns)
          if (at.do === 'role') {
            calls.push(pool.become(at.role))
            stoodBy ||= at.role === 'standby'
          }
          if (at.do === 'reconcile') {
            calls.push(pool.reconcile().then(({ changes }) => expect(changes).toEqual([])))
          }
          if (!('server' in at)) continue
          const name = SERVERS[at.server]!
          const call = () => {
            if (at.do === 'weight') return pool.setWeight(name, at.weight)
            if (at.do === 'admin') return pool.setAdmin(name, at.admin)
            return pool[
              at.do === 'report-up' || at.do === 'edit'
                ? 'up'
                : at.do === 'report-down'
                  ? 'down'
                  : at.do
            ](name)
          }
          const known = pool.status().servers.some(({ server }) => server === `${name}:53`)
          if (known !== (at.do === 'add')) calls.push(call())
        }
        await Promise.all(calls)
        expect(pool.status().converged).toBe(true)
        const removed = kernel.changes().filter(({ op }) => op.startsWith('ensure-no'))
        expect(removed.length > 0 && !stoodBy).toBe(false)
        expect(events.filter(({ name }) => name !== 'up' && name !== 'down')).toEqual([])
        await pool.close()
      }),
      { numRuns: Number(process.env.RUNS ?? 150) },
    )
  })

  it('with a healthy backup, no service is without a server that takes connections, at any moment', async () => {
    const calm = action.filter(({ do: what }) => !['fail', 'fail-read', 'edit'].includes(what))
    const rules = fc.record(
      {
        quorum: fc.record({
          up: fc.integer({ min: 2, max: 3 }),
          down: fc.integer({ min: 1, max: 2 }),
          onLost: fc.constantFrom('keep', 'refuse', 'withdraw'),
        }),
        panic: fc.record({
          minHealthyPercent: fc.integer({ min: 1, max: 100 }),
          action: fc.constantFrom('freeze', 'all-up'),
        }),
      },
      { requiredKeys: [] },
    ) as fc.Arbitrary<Pick<MirroredPoolOptions, 'quorum' | 'panic'>>
    await fc.assert(
      fc.asyncProperty(fc.array(calm, { maxLength: 40 }), rules, async (actions, given) => {
        const kernel = new StandIn()
        const pool = await MirroredPool.open(kernel, {
          address: '192.0.2.1',
          port: 53,
          scheduler: 'wrr',
          forwarding: 'direct',
          servers: SERVERS.slice(0, 3),
          backup: ['10.1.0.9'],
          ...given,
        })
        const taking = () =>
          [...kernel.tables.values()].map(
            ({ destinations }) => [...destinations.values()].filter((it) => it.weight !== 0).length,
          )
        kernel.fail = () => {
          expect(taking()).toHaveLength(2)
          for (const count of taking()) expect(count).toBeGreaterThan(0)
          return undefined
        }
        const calls: Promise<unknown>[] = []
        for (const at of actions) {
          if (at.do === 'wait') await quiet(at.turns)
          if (at.do === 'reconcile') calls.push(pool.reconcile())
          if (!('server' in at) || at.do === 'edit') continue
          const name = SERVERS[at.server]!
          const known = pool.status().servers.some(({ server }) => server === `${name}:53`)
          if (known === (at.do === 'add')) continue
          if (at.do === 'weight') calls.push(pool.setWeight(name, at.weight))
          else if (at.do === 'admin') calls.push(pool.setAdmin(name, at.admin))
          else if (at.do === 'report-up' || at.do === 'report-down') {
            const healthy = at.do === 'report-up'
            const found = [...pool.members()].find(({ address }) => address === name)!
            calls.push(pool.report(found, { healthy, initial: false, reason: '', at: 0 }))
          } else calls.push(pool[at.do](name))
        }
        await Promise.all(calls)
        kernel.fail = undefined
        // It ends as the status says, in both protocols.
        const rows = pool
          .status()
          .servers.filter(({ serves, admin }) => serves && admin !== 'maintenance')
          .map(({ server, effectiveWeight }) => `-> ${server} direct ${effectiveWeight}`)
        for (const protocol of ['tcp', 'udp']) {
          const there = kernel
            .rules()
            .filter((rule) => rule.startsWith(`${protocol} 192.0.2.1:53 ->`))
            .map((rule) => rule.replace(/^.*? ->/, '->'))
          expect(there.sort()).toEqual(rows.sort())
        }
        expect(pool.status()).toMatchObject({ converged: true })
        expect((await pool.reconcile()).changes).toEqual([])
        await pool.close()
      }),
      { numRuns: Number(process.env.RUNS ?? 150) },
    )
  })
})
