// (command, errno) decides the code; the message says what to do.
import { constants } from 'node:os'
import { describe, expect, test } from 'vitest'
import { IpvsApplyError, IpvsError, isExists, isNotFound } from '../../../src/errors.js'
import { OUTCOME } from '../../../src/kernel/addon.js'
import { changeError, readError } from '../../../src/kernel/errors.js'
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

test.each([
  [service, NEW_SERVICE, 'EEXIST', 'ERR_IPVS_EXISTS', 'NEW_SERVICE'],
  [destination, NEW_DEST, 'EEXIST', 'ERR_IPVS_EXISTS', 'NEW_DEST'],
  [service, DEL_SERVICE, 'ESRCH', 'ERR_IPVS_NO_SERVICE', 'DEL_SERVICE'],
  [destination, NEW_DEST, 'ESRCH', 'ERR_IPVS_NO_SERVICE', 'NEW_DEST'],
  [destination, NEW_DEST, 'EINVAL', 'ERR_IPVS_INVALID', 'NEW_DEST'],
  [destination, SET_DEST, 'ERANGE', 'ERR_IPVS_RANGE', 'SET_DEST'],
  [service, NEW_SERVICE, 'EPERM', 'ERR_IPVS_PERMISSION', 'NEW_SERVICE'],
  [service, NEW_SERVICE, 'EAFNOSUPPORT', 'ERR_IPVS_FAMILY', 'NEW_SERVICE'],
  [service, NEW_SERVICE, 'ENOMEM', 'ERR_IPVS_MEMORY', 'NEW_SERVICE'],
  [service, NEW_SERVICE, 'EBUSY', 'ERR_IPVS_KERNEL', 'NEW_SERVICE'],
] as const)('%o by command %i: %s is %s', (change, number, name, code, command) => {
  const error = changeError(change, errno[name], number, '')
  expect(error).toMatchObject({ code, command, errnoName: name })
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
