// Every errno of IPVS that can be had through the library. Two cannot, and have no test here: ERANGE (validation refuses
// every value that leads to it) and EAFNOSUPPORT (needs a kernel started with ipv6.disable=1: the module, once loaded,
// stays, and the sysctl disable_ipv6 means nothing to ip_vs_ctl.c).
import { closeSync, openSync } from 'node:fs'
import { constants } from 'node:os'
import { beforeEach, expect, test } from 'vitest'
import { kernelSuite } from '../../lab/guest/suite.js'
import { Ipvs } from '../../src/client.js'
import { IpvsApplyError, IpvsError, isExists, isNotFound } from '../../src/errors.js'
import type { Change, Service } from '../../src/types.js'
import { programValue } from './programs.js'
import { ipvs, ns, setUp } from './setup.js'

const { EEXIST, EINVAL, ENOENT, EPERM, ESRCH } = constants.errno

const id = { protocol: 'udp', address: '192.0.2.1', port: 53 } as const
const absent = { ...id, port: 54 } as const
const service: Service = { ...id, scheduler: 'rr' }
const destination = { address: '10.1.0.1', port: 53, forwarding: 'direct' } as const
const stranger = { ...destination, address: '10.1.0.2' } as const

async function errorOf(promise: Promise<unknown>): Promise<IpvsError> {
  const error: unknown = await promise.then(
    () => new Error('it did not reject'),
    (reason) => reason,
  )
  expect(error).toBeInstanceOf(IpvsError)
  return error as IpvsError
}

kernelSuite('errors', () => {
  setUp()

  beforeEach(async () => {
    await ipvs.addService(service)
    await ipvs.addDestination(id, destination)
  })

  /** Applies one change, alone and blocking, as `apply` and as `onError: 'throw'`: the same error each time. */
  async function failing(change: Change): Promise<IpvsError> {
    const result = await ipvs.apply([change])
    expect(result).toMatchObject({ total: 1, applied: 0, failed: 1 })
    const [outcome] = result.outcomes
    expect(outcome).toMatchObject({ change, status: 'failed' })
    const error = outcome!.error as IpvsError
    expect(error).toBeInstanceOf(IpvsError)
    expect(result.errors).toEqual([{ index: 0, change, error }])
    expect(error.change).toBe(change)

    const again = ipvs.applySync([change])
    expect(again.outcomes).toEqual(result.outcomes)
    const thrown = await errorOf(ipvs.apply([change], { onError: 'throw' }))
    expect(thrown).toBeInstanceOf(IpvsApplyError)
    expect(thrown).toMatchObject({ code: 'ERR_IPVS_APPLY', result: { failed: 1 }, cause: error })
    return error
  }

  test('adding what exists is ERR_IPVS_EXISTS', async () => {
    const expected = { code: 'ERR_IPVS_EXISTS', errno: -EEXIST, errnoName: 'EEXIST' }
    const onService = await failing({ op: 'add-service', service })
    expect(onService).toMatchObject({ ...expected, command: 'NEW_SERVICE' })
    expect(onService.message).toContain('udp 192.0.2.1:53')
    expect(await errorOf(ipvs.addService(service))).toMatchObject(onService)
    const onDestination = await failing({ op: 'add-destination', service, destination })
    expect(onDestination).toMatchObject({ ...expected, command: 'NEW_DEST' })
    expect(onDestination.message).toContain('10.1.0.1:53 of udp 192.0.2.1:53')
    const error = await errorOf(ipvs.addDestination(id, { ...destination, forwarding: 'local' }))
    expect(error).toMatchObject({ ...expected, command: 'NEW_DEST' })
    expect([isExists(error), isNotFound(error)]).toEqual([true, false])
  })

  test('every verb on a missing service is ERR_IPVS_NO_SERVICE', async () => {
    const expected = { code: 'ERR_IPVS_NO_SERVICE', errno: -ESRCH, errnoName: 'ESRCH' }
    const cases: readonly [Change, string, () => Promise<unknown>][] = [
      [
        { op: 'replace-service', service: { ...service, port: 54 } },
        'SET_SERVICE',
        () => ipvs.replaceService({ ...service, port: 54 }),
      ],
      [{ op: 'remove-service', service: absent }, 'DEL_SERVICE', () => ipvs.removeService(absent)],
      [
        { op: 'add-destination', service: absent, destination: { ...destination, port: 54 } },
        'NEW_DEST',
        () => ipvs.addDestination(absent, { ...destination, port: 54 }),
      ],
      [
        { op: 'ensure-destination', service: absent, destination: { ...destination, port: 54 } },
        'NEW_DEST',
        () => ipvs.addDestination(absent, { ...destination, port: 54 }),
      ],
      [
        { op: 'replace-destination', service: absent, destination: { ...destination, port: 54 } },
        'SET_DEST',
        () => ipvs.replaceDestination(absent, { ...destination, port: 54 }),
      ],
      [
        { op: 'remove-destination', service: absent, destination },
        'DEL_DEST',
        () => ipvs.removeDestination(absent, destination),
      ],
    ]
    for (const [change, command, verb] of cases) {
      expect(await failing(change)).toMatchObject({ ...expected, command })
      const error = await errorOf(verb())
      expect(error).toMatchObject({ ...expected, command })
      expect(isNotFound(error)).toBe(true)
    }
    const { code } = expected
    expect(await errorOf(ipvs.destinations(absent))).toMatchObject({ code, command: 'GET_DEST' })
    expect(await errorOf(ipvs.updateService(absent, {}))).toMatchObject({ code })
    expect(await errorOf(ipvs.updateDestination(absent, destination, {}))).toMatchObject({ code })
    expect(await ipvs.service(absent)).toBeUndefined()
    expect((await ipvs.apply([{ op: 'ensure-no-service', service: absent }])).failed).toBe(0)
  })

  test('every verb on a missing destination is ERR_IPVS_NO_DESTINATION', async () => {
    const code = 'ERR_IPVS_NO_DESTINATION'
    const expected = { code, errno: -ENOENT, errnoName: 'ENOENT' }
    const replaced = await failing({ op: 'replace-destination', service, destination: stranger })
    expect(replaced).toMatchObject({ ...expected, command: 'SET_DEST' })
    const removed = await failing({ op: 'remove-destination', service, destination: stranger })
    expect(removed).toMatchObject({ ...expected, command: 'DEL_DEST' })
    const verb = await errorOf(ipvs.replaceDestination(id, stranger))
    expect(verb).toMatchObject({ ...expected, command: 'SET_DEST' })
    const error = await errorOf(ipvs.removeDestination(id, stranger))
    expect(error).toMatchObject({ ...expected, command: 'DEL_DEST' })
    expect(isNotFound(error)).toBe(true)
    expect(await errorOf(ipvs.updateDestination(id, stranger, { weight: 0 }))).toMatchObject({
      code,
    })
  })

  test('an unknown scheduler is ERR_IPVS_NO_SCHEDULER', async () => {
    const expected = { code: 'ERR_IPVS_NO_SCHEDULER', errno: -ENOENT, errnoName: 'ENOENT' }
    const unknown = { ...service, scheduler: 'nosuch' }
    const fresh = { ...unknown, port: 55 }
    const cases = [
      [{ op: 'add-service', service: fresh }, 'NEW_SERVICE'],
      [{ op: 'ensure-service', service: fresh }, 'NEW_SERVICE'],
      [{ op: 'replace-service', service: unknown }, 'SET_SERVICE'],
      [{ op: 'ensure-service', service: unknown }, 'SET_SERVICE'],
    ] as const
    for (const [change, command] of cases) {
      const error = await failing(change)
      expect(error).toMatchObject({ ...expected, command })
      expect(error.message).toContain('modprobe ip_vs_nosuch')
    }
    const engine = { persistence: { timeoutSeconds: 60 }, persistenceEngine: 'sip' }
    expect(await errorOf(ipvs.addService({ ...fresh, ...engine }))).toMatchObject(expected)
    expect(await ipvs.service(fresh)).toBeUndefined()
    expect(await ipvs.service(id)).toMatchObject({ scheduler: 'rr' })
  })

  test('an unknown persistence engine is ERR_IPVS_NO_ENGINE', async () => {
    const expected = { code: 'ERR_IPVS_NO_ENGINE', errno: -ENOENT, errnoName: 'ENOENT' }
    const engine = { persistence: { timeoutSeconds: 60 }, persistenceEngine: 'nosuch' }
    const added = await failing({ op: 'add-service', service: { ...service, port: 55, ...engine } })
    expect(added).toMatchObject({ ...expected, command: 'NEW_SERVICE' })
    expect(added.message).toContain('modprobe ip_vs_pe_nosuch')
    const replaced = await failing({ op: 'replace-service', service: { ...service, ...engine } })
    expect(replaced).toMatchObject({ ...expected, command: 'SET_SERVICE' })
  })

  test('a destination that is a broadcast address of a local subnet is ERR_IPVS_INVALID', async () => {
    ns.run(['ip', 'addr', 'add', '10.9.0.1/24', 'dev', 'lo'])
    const expected = { code: 'ERR_IPVS_INVALID', errno: -EINVAL, errnoName: 'EINVAL' }
    const broadcast = { ...destination, address: '10.9.0.255' }
    const change: Change = { op: 'add-destination', service, destination: broadcast }
    expect(await failing(change)).toMatchObject({ ...expected, command: 'NEW_DEST' })
    const linkLocal: Change = {
      op: 'add-destination',
      service,
      destination: { ...destination, address: 'fe80::1', forwarding: 'tunnel' },
    }
    expect(await failing(linkLocal)).toMatchObject({ ...expected, command: 'NEW_DEST' })
    const neighbour = { ...destination, address: '10.9.0.254' }
    await ipvs.addDestination(id, neighbour)
    await ipvs.removeDestination(id, neighbour)
  })

  test('a tunnel across families while a sync daemon runs is ERR_IPVS_INVALID', async () => {
    const mixed = { ...destination, address: '2001:db8:1::1', forwarding: 'tunnel' } as const
    ns.ipvsadm('--start-daemon', 'backup', '--mcast-interface', 'lo')
    const error = await failing({ op: 'add-destination', service, destination: mixed })
    expect(error).toMatchObject({ code: 'ERR_IPVS_INVALID', errno: -EINVAL, command: 'NEW_DEST' })
    expect(error.message).toContain('sync daemon')
    ns.ipvsadm('--stop-daemon', 'backup')
    await ipvs.addDestination(id, mixed)
    await ipvs.removeDestination(id, mixed)
  })

  test('in a namespace whose loopback was never up every destination is ERR_IPVS_INVALID, and the message says so', async () => {
    const name = `${ns.name}-lo`
    ns.run(['ip', 'netns', 'add', name])
    try {
      await using other = await ns.open({ netns: name })
      await other.addService(service)
      const error = await errorOf(other.addDestination(id, destination))
      expect(error).toMatchObject({ code: 'ERR_IPVS_INVALID', errno: -EINVAL, command: 'NEW_DEST' })
      expect(error.message).toContain('is lo up?')
      ns.run(['ip', '-n', name, 'link', 'set', 'lo', 'up'])
      await other.addDestination(id, destination)
    } finally {
      ns.run(['ip', 'netns', 'del', name])
    }
  })

  test('one failure in a batch names its own index and leaves the others alone', async () => {
    const result = await ipvs.apply([
      { op: 'replace-destination', service, destination: { ...destination, weight: 5 } },
      { op: 'replace-destination', service, destination: stranger },
      { op: 'remove-service', service: absent },
      { op: 'replace-destination', service, destination: { ...destination, weight: 6 } },
    ])
    expect(result).toMatchObject({ total: 4, applied: 2, failed: 2 })
    expect(result.errors.map(({ index, error }) => [index, (error as IpvsError).code])).toEqual([
      [1, 'ERR_IPVS_NO_DESTINATION'],
      [2, 'ERR_IPVS_NO_SERVICE'],
    ])
    expect(result.outcomes.map(({ status }) => status)).toEqual([
      'applied',
      'failed',
      'failed',
      'applied',
    ])
    expect((await ipvs.destinations(id))[0]!.weight).toBe(6)
  })

  test.each([
    ['a name that "ip netns" does not know', 'ipvs-nosuch', 'ENOENT'],
    ['a path that is not there', '/run/netns/ipvs-nosuch', 'ENOENT'],
    ['a file that is no namespace', '/etc/passwd', 'EINVAL'],
    ['a path below a file', '/etc/passwd/net', 'ENOTDIR'],
    ['a namespace of another kind', '/proc/self/ns/mnt', 'EINVAL'],
    ['a process that is not there', { pid: 2_147_483_647 }, 'ENOENT'],
    ['a descriptor that is not open', { fd: 9999 }, 'EBADF'],
  ] as const)('opening in %s is ERR_IPVS_NO_NAMESPACE', async (_, netns, errnoName) => {
    const error = await errorOf(Ipvs.open({ netns }))
    expect(error).toMatchObject({ code: 'ERR_IPVS_NO_NAMESPACE', command: 'OPEN', errnoName })
    expect(error.errno).toBe(-constants.errno[errnoName])
  })

  test('opening in a descriptor that is no namespace is ERR_IPVS_NO_NAMESPACE', async () => {
    const fd = openSync('/etc/passwd', 'r')
    try {
      const error = await errorOf(Ipvs.open({ netns: { fd } }))
      expect(error).toMatchObject({ code: 'ERR_IPVS_NO_NAMESPACE', errnoName: 'EINVAL' })
    } finally {
      closeSync(fd)
    }
  })

  test('without CAP_NET_ADMIN opening is ERR_IPVS_PERMISSION', () => {
    const expected = { code: 'ERR_IPVS_PERMISSION', errno: -EPERM, errnoName: 'EPERM' }
    const user = programValue<Results>('attempt.mjs', [ns.name], { uid: 65534 })
    for (const open of [user.open, user.openNamed]) {
      expect(open).toMatchObject({ ...expected, kind: 'IpvsError', command: 'OPEN' })
    }
    const under = ['capsh', '--drop=cap_net_admin', '--shell=/usr/bin/env', '--']
    const { open } = programValue<Results>('attempt.mjs', [], { under })
    expect(open).toMatchObject({ ...expected, command: 'OPEN' })
    expect(open!.message).toContain('CAP_NET_ADMIN')
  })

  test('a capability dropped after opening is ERR_IPVS_PERMISSION from the next call on', () => {
    const results = programValue<Results>('attempt.mjs', [], { env: { DROP: '1' } })
    const expected = { code: 'ERR_IPVS_PERMISSION', errno: -EPERM, errnoName: 'EPERM' }
    expect(results).toMatchObject({
      open: { ok: true },
      addService: { ...expected, command: 'NEW_SERVICE', change: { op: 'add-service' } },
      applySync: { ...expected, command: 'DEL_SERVICE' },
      services: { ...expected, command: 'GET_SERVICE' },
      service: { ...expected, command: 'GET_SERVICE' },
      destinations: { ...expected, command: 'GET_DEST' },
      snapshot: { ...expected, command: 'GET_SERVICE' },
      close: { ok: true },
    })
  })

  test('in a user namespace IPVS is ERR_IPVS_UNAVAILABLE, for the reason "user-namespace"', () => {
    const { open } = programValue<Results>('attempt.mjs', [], { under: ['unshare', '-Urn'] })
    expect(open).toMatchObject({
      code: 'ERR_IPVS_UNAVAILABLE',
      reason: 'user-namespace',
      errno: -EPERM,
      errnoName: 'EPERM',
      command: 'OPEN',
    })
  })
})

type Results = Record<string, Record<string, unknown>>
