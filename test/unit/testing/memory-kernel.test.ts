import { constants } from 'node:os'
import { setImmediate as turn } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { Ipvs } from '../../../src/client.js'
import type { IpvsError } from '../../../src/errors.js'
import { MirroredPool } from '../../../src/pool/index.js'
import { MemoryKernel } from '../../../src/testing/index.js'
import type { Change, Destination } from '../../../src/types.js'

const { EEXIST, ENOMEM } = constants.errno

const UDP = { protocol: 'udp', address: '192.0.2.1', port: 53 } as const
const SERVICE = { ...UDP, scheduler: 'wrr' } as const
const RULES = `-A -u 192.0.2.1:53 -s wrr
-a -u 192.0.2.1:53 -r 10.1.0.2:53 -m -w 2
-a -u 192.0.2.1:53 -r 10.1.0.1:53 -m -w 1
`

function server(n: number, weight = 1): Destination {
  return { address: `10.1.0.${n}`, port: 53, forwarding: 'masquerade', weight }
}

function put(n: number, weight = 1): Change {
  return { op: 'ensure-destination', service: UDP, destination: server(n, weight) }
}

let kernel: MemoryKernel
let ipvs: Ipvs

beforeEach(async () => {
  kernel = new MemoryKernel({ rules: '-A -u 192.0.2.1:53 -s wrr' })
  ipvs = await Ipvs.open({ kernel, deadlineMs: 60_000 })
})
afterEach(() => ipvs.close())

async function statuses(changes: Change[]): Promise<string[]> {
  const { outcomes } = await ipvs.apply(changes)
  return outcomes.map(({ status, error }) =>
    error === undefined ? status : `${status} ${(error as IpvsError).code}`,
  )
}

const weights = async (client = ipvs) =>
  Object.fromEntries((await client.destinations(UDP)).map((d) => [d.address, d.weight]))

describe('rules', () => {
  test('what is loaded is what rules() gives back', async () => {
    const other = new MemoryKernel()
    other.load(RULES)
    expect(other.rules()).toBe(RULES)
    expect(new MemoryKernel({ rules: RULES }).rules()).toBe(RULES)
  })

  test('loading adds, and says which rule was refused', () => {
    kernel.load('-A -t 192.0.2.9:53 -s rr\n-a -t 192.0.2.9:53 -r 10.1.0.1:53 -m -w 1')
    expect(kernel.rules()).toContain('-A -u 192.0.2.1:53 -s wrr')
    expect(kernel.rules()).toContain('-a -t 192.0.2.9:53 -r 10.1.0.1:53 -m -w 1')
    expect(() => kernel.load('-A -u 192.0.2.1:53 -s rr')).toThrow(
      expect.objectContaining({ code: 'ERR_IPVS_EXISTS', errno: -EEXIST, command: 'NEW_SERVICE' }),
    )
  })
})

describe('faults', () => {
  test.each([ENOMEM, -ENOMEM, 'ENOMEM'])(
    'an errno, given as %s, fails the n-th change and no other',
    async (errno) => {
      kernel.fail({ nth: 2, errno })
      const result = await ipvs.apply([put(1), put(2), put(3)])
      expect(result.outcomes.map(({ status }) => status)).toEqual(['applied', 'failed', 'applied'])
      expect(result.errors[0]).toMatchObject({
        index: 1,
        error: { code: 'ERR_IPVS_MEMORY', errno: -ENOMEM, command: 'NEW_DEST' },
      })
      expect(await weights()).toEqual({ '10.1.0.1': 1, '10.1.0.3': 1 })
      expect((await ipvs.apply([put(2), put(4)])).failed).toBe(0)
    },
  )

  test('several faults wait side by side, each for its own change', async () => {
    kernel.fail({ nth: 3, errno: 'ENOMEM' })
    kernel.fail({ errno: 'EPERM' })
    expect(await statuses([put(1), put(2), put(3), put(4)])).toEqual([
      ...['failed ERR_IPVS_PERMISSION', 'applied', 'failed ERR_IPVS_MEMORY', 'applied'],
    ])
  })

  test('lost answers are settled by reading: applied is what the kernel holds', async () => {
    await ipvs.addDestination(UDP, server(9, 5))
    kernel.fail({ nth: 2, errno: 'lost' })
    expect(
      await statuses([
        put(1),
        // It fails, but the kernel holds just what it wanted; the next one fails and it does not.
        { op: 'add-destination', service: UDP, destination: server(9, 5) },
        { op: 'add-destination', service: UDP, destination: server(9, 6) },
        // It ran, and was overwritten by the last.
        put(2, 7),
        put(2, 8),
      ]),
    ).toEqual([
      ...['applied', 'applied', 'unknown ERR_IPVS_UNKNOWN_OUTCOME'],
      ...['unknown ERR_IPVS_UNKNOWN_OUTCOME', 'applied'],
    ])
    expect(await weights()).toEqual({ '10.1.0.1': 1, '10.1.0.2': 8, '10.1.0.9': 5 })
  })

  test('what was observed comes with the error', async () => {
    kernel.fail({ errno: 'lost' })
    const { errors } = await ipvs.apply([put(2, 7), put(2, 8)])
    expect(errors[0]!.error).toMatchObject({ observed: { weight: 8 } })
  })

  test('an unknown outcome stays unknown, though the change was made', async () => {
    kernel.fail({ nth: 2, errno: 'unknown' })
    expect(await statuses([put(1), put(2), put(3)])).toEqual([
      ...['applied', 'unknown ERR_IPVS_UNKNOWN_OUTCOME', 'applied'],
    ])
    expect(Object.keys(await weights()).length).toBe(3)
    kernel.fail({ errno: 'unknown' })
    await expect(ipvs.addDestination(UDP, server(4))).rejects.toMatchObject({
      code: 'ERR_IPVS_UNKNOWN_OUTCOME',
      message: expect.stringContaining('its deadline passed'),
    })
  })

  test('applySync has no time to settle', () => {
    kernel.fail({ errno: 'lost' })
    const { outcomes } = ipvs.applySync([put(1), put(2)])
    expect(outcomes.map(({ status }) => status)).toEqual(['unknown', 'unknown'])
  })

  test.each<[string, () => Promise<unknown>, string]>([
    ['service()', () => ipvs.service(UDP), 'GET_SERVICE'],
    ['services()', () => ipvs.services(), 'GET_SERVICE'],
    ['destinations()', () => ipvs.destinations(UDP), 'GET_DEST'],
    ['snapshot()', () => ipvs.snapshot(), 'GET_SERVICE'],
  ])('an errno fails the n-th read and no other: %s', async (_, read, command) => {
    kernel.fail({ of: 'read', nth: 2, errno: 'ENOMEM' })
    // What is no read of the table is not counted, and changes have faults of their own.
    await ipvs.timeouts()
    await ipvs.addDestination(UDP, server(1))
    await read()
    await expect(read()).rejects.toMatchObject({ code: 'ERR_IPVS_MEMORY', command })
    await read()
  })

  test('a late read tells what was there when it was made', async () => {
    kernel.fail({ of: 'read', errno: 'late' })
    const late = ipvs.destinations(UDP)
    await ipvs.addDestination(UDP, server(1))
    expect(await weights()).toEqual({ '10.1.0.1': 1 })
    expect(await late).toEqual([])
    // A client that is closed has waited for it.
    kernel.fail({ of: 'read', errno: 'late' })
    let isAnswered = false
    void ipvs.services().then(() => {
      isAnswered = true
    })
    await ipvs.close()
    await turn()
    expect(isAnswered).toBe(true)
  })

  test.each([
    ['fault', 7],
    ['fault.of', { of: 'flush', errno: 'EPERM' }],
    ['fault.errno', { of: 'read', errno: 'lost' }],
    ['fault.errno', { errno: 'late' }],
    ['fault.nth', { nth: 0, errno: 'EPERM' }],
    ['fault.errno', {}],
    ['fault.errno', { errno: 'ENOSUCH' }],
    ['fault.errno', { errno: 99_999 }],
    ['fault.error', { error: 'EPERM' }],
  ])('%s: %o is refused', (option, fault) => {
    expect(() => kernel.fail(fault as never)).toThrow(
      expect.objectContaining({ code: 'ERR_IPVS_ARGUMENT', option }),
    )
  })
})

describe('interference', () => {
  test('another writer comes between two changes', async () => {
    await using other = await Ipvs.open({ kernel })
    let times = 0
    kernel.between(() => {
      times++
      other.applySync([{ op: 'ensure-no-destination', service: UDP, destination: server(1) }])
    })
    expect(
      await statuses([
        put(1),
        { op: 'replace-destination', service: UDP, destination: server(1, 2) },
        put(3),
      ]),
    ).toEqual(['applied', 'failed ERR_IPVS_NO_DESTINATION', 'applied'])
    expect(times).toBe(2)
    kernel.between(undefined)
    expect((await ipvs.apply([put(1), put(2)])).failed).toBe(0)
    expect(times).toBe(2)
  })

  test('what it throws, the call that was interfered with rejects with', async () => {
    kernel.between(() => {
      throw new Error('not what I expected')
    })
    await expect(ipvs.apply([put(1), put(2)])).rejects.toThrow('not what I expected')
    kernel.between(undefined)
    expect(await weights()).toEqual({ '10.1.0.1': 1 })
    await ipvs.addDestination(UDP, server(5))
  })

  test('the client that is interfered with is busy', async () => {
    let code: unknown
    kernel.between(() => {
      try {
        ipvs.applySync([put(9)])
      } catch (error) {
        code = (error as IpvsError).code
      }
    })
    await ipvs.apply([put(1), put(2)])
    expect(code).toBe('ERR_IPVS_BUSY')
  })
})

describe('deadlines', () => {
  test('what was not begun by then is not sent, and reads time out', async () => {
    const changes = Array.from({ length: 20_000 }, (_, n) => put((n % 200) + 1, n))
    const first = ipvs.apply(changes)
    const second = ipvs.apply([put(250)], { deadlineMs: 1 })
    const read = ipvs.services({ deadlineMs: 1 })
    await expect(read).rejects.toMatchObject({ code: 'ERR_IPVS_TIMEOUT', command: 'GET_SERVICE' })
    const { errors } = await second
    expect(errors[0]!.error).toMatchObject({
      code: 'ERR_IPVS_NOT_SENT',
      message: expect.stringContaining('its deadline passed'),
    })
    expect((await first).failed).toBe(0)
    expect(Object.keys(await weights()).length).toBe(200)
  })

  test('faked timers do not stop it', async () => {
    vi.useFakeTimers()
    try {
      await ipvs.addDestination(UDP, server(1))
      expect(await weights()).toEqual({ '10.1.0.1': 1 })
    } finally {
      vi.useRealTimers()
    }
  })

  test('an idle client leaves nothing behind that would keep the process', async () => {
    await ipvs.services()
    await turn()
    expect(process.getActiveResourcesInfo()).not.toContain('Immediate')
  })
})

describe('the namespace', () => {
  test('settings are those of a new namespace, but for the ones given', async () => {
    const own = new MemoryKernel({ sysctls: { expire_nodest_conn: 1, run_estimation: '0' } })
    await using client = await Ipvs.open({ kernel: own })
    expect(await client.sysctls()).toMatchObject({
      expire_nodest_conn: 1,
      run_estimation: 0,
      sync_threshold: '3\t50',
    })
    await client.setSysctl('drop_entry', 3)
    expect((await client.sysctls()).drop_entry).toBe(3)
    await expect(client.setSysctl('conn_max', 5)).rejects.toMatchObject({ code: 'ERR_IPVS_KERNEL' })
  })

  test('timeouts, zeroing and flushing', async () => {
    expect(await ipvs.timeouts()).toEqual({ tcpSeconds: 900, tcpFinSeconds: 120, udpSeconds: 300 })
    await ipvs.setTimeouts({ udpSeconds: 15 })
    expect(await ipvs.timeouts()).toMatchObject({ tcpSeconds: 900, udpSeconds: 15 })
    await expect(ipvs.zero({ ...UDP, port: 54 })).rejects.toMatchObject({
      code: 'ERR_IPVS_NO_SERVICE',
    })
    await ipvs.flush()
    expect(await ipvs.services()).toEqual([])
    expect((await ipvs.info()).version).toBe('1.2.1')
    for await (const connection of ipvs.connections()) throw new Error(connection.state)
  })

  test('a sync daemon and a tunnel across families exclude each other', async () => {
    const mixed = { address: '2001:db8::5', port: 53, forwarding: 'tunnel' } as const
    await expect(ipvs.startSyncDaemon({ role: 'master', interface: 'eth7' })).rejects.toMatchObject(
      { code: 'ERR_IPVS_NO_DEVICE' },
    )
    await ipvs.startSyncDaemon({ role: 'master', interface: 'eth0' })
    expect(await ipvs.syncDaemons()).toEqual([
      {
        role: 'master',
        interface: 'eth0',
        syncId: 0,
        maxLength: 1472,
        group: '224.0.0.81',
        port: 8848,
        ttl: 1,
      },
    ])
    await expect(ipvs.startSyncDaemon({ role: 'master', interface: 'eth0' })).rejects.toMatchObject(
      { code: 'ERR_IPVS_DAEMON_RUNNING' },
    )
    await expect(ipvs.addDestination(UDP, mixed)).rejects.toMatchObject({
      code: 'ERR_IPVS_INVALID',
    })
    await ipvs.stopSyncDaemon('master')
    await expect(ipvs.stopSyncDaemon('master')).rejects.toMatchObject({
      code: 'ERR_IPVS_DAEMON_STOPPED',
    })
    await ipvs.addDestination(UDP, mixed)
    await expect(ipvs.startSyncDaemon({ role: 'backup', interface: 'lo' })).rejects.toMatchObject({
      code: 'ERR_IPVS_INVALID',
    })
  })

  test('only the modules it is given load', async () => {
    const own = new MemoryKernel({ schedulers: ['mine'], engines: [] })
    await using client = await Ipvs.open({ kernel: own })
    await client.addService({ ...UDP, scheduler: 'mine' })
    const sticky = { persistence: { timeoutSeconds: 60 }, persistenceEngine: 'sip' }
    expect((await client.apply([{ op: 'replace-service', service: SERVICE }])).failed).toBe(1)
    await expect(client.replaceService({ ...UDP, scheduler: 'mine', ...sticky })).rejects.toThrow(
      /SET_SERVICE: ENOENT/,
    )
  })

  test('a pool runs on it', async () => {
    const own = new MemoryKernel()
    await using client = await Ipvs.open({ kernel: own })
    const pool = await MirroredPool.open(client, {
      address: '192.0.2.1',
      port: 53,
      scheduler: 'wrr',
      forwarding: 'masquerade',
      servers: ['10.1.0.1', '10.1.0.2'],
    })
    await pool.down('10.1.0.1')
    expect(own.rules().match(/^-a .*$/gm)).toEqual([
      '-a -t 192.0.2.1:53 -r 10.1.0.2:53 -m -w 1',
      '-a -u 192.0.2.1:53 -r 10.1.0.2:53 -m -w 1',
    ])
    await pool.close({ withdraw: true })
    expect(own.rules()).toBe('')
  })
})

describe('bad arguments', () => {
  test.each([
    ['options.clock', { clock: 7 }],
    ['options.sysctls', { sysctls: 'none' }],
    ['options.sysctls.x', { sysctls: { x: true } }],
    ['options.schedulers', { schedulers: 'rr' }],
    ['options.engines[0]', { engines: [''] }],
    ['options.rule', { rule: '' }],
  ])('%s: %o', (option, options) => {
    expect(() => new MemoryKernel(options as never)).toThrow(
      expect.objectContaining({ code: 'ERR_IPVS_ARGUMENT', option }),
    )
  })

  test('open() takes nothing else for a kernel, and no namespace with one', async () => {
    await expect(Ipvs.open({ kernel: {} as never })).rejects.toMatchObject({
      option: 'options.kernel',
    })
    await expect(Ipvs.open({ kernel, netns: 'lb' })).rejects.toMatchObject({
      option: 'options.netns',
    })
  })
})

describe('any system', () => {
  afterEach(() => vi.unstubAllGlobals())

  test('it works where there is no addon and no Linux', async () => {
    const { platform } = process
    const { dlopen } = process
    Object.defineProperty(process, 'platform', { value: 'darwin' })
    process.dlopen = () => {
      throw new Error('no addon here')
    }
    try {
      vi.resetModules()
      const library = await import('../../../src/index.js')
      const testing = await import('../../../src/testing/index.js')
      await using client = await library.Ipvs.open({ kernel: new testing.MemoryKernel() })
      await client.addService(SERVICE)
      expect((await client.services()).length).toBe(1)
      await expect(library.Ipvs.open()).rejects.toMatchObject({ reason: 'platform' })
    } finally {
      process.dlopen = dlopen
      Object.defineProperty(process, 'platform', { value: platform })
    }
  })
})
