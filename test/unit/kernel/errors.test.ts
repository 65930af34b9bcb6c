// (command, errno) decides the code; the message says what to do.
import { constants } from 'node:os'
import { describe, expect, test } from 'vitest'
import {
  IpvsApplyError,
  type IpvsCommand,
  IpvsError,
  type IpvsErrorCode,
  isExists,
  isNotFound,
} from '../../../src/errors.js'
import { OUTCOME } from '../../../src/kernel/addon.js'
import { changeError, commandError, readError, sysctlError } from '../../../src/kernel/errors.js'
import type { Change } from '../../../src/types.js'

const { errno } = constants
const id = { protocol: 'udp', address: '192.0.2.1', port: 53 } as const
const service: Change = { op: 'add-service', service: { ...id, scheduler: 'zork' } }
const engine: Change = {
  op: 'add-service',
  service: {
    ...id,
    scheduler: 'rr',
    persistence: { timeoutSeconds: 60 },
    persistenceEngine: 'zork',
  },
}
const destination: Change = {
  op: 'add-destination',
  service: id,
  destination: { address: '10.1.0.1', port: 53, forwarding: 'direct' },
}

const NEW_SERVICE = 1
const SET_SERVICE = 2
const DEL_SERVICE = 3
const NEW_DEST = 5
const SET_DEST = 6
const DEL_DEST = 7

describe('ENOENT and its meanings', () => {
  test.each([
    [service, NEW_SERVICE, 'ERR_IPVS_NO_SCHEDULER', /modprobe ip_vs_zork/],
    [service, SET_SERVICE, 'ERR_IPVS_NO_SCHEDULER', /scheduler "zork"/],
    [engine, NEW_SERVICE, 'ERR_IPVS_NO_ENGINE', /modprobe ip_vs_pe_zork/],
    [destination, SET_DEST, 'ERR_IPVS_NO_DESTINATION', /no such destination/],
    [destination, DEL_DEST, 'ERR_IPVS_NO_DESTINATION', /10\.1\.0\.1:53 of udp 192\.0\.2\.1:53/],
  ])('%o by command %i', (change, command, code, message) => {
    const error = changeError(change, errno.ENOENT, command, '')
    expect(error).toMatchObject({ code, errno: -errno.ENOENT, errnoName: 'ENOENT', change })
    expect(error.message).toMatch(message)
  })
})

/** By errno: the code, and what the message says to do. */
type Meanings = Record<string, readonly [code: IpvsErrorCode, remedy: RegExp]>

const ANYWHERE: Meanings = {
  EPERM: ['ERR_IPVS_PERMISSION', /CAP_NET_ADMIN.*Run as root/],
  ENOMEM: ['ERR_IPVS_MEMORY', /try again/],
  ENOBUFS: ['ERR_IPVS_MEMORY', /try again/],
  EBUSY: ['ERR_IPVS_KERNEL', /dmesg/],
  ENOTSUP: ['ERR_IPVS_KERNEL', /dmesg/],
}
const OF_CHANGES: Meanings = {
  ...ANYWHERE,
  ESRCH: ['ERR_IPVS_NO_SERVICE', /add it first/],
  ERANGE: ['ERR_IPVS_RANGE', /0 to 2147483647/],
  EAFNOSUPPORT: ['ERR_IPVS_FAMILY', /is IPv6 switched off\?/],
}
const OF_SERVICES: Meanings = {
  ...OF_CHANGES,
  EEXIST: ['ERR_IPVS_EXISTS', /ensure-service changes it/],
  ENOENT: ['ERR_IPVS_NO_SCHEDULER', /try "modprobe ip_vs_zork"/],
  EINVAL: ['ERR_IPVS_INVALID', /dmesg/],
}
const OF_DESTINATIONS: Meanings = {
  ...OF_CHANGES,
  EEXIST: ['ERR_IPVS_EXISTS', /ensure-destination changes it/],
  ENOENT: ['ERR_IPVS_NO_DESTINATION', /add it first/],
  EINVAL: ['ERR_IPVS_INVALID', /is lo up\?.*sync daemon stopped/],
}
const rows = <const T extends readonly [IpvsCommand, ...unknown[]]>(
  meanings: Meanings,
  ...of: T[]
) =>
  of.flatMap((it) =>
    Object.entries(meanings).map(([name, about]) => [...it, name, ...about] as const),
  )

const onService = (op: 'add-service' | 'replace-service') => ({ ...service, op }) as Change
const onDestination = (op: 'add-destination' | 'replace-destination') =>
  ({ ...destination, op }) as Change
const removal: Change = {
  op: 'remove-destination',
  service: id,
  destination: { address: '10.1.0.1', port: 53 },
}

test.each([
  ...rows(
    OF_SERVICES,
    ['NEW_SERVICE', NEW_SERVICE, onService('add-service')],
    ['SET_SERVICE', SET_SERVICE, onService('replace-service')],
    ['DEL_SERVICE', DEL_SERVICE, { ...service, op: 'remove-service' } as Change],
  ),
  ...rows(
    OF_DESTINATIONS,
    ['NEW_DEST', NEW_DEST, onDestination('add-destination')],
    ['SET_DEST', SET_DEST, onDestination('replace-destination')],
    ['DEL_DEST', DEL_DEST, removal],
  ),
])('%s (%i) on %o: %s is %s', (command, number, change, name, code, remedy) => {
  const error = changeError(change, errno[name as keyof typeof errno], number, '')
  expect(error).toMatchObject({ code, command, errnoName: name, change })
  expect(error.message).toMatch(remedy)
  expect(error.message).toContain(`${change.op} `)
  expect(error.message).toContain('udp 192.0.2.1:53')
  expect(error.message).toContain(`(${command}: ${name})`)
})

const DAEMON: Meanings = {
  ...ANYWHERE,
  EEXIST: ['ERR_IPVS_DAEMON_RUNNING', /stop it to change it/],
  ENODEV: ['ERR_IPVS_NO_DEVICE', /"ip link" shows them/],
  EINVAL: ['ERR_IPVS_INVALID', /beside a tunnel across address families/],
  ENETUNREACH: ['ERR_IPVS_KERNEL', /is it up, with an address/],
  EADDRNOTAVAIL: ['ERR_IPVS_KERNEL', /is it up, with an address/],
}
const NO_SERVICE: Meanings = { ESRCH: ['ERR_IPVS_NO_SERVICE', /add it first/] }

test.each([
  ...rows(DAEMON, ['NEW_DAEMON']),
  ...rows({ ...ANYWHERE, ESRCH: ['ERR_IPVS_DAEMON_STOPPED', /syncDaemons\(\) shows which do/] }, [
    'DEL_DAEMON',
  ]),
  ...rows({ ...ANYWHERE, EINVAL: ['ERR_IPVS_INVALID', /dmesg/] }, ['SET_CONFIG']),
  ...rows({ ...ANYWHERE, ...NO_SERVICE }, ['ZERO']),
  ...rows(ANYWHERE, ['FLUSH']),
] as const)('%s: %s is %s', (command, name, code, remedy) => {
  const error = commandError(errno[name as keyof typeof errno], command, 'doing this')
  expect(error).toMatchObject({ code, command, errnoName: name })
  expect(error.message).toMatch(remedy)
  expect(error.message).toMatch(/^doing this: /)
  expect(error.message).toContain(`(${command}: ${name})`)
})

test.each(
  rows(
    { ...ANYWHERE, ...NO_SERVICE },
    ['GET_SERVICE'],
    ['GET_DEST'],
    ['GET_DAEMON'],
    ['GET_CONFIG'],
    ['GET_INFO'],
  ),
)('%s: %s is %s', (command, name, code, remedy) => {
  const error = readError(errno[name as keyof typeof errno], command, 'reading this')
  expect(error).toMatchObject({ code, command, errnoName: name })
  expect(error.message).toMatch(remedy)
  expect(error.message).toMatch(/^reading this: /)
  expect(error.message).toContain(`(${command}: ${name})`)
})

test.each([
  ['ENOENT', 'ERR_IPVS_KERNEL', /sysctls\(\) shows those it has/],
  ['EACCES', 'ERR_IPVS_READ_ONLY', /as root on the host/],
  ['EPERM', 'ERR_IPVS_READ_ONLY', /as root on the host/],
  ['EROFS', 'ERR_IPVS_READ_ONLY', /as root on the host/],
  ['EINVAL', 'ERR_IPVS_INVALID', /ipvs-sysctl\.rst/],
  ['EIO', 'ERR_IPVS_KERNEL', /dmesg/],
] as const)('a setting: %s is %s', (name, code, remedy) => {
  const error = sysctlError(errno[name], 'setting drop_entry to 1')
  expect(error).toMatchObject({ code, errnoName: name })
  expect(error.message).toMatch(remedy)
  expect(error.message).toMatch(new RegExp(`^setting drop_entry to 1: .*\\(${name}\\)$`))
})

test('changes without an answer of the kernel say what happened to them', () => {
  const of = (code: number) =>
    changeError(destination, code, NEW_DEST, 'the deadline of 5 ms passed')
  expect(of(OUTCOME.notSent)).toMatchObject({ code: 'ERR_IPVS_NOT_SENT' })
  expect(of(OUTCOME.notSent).message).toMatch(/not sent: the deadline of 5 ms passed/)
  expect(of(OUTCOME.unknown)).toMatchObject({ code: 'ERR_IPVS_UNKNOWN_OUTCOME' })
  expect(of(OUTCOME.superseded)).toMatchObject({ code: 'ERR_IPVS_SUPERSEDED' })
  expect(of(OUTCOME.noFamily)).toMatchObject({ code: 'ERR_IPVS_UNAVAILABLE', reason: 'no-module' })
})

test('a read of a missing service is "not found"', () => {
  expect(isNotFound(readError(errno.ESRCH, 'GET_SERVICE', 'reading'))).toBe(true)
  expect(isNotFound(readError(errno.EPERM, 'GET_SERVICE', 'reading'))).toBe(false)
})

test('isNotFound and isExists look at the code only', () => {
  expect(isNotFound(changeError(destination, errno.ENOENT, DEL_DEST, ''))).toBe(true)
  expect(isNotFound(changeError(service, errno.ENOENT, NEW_SERVICE, ''))).toBe(false)
  expect(isExists(changeError(service, errno.EEXIST, NEW_SERVICE, ''))).toBe(true)
  expect(isExists(Object.assign(new Error(), { code: 'ERR_IPVS_EXISTS' }))).toBe(false)
})

test('IpvsApplyError tells of the first failure and carries the result', () => {
  const error = changeError(service, errno.EEXIST, NEW_SERVICE, '')
  const result = {
    total: 2,
    applied: 1,
    failed: 1,
    errors: [{ index: 1, change: service, error }],
    outcomes: [],
  }
  const thrown = new IpvsApplyError(result)
  expect(thrown).toBeInstanceOf(IpvsError)
  expect(thrown).toMatchObject({ code: 'ERR_IPVS_APPLY', name: 'IpvsApplyError', result })
  expect(thrown.message).toMatch(/1 of 2 changes.*index 1/)
})

describe('two copies of the package', () => {
  test('know each other by instanceof, isNotFound and isExists', async () => {
    const path = '../../../src/errors.ts?copy'
    const other: typeof import('../../../src/errors.js') = await import(path)
    expect(other.IpvsError).not.toBe(IpvsError)
    const missing = new other.IpvsError('ERR_IPVS_NO_SERVICE', 'it is not there')
    expect(missing).toBeInstanceOf(IpvsError)
    expect(missing).not.toBeInstanceOf(IpvsApplyError)
    expect(isNotFound(missing)).toBe(true)
    expect(other.isExists(new IpvsError('ERR_IPVS_EXISTS', 'it is there'))).toBe(true)
    const result = { total: 0, applied: 0, failed: 0, errors: [], outcomes: [] }
    const thrown = new other.IpvsApplyError(result)
    expect(thrown).toBeInstanceOf(IpvsError)
    expect(thrown).toBeInstanceOf(IpvsApplyError)
    expect(thrown).toBeInstanceOf(Error)
  })

  test('a derived class and what only looks like an error are told apart', () => {
    class Own extends IpvsError {}
    const own = new Own('ERR_IPVS_BUSY', 'busy')
    expect(own).toBeInstanceOf(Own)
    expect(own).toBeInstanceOf(IpvsError)
    expect(new IpvsError('ERR_IPVS_BUSY', 'busy')).not.toBeInstanceOf(Own)
    for (const value of [
      { code: 'ERR_IPVS_BUSY' },
      null,
      undefined,
      'ERR_IPVS_BUSY',
      new Error(),
    ]) {
      expect((value as unknown) instanceof IpvsError).toBe(false)
    }
  })
})
