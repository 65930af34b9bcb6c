// Every option of every public entry refuses what it does not take, names itself, and shows what it was given.
import { describe, expect, test } from 'vitest'
import {
  checks,
  HealthChecker,
  type HealthCheckerOptions,
  Ipvs,
  resolveServers,
  watchServers,
} from '../../src/index.js'
import { MemoryKernel } from '../../src/testing/index.js'

const id = { protocol: 'udp', address: '192.0.2.1', port: 53 } as const
const destination = { address: '10.1.0.1', port: 53 } as const
const rules = '-A -u 192.0.2.1:53 -s rr\n-a -u 192.0.2.1:53 -r 10.1.0.1:53 -m'
const kernel = new MemoryKernel({ rules })
const opened = Ipvs.open({ kernel })
const target = { members: () => [], report: async () => {}, onMembers: () => () => {} }

/** What no option takes, unless it is of that kind. */
const NONSENSE: Readonly<Record<string, unknown>> = {
  null: null,
  'a negative number': -1,
  'a fraction': 1.5,
  NaN: Number.NaN,
  Infinity: Number.POSITIVE_INFINITY,
  'too much': 2 ** 53,
  'a bigint': 1n,
  'an empty text': '',
  digits: '5',
  true: true,
  'an array': [[]],
  'an object': { reason: 'stop' },
  'a function': () => undefined,
  'a controller': new AbortController(),
  'a promise': Promise.resolve(1),
  'a symbol': Symbol('s'),
}

type Call = (ipvs: Ipvs, options: object) => unknown
const DEADLINE = { deadlineMs: [] }
/** By option: the nonsense that makes sense there. */
const ENTRIES: Readonly<Record<string, readonly [call: Call, options: Record<string, string[]>]>> =
  {
    'Ipvs.open': [
      (_, options) => Ipvs.open(options),
      { netns: ['digits'], deadlineMs: [], kernel: [] },
    ],
    'Ipvs.probe': [(_, options) => Ipvs.probe(options), { netns: ['digits'], schedulers: [] }],
    services: [(ipvs, options) => ipvs.services(options), DEADLINE],
    service: [(ipvs, options) => ipvs.service(id, options), DEADLINE],
    destinations: [(ipvs, options) => ipvs.destinations(id, options), DEADLINE],
    addService: [(ipvs, options) => ipvs.addService({ ...id, scheduler: 'rr' }, options), DEADLINE],
    replaceService: [
      (ipvs, options) => ipvs.replaceService({ ...id, scheduler: 'rr' }, options),
      DEADLINE,
    ],
    updateService: [(ipvs, options) => ipvs.updateService(id, {}, options), DEADLINE],
    removeService: [(ipvs, options) => ipvs.removeService(id, options), DEADLINE],
    addDestination: [
      (ipvs, options) => ipvs.addDestination(id, { ...destination, forwarding: 'direct' }, options),
      DEADLINE,
    ],
    replaceDestination: [
      (ipvs, options) =>
        ipvs.replaceDestination(id, { ...destination, forwarding: 'direct' }, options),
      DEADLINE,
    ],
    updateDestination: [
      (ipvs, options) => ipvs.updateDestination(id, destination, {}, options),
      DEADLINE,
    ],
    removeDestination: [
      (ipvs, options) => ipvs.removeDestination(id, destination, options),
      DEADLINE,
    ],
    apply: [
      (ipvs, options) => ipvs.apply([], options),
      { onError: [], priority: [], signal: [], deadlineMs: [] },
    ],
    reconcile: [
      (ipvs, options) => ipvs.reconcile([], { dryRun: true, ...options }),
      {
        prune: ['true', 'a function'],
        allowEmpty: ['true'],
        dryRun: ['true'],
        signal: [],
        deadlineMs: [],
      },
    ],
    snapshot: [(ipvs, options) => ipvs.snapshot(options), DEADLINE],
    sysctls: [(ipvs, options) => ipvs.sysctls(options), DEADLINE],
    setSysctl: [(ipvs, options) => ipvs.setSysctl('drop_entry', 0, options), DEADLINE],
    timeouts: [(ipvs, options) => ipvs.timeouts(options), DEADLINE],
    setTimeouts: [(ipvs, options) => ipvs.setTimeouts({ udpSeconds: 300 }, options), DEADLINE],
    syncDaemons: [(ipvs, options) => ipvs.syncDaemons(options), DEADLINE],
    startSyncDaemon: [
      (ipvs, options) => ipvs.startSyncDaemon({ role: 'master', interface: 'lo' }, options),
      DEADLINE,
    ],
    stopSyncDaemon: [(ipvs, options) => ipvs.stopSyncDaemon('backup', options), DEADLINE],
    info: [(ipvs, options) => ipvs.info(options), DEADLINE],
    zero: [(ipvs, options) => ipvs.zero(undefined, options), DEADLINE],
    flush: [(ipvs, options) => ipvs.flush(options), DEADLINE],
    connections: [(ipvs, options) => ipvs.connections(options).next(), DEADLINE],
    watch: [(ipvs, options) => ipvs.watch(options).next(), { intervalMs: [], signal: [] }],
    MemoryKernel: [
      (_, options) => new MemoryKernel(options),
      { rules: ['an empty text', 'digits'], sysctls: [], clock: [], schedulers: [], engines: [] },
    ],
    'MemoryKernel.fail': [
      (_, options) => kernel.fail({ errno: 'ENOMEM', ...options }),
      { nth: [], errno: ['a negative number'] },
    ],
    'MemoryKernel.traffic': [
      (_, options) => kernel.traffic(id, destination, options),
      { connections: [], packets: [], bytes: [], outPackets: [], outBytes: [] },
    ],
    'MemoryKernel.connections': [
      (_, options) => kernel.connections(id, destination, options),
      { active: [], inactive: [], persistent: [] },
    ],
    watchServers: [(_, options) => watchServers('/x', options), { intervalMs: [], signal: [] }],
    resolveServers: [
      (_, options) => resolveServers('a.example', options),
      { type: [], port: [], families: [], intervalMs: [], ttl: ['true'], resolver: [], signal: [] },
    ],
    HealthChecker: [
      (_, options) =>
        new HealthChecker(target, { check: checks.tcp(), ...options } as HealthCheckerOptions),
      {
        check: ['a function'],
        intervalMs: [],
        timeoutMs: [],
        rise: [],
        fall: [],
        retryDelayMs: [],
        downIntervalMs: [],
        jitter: [],
        unknownLimitMs: [],
        holdDown: [],
        maxInFlight: [],
      },
    ],
  }

/** What a call throws or rejects with; a call that is taken for good says so. */
async function refusal(call: () => unknown): Promise<unknown> {
  try {
    await call()
    return 'taken'
  } catch (error) {
    return error
  }
}

describe.each(Object.entries(ENTRIES))('%s', (_, [call, options]) => {
  test.each(Object.entries(options))('option %s', async (option, sensible) => {
    const ipvs = await opened
    for (const [what, value] of Object.entries(NONSENSE)) {
      if (sensible.includes(what)) continue
      const error = await refusal(() => call(ipvs, { [option]: value }))
      expect(error, what).toMatchObject({
        code: 'ERR_IPVS_ARGUMENT',
        option: expect.stringContaining(option),
      })
      // Of an object it may be a part that is wrong.
      if (typeof value !== 'object') expect(error, what).toMatchObject({ value })
      expect((error as Error).message, what).toContain(option)
    }
  })

  test('an option that there is not, and no object of options', async () => {
    const ipvs = await opened
    const unknown = await refusal(() => call(ipvs, { nosuch: 1 }))
    expect(unknown).toMatchObject({ code: 'ERR_IPVS_ARGUMENT' })
    expect((unknown as Error).message).toContain('nosuch')
  })
})

test('a controller in place of its signal is told apart in words', async () => {
  const ipvs = await opened
  const signal = new AbortController() as unknown as AbortSignal
  await expect(ipvs.watch({ signal }).next()).rejects.toThrow(
    'options.signal must be an AbortSignal: the `signal` of the controller, not the controller; received an object',
  )
})

test('settings of a kernel in memory are those that there are, with values that they take', () => {
  expect(() => new MemoryKernel({ sysctls: { expire_nodest_con: 1 } as object })).toThrow(
    /options\.sysctls\.expire_nodest_con .*did you mean "expire_nodest_conn"/,
  )
  expect(() => new MemoryKernel({ sysctls: { expire_nodest_conn: 2 } })).toThrow(
    /options\.sysctls\.expire_nodest_conn must be an integer from 0 to 1/,
  )
})
