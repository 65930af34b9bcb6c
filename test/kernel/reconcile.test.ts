import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { kernelSuite } from '../../lab/guest/suite.js'
import { destinationKey, serviceKey } from '../../src/identity.js'
import type { ReconcileOptions } from '../../src/reconcile/index.js'
import type { Destination, Service, ServiceId, ServiceTree } from '../../src/types.js'
import { namespace } from './namespace.js'
import { programPath } from './programs.js'
import { ipvs, ns, setUp } from './setup.js'
import { ruleLines } from './witness.js'

const service: Service = { protocol: 'udp', address: '192.0.2.1', port: 53, scheduler: 'wrr' }

function server(n: number, weight = 1): Destination {
  const address = `10.1.${n >> 8}.${n & 255}`
  return { address, port: 53, forwarding: 'masquerade', weight }
}

/** `count` services with `width` destinations each. */
function many(count: number, width: number, weight = 1): ServiceTree[] {
  return Array.from({ length: count }, (_, n) => ({
    ...{ protocol: 'udp' as const, address: '192.0.2.1', port: n + 1, scheduler: 'wrr' },
    destinations: Array.from({ length: width }, (_, i) => server(i + 1, weight)),
  }))
}

kernelSuite('reconcile', () => {
  setUp()

  /** One call makes the table just this, and a second one sends nothing. */
  async function converge(
    desired: readonly ServiceTree[],
    options: ReconcileOptions = {},
  ): Promise<number> {
    const result = await ipvs.reconcile(desired, options)
    expect(result.errors).toEqual([])
    expect(result).toMatchObject({ applied: result.total, failed: 0 })
    expect(ns.rules()).toEqual(ruleLines(desired))
    const again = await ipvs.reconcile(desired, options)
    expect(again).toMatchObject({ changes: [], total: 0, applied: 0, failed: 0, errors: [] })
    return result.total
  }

  test('random tables converge in one call, whatever ipvsadm has done in between', async () => {
    await fc.assert(
      fc.asyncProperty(
        trees,
        trees,
        fc.array(interference, { minLength: 1, maxLength: 4 }),
        async (first, second, edits) => {
          await ipvs.flush()
          await converge(first)
          for (const edit of edits) interfere(edit)
          await converge(second, { prune: true, allowEmpty: true })
        },
      ),
      { numRuns: 25 },
    )
  })

  /** Edits by hand; what is not there to be edited does not matter. */
  function interfere({ action, id, row }: Interference): void {
    const words = serviceWords(id)
    const target = ['-r', destinationKey(row), '-m', '-w', '77']
    const edits = {
      'clear the table': [['-C']],
      'remove a service': [['-D', ...words]],
      'change a scheduler': [['-E', ...words, '-s', 'lc', '-p', '99']],
      'add a destination': [
        ['-A', ...words, '-s', 'rr'],
        ['-a', ...words, ...target],
      ],
      'change a destination': [['-e', ...words, ...target]],
      'remove a destination': [['-d', ...words, ...target.slice(0, 2)]],
    }
    for (const edit of edits[action]) {
      try {
        ns.ipvsadm(...edit)
      } catch {}
    }
  }

  test('services of others stay, also such as this library would not make, and a selector names what goes', async () => {
    const rules = [
      '-A -t 192.0.2.9:80 -s none',
      '-A -t [::ffff:192.0.2.9]:80 -s rr',
      '-A -t 198.51.100.1:80 -s rr',
      '-a -t 198.51.100.1:80 -r 10.9.0.1:8080 -m -w 3',
      '-A -t 198.51.100.2:80 -s rr',
    ]
    for (const rule of rules) ns.ipvsadm(...rule.split(' '))
    const foreign = ns.rules()
    const desired = [{ ...service, destinations: [server(1)] }]
    expect((await ipvs.reconcile(desired)).total).toBe(2)
    expect((await ipvs.reconcile(desired)).total).toBe(0)
    expect(ns.rules()).toEqual([...foreign, ...ruleLines(desired)].sort())

    const prune = ({ address }: { address?: string }) => address === '198.51.100.1'
    expect((await ipvs.reconcile(desired, { prune })).changes).toEqual([
      {
        op: 'ensure-no-service',
        service: { protocol: 'tcp', address: '198.51.100.1', port: 80 },
      },
    ])
    const left = foreign.filter((rule) => !rule.includes('198.51.100.1'))
    expect(ns.rules()).toEqual([...left, ...ruleLines(desired)].sort())

    const all = await ipvs.reconcile(desired, { prune: true })
    expect(all.outcomes.map(({ change, status }) => [change.service.address, status])).toEqual(
      expect.arrayContaining([
        ['192.0.2.9', 'applied'],
        ['198.51.100.2', 'applied'],
        ['::ffff:192.0.2.9', 'not-sent'],
      ]),
    )
    expect(all.total).toBe(3)
  })

  test('an empty list removes everything only if that is said twice', async () => {
    await converge([{ ...service, destinations: [server(1)] }])
    await expect(ipvs.reconcile([], { prune: true })).rejects.toMatchObject({
      code: 'ERR_IPVS_ARGUMENT',
      option: 'desired',
    })
    expect((await ipvs.reconcile([])).total).toBe(0)
    expect(ns.rules().length).toBe(2)
    expect(await converge([], { prune: true, allowEmpty: true })).toBe(1)
  })

  test('a dry run tells what a run then does, and sends nothing', async () => {
    await converge(many(3, 3))
    const before = ns.rules()
    const desired = [...many(2, 4, 5), { ...service, destinations: [server(9)] }]
    const dry = await ipvs.reconcile(desired, { prune: true, dryRun: true })
    expect(dry).toMatchObject({ total: dry.changes.length, applied: 0, failed: 0, errors: [] })
    expect(ns.rules()).toEqual(before)
    const wet = await ipvs.reconcile(desired, { prune: true })
    expect(wet.changes).toEqual(dry.changes)
    expect(wet.applied).toBe(dry.total)
    expect(ns.rules()).toEqual(ruleLines(desired))
  })

  test('a snapshot can be desired: it brings a lost table back', async () => {
    const desired = [...many(3, 3), { fwmark: 7, scheduler: 'sh', destinations: [server(1)] }]
    await converge(desired)
    const before = ns.rules()
    const { services } = await ipvs.snapshot()
    expect((await ipvs.reconcile(services)).total).toBe(0)
    ns.ipvsadm('-C')
    expect((await ipvs.reconcile(services)).failed).toBe(0)
    expect(ns.rules()).toEqual(before)
  })

  test('1,000 services with 5 destinations each', async () => {
    expect(await converge(many(1000, 5))).toBe(6000)
    const more = many(1000, 5).map((tree, n) =>
      n % 100 === 0 ? { ...tree, destinations: [server(1, 0), server(6)] } : tree,
    )
    // One gains, one is drained, four go.
    expect(await converge(more)).toBe(10 * 6)
    // Of the one that stays, one is raised again and one goes.
    expect(await converge(many(1, 1), { prune: true })).toBe(2 + 999)
  })

  test('what could not be added keeps what it was to replace', async () => {
    await converge([{ ...service, destinations: [server(1)] }])
    const moved = { ...service, port: 54, scheduler: 'nosuch' } as Service
    const result = await ipvs.reconcile([{ ...moved, destinations: [server(1)] }], { prune: true })
    expect(
      result.outcomes.map(({ change, error }) => [change.op, (error as { code?: string }).code]),
    ).toEqual([
      ['ensure-service', 'ERR_IPVS_NO_SCHEDULER'],
      ['ensure-destination', 'ERR_IPVS_NO_SERVICE'],
      ['ensure-no-service', 'ERR_IPVS_NOT_SENT'],
    ])
    // The broadcast address of a local subnet: only the kernel knows that it is one.
    const refused = { ...server(1), address: '127.255.255.255' }
    const swap = await ipvs.reconcile([{ ...service, destinations: [refused] }])
    expect(swap.outcomes.map(({ change, status }) => [change.op, status])).toEqual([
      ['ensure-destination', 'failed'],
      ['ensure-no-destination', 'not-sent'],
    ])
    expect(ns.rules()).toEqual(ruleLines([{ ...service, destinations: [server(1)] }]))
  })

  test('an aborted signal withdraws everything', async () => {
    const desired = [{ ...service, destinations: [server(1)] }]
    const result = await ipvs.reconcile(desired, { signal: AbortSignal.abort() })
    expect(result.outcomes.map(({ status }) => status)).toEqual(['not-sent', 'not-sent'])
    expect(ns.rules()).toEqual([])
  })

  test('of several calls at once the last one stands', async () => {
    const calls = [1, 2, 3, 4].map((n) =>
      ipvs.reconcile([{ ...service, destinations: [server(n), server(n + 1)] }]),
    )
    for (const { failed } of await Promise.all(calls)) expect(failed).toBe(0)
    const desired = [{ ...service, destinations: [server(4), server(5)] }]
    expect(ns.rules()).toEqual(ruleLines(desired))
  })

  test('a client that is being closed completes what it has taken on', async () => {
    const other = await ns.open()
    const call = other.reconcile(many(50, 2))
    await other.close()
    expect(await call).toMatchObject({ total: 150, applied: 150 })
    expect(ns.rules()).toEqual(ruleLines(many(50, 2)))
    await expect(other.reconcile([])).rejects.toMatchObject({ code: 'ERR_IPVS_CLOSED' })
  })

  test('flips do not wait for it', async () => {
    await ipvs.apply([
      { op: 'add-service', service: { ...service, port: 60_000 } as Service },
      { op: 'add-destination', service: { ...service, port: 60_000 }, destination: server(1) },
    ])
    const settled: string[] = []
    const call = ipvs.reconcile(many(1000, 5)).finally(() => settled.push('reconcile'))
    for (let n = 0; n < 5; n++) {
      await ipvs.replaceDestination({ ...service, port: 60_000 }, server(1, n))
      settled.push('flip')
    }
    expect((await call).failed).toBe(0)
    expect(settled).toEqual([...Array(5).fill('flip'), 'reconcile'])
  })

  // Before 7.2 one table holds the services of all namespaces, and a dump goes on where it was by count
  // (ip_vs_ctl.c: ip_vs_genl_dump_services). Two dumps that agree may both lack the same services.
  test('another namespace that changes its table all the time loses us nothing', async () => {
    using noisy = namespace()
    const foreign: ServiceTree = {
      ...{ fwmark: 9, family: 'ipv4', scheduler: 'wrr' },
      destinations: [{ ...server(1), port: 0 }],
    }
    ns.ipvsadm('-A', '-f', '9', '-s', 'wrr')
    ns.ipvsadm('-a', '-f', '9', '-r', '10.1.0.1:0', '-m')
    const churn = await startChurn(noisy.name)
    /** The witness dumps as well. */
    const quietRules = (): string[] => {
      churn.kill('SIGSTOP')
      const rules = ns.rules()
      churn.kill('SIGCONT')
      return rules
    }
    const prune = ({ fwmark }: ServiceId): boolean => fwmark === undefined
    /** Changes of the first call. A service that no dump shows cannot be pruned: then another call must. */
    const settle = async (desired: ServiceTree[]): Promise<number> => {
      const { total } = await ipvs.reconcile(desired, { prune })
      const wanted = ruleLines([...desired, foreign])
      let rules = quietRules()
      for (let call = 1; call < 5 && rules.length > wanted.length; call++) {
        expect(rules).toEqual(expect.arrayContaining(wanted))
        await ipvs.reconcile(desired, { prune })
        rules = quietRules()
      }
      expect(rules).toEqual(wanted)
      return total
    }
    try {
      const trees = many(220, 1)
      expect(await settle(trees.slice(0, 210))).toBe(420)
      for (let round = 0; round < 22; round++) {
        // Ten services go and ten others come, each with its destination.
        const desired = round % 2 === 0 ? trees.slice(10) : trees.slice(0, 210)
        const total = await settle(desired)
        expect(total).toBeGreaterThanOrEqual(20)
        expect(total).toBeLessThanOrEqual(30)
        expect((await ipvs.reconcile(desired, { prune })).total).toBe(0)
      }
    } finally {
      churn.kill('SIGKILL')
      if (churn.exitCode === null && churn.signalCode === null) await once(churn, 'exit')
    }
  })
})

async function startChurn(netns: string): Promise<ChildProcess> {
  const words = ['-f', '5', process.execPath, programPath('churn.mjs'), netns, '200']
  const churn = spawn('chrt', words, { stdio: ['ignore', 'pipe', 'inherit'] })
  await once(churn.stdout!, 'data')
  return churn
}

const IDS: readonly ServiceId[] = [
  { protocol: 'tcp', address: '192.0.2.1', port: 53 },
  { protocol: 'udp', address: '192.0.2.1', port: 53 },
  { protocol: 'sctp', address: '192.0.2.1', port: 53 },
  { protocol: 'udp', address: '2001:db8::1', port: 53 },
  { fwmark: 7, family: 'ipv4' },
  { fwmark: 7, family: 'ipv6' },
]

const SETTINGS = [
  { scheduler: 'rr' },
  { scheduler: 'wrr', persistence: { timeoutSeconds: 60 } },
  { scheduler: 'sh', schedulerFlags: ['sh-fallback', 'sh-port'] },
  { scheduler: 'mh', schedulerFlags: ['mh-port'] },
] as const

const FORWARDING = [
  { forwarding: 'masquerade' },
  { forwarding: 'direct' },
  { forwarding: 'tunnel' },
  { forwarding: 'tunnel', tunnel: { type: 'gue', port: 6080, checksum: 'remote' } },
  { forwarding: 'tunnel', tunnel: { type: 'gre', checksum: 'standard' } },
] as const

const limits = fc.constantFrom(
  {},
  { upperThreshold: 9 },
  { upperThreshold: 2 ** 31 - 1, lowerThreshold: 7 },
)

function isIPv6(id: ServiceId): boolean {
  return id.fwmark === undefined ? id.address.includes(':') : id.family === 'ipv6'
}

function row(id: ServiceId): fc.Arbitrary<Destination> {
  return fc
    .tuple(
      fc.integer({ min: 1, max: 5 }),
      fc.constantFrom(...FORWARDING),
      fc.nat({ max: 3 }),
      limits,
    )
    .map(([n, how, weight, rest]) => ({
      ...{ address: isIPv6(id) ? `2001:db8:1::${n}` : `10.1.0.${n}`, port: 53, weight },
      ...how,
      ...rest,
    }))
}

function tree(id: ServiceId): fc.Arbitrary<ServiceTree> {
  const destinations = fc.uniqueArray(row(id), { maxLength: 5, selector: destinationKey })
  return fc
    .tuple(fc.constantFrom(...SETTINGS), destinations)
    .map(([settings, rows]) => ({ ...id, ...settings, destinations: rows }) as ServiceTree)
}

const trees = fc
  .shuffledSubarray([...IDS])
  .chain((ids) => fc.tuple(...ids.map(tree)) as fc.Arbitrary<ServiceTree[]>)

const interference = fc.constantFrom(...IDS).chain((id) =>
  fc.record({
    action: fc.constantFrom(
      'clear the table',
      'remove a service',
      'change a scheduler',
      'add a destination',
      'change a destination',
      'remove a destination',
    ),
    id: fc.constant(id),
    row: row(id),
  }),
)

type Interference = typeof interference extends fc.Arbitrary<infer T> ? T : never

function serviceWords(id: ServiceId): string[] {
  if (id.fwmark !== undefined) {
    return ['-f', String(id.fwmark), ...(id.family === 'ipv6' ? ['-6'] : [])]
  }
  const endpoint = serviceKey(id).split(' ')[1]!
  return [{ tcp: '-t', udp: '-u', sctp: '--sctp-service' }[id.protocol], endpoint]
}
