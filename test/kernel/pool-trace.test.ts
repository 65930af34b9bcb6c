// What a pool really sends, counted by strace.
import { expect, test } from 'vitest'
import { kernelSuite } from '../../lab/guest/suite.js'
import type { MirroredPoolOptions } from '../../src/pool/api.js'
import { MirroredPool } from '../../src/pool/index.js'
import { ipvs, ns, setUp } from './setup.js'
import { messages } from './strace.js'
import { traced } from './traced.js'

const dns = {
  address: '192.0.2.1',
  port: 53,
  scheduler: 'wrr',
  forwarding: 'direct',
  servers: ['10.1.0.1', { address: '10.1.0.2', weight: 5 }],
} as const satisfies MirroredPoolOptions

const NEW_SERVICE = 1
const SET_SERVICE = 2
const NEW_DEST = 5
const SET_DEST = 6
const DEL_DEST = 7
const MUTATING = [NEW_SERVICE, SET_SERVICE, 3, NEW_DEST, SET_DEST, DEL_DEST]
const NOOP = 1

kernelSuite('what a pool sends', () => {
  setUp()

  const open = (options: Partial<MirroredPoolOptions> = {}) =>
    MirroredPool.open(ipvs, { ...dns, ...options } as MirroredPoolOptions)

  /** The commands of all changes in the opening of the pool. */
  const opening = (options?: Partial<MirroredPoolOptions>): Promise<number[]> =>
    changesOf(async () => (await open(options)).close())

  async function changesOf(work: () => Promise<unknown>): Promise<number[]> {
    const calls = await traced('sendmsg', work)
    return calls
      .filter(({ netlink }) => netlink)
      .flatMap(({ bytes }) => messages(bytes))
      .filter(({ type, command }) => type !== NOOP && MUTATING.includes(command))
      .map(({ command }) => command)
  }

  test('the first opening makes two services with two servers each', async () => {
    const commands = await opening()
    expect(commands.filter((command) => command === NEW_SERVICE).length).toBe(2)
    expect(commands.filter((command) => command === NEW_DEST).length).toBe(4)
    expect(ns.rules().length).toBe(6)
  })

  test.each<[string, Partial<MirroredPoolOptions>]>([
    ['as it was opened', {}],
    ['adopting', { initial: 'adopt' }],
    ['with rules', { quorum: { up: 2 }, backup: ['10.1.0.9'], slowStart: { durationMs: 60_000 } }],
    ['adopting, with rules', { initial: 'adopt', quorum: { up: 2 }, backup: ['10.1.0.9'] }],
  ])('reopening the unchanged pool sends no mutating message (%s)', async (_, options) => {
    await (await open()).close()
    expect(await opening(options)).toEqual([])
  })

  test('a pool that adopts, and then hears what it has presumed, sends no mutating message', async () => {
    await (await open()).close()
    const sent = await changesOf(async () => {
      await using pool = await open({ initial: 'adopt' })
      for (const member of [...pool.members()]) {
        await pool.report(member, { healthy: true, initial: true, reason: 'answered', at: 0 })
      }
      await pool.reconcile()
    })
    expect(sent).toEqual([])
  })

  test('a drain whose signal is aborted already sends no mutating message', async () => {
    await using pool = await open()
    const before = ns.rules()
    const sent = await changesOf(async () => {
      const drained = await pool.drain('10.1.0.2', { signal: AbortSignal.abort() })
      expect(drained).toMatchObject({ outcome: 'cancelled', elapsedMs: 0 })
    })
    expect(sent).toEqual([])
    expect(ns.rules()).toEqual(before)
  })

  test.each([
    ['a weight', SET_DEST, ['-e', '-u', '192.0.2.1:53', '-r', '10.1.0.2:53', '-g', '-w', '1']],
    ['a method', SET_DEST, ['-e', '-t', '192.0.2.1:53', '-r', '10.1.0.2:53', '-m', '-w', '5']],
    [
      'a threshold',
      SET_DEST,
      ['-e', '-u', '192.0.2.1:53', '-r', '10.1.0.2:53', '-g', '-w', '5', '-x', '9'],
    ],
    ['a scheduler', SET_SERVICE, ['-E', '-t', '192.0.2.1:53', '-s', 'rr']],
    ['persistence', SET_SERVICE, ['-E', '-t', '192.0.2.1:53', '-s', 'wrr', '-p', '60']],
  ])('%s edited by another hand takes one message to repair', async (_, command, words) => {
    await (await open()).close()
    const before = ns.rules()
    ns.ipvsadm(...words)
    expect(await opening()).toEqual([command])
    expect(ns.rules()).toEqual(before)
  })

  test('each flip is one sendmsg with both protocols and the barrier, then one receive', async () => {
    await using pool = await open()
    const calls = await traced('network', async () => {
      await pool.down('10.1.0.1')
      await pool.up('10.1.0.1')
      await pool.setWeight('10.1.0.1', 7)
    })
    const netlink = calls.filter((call) => call.netlink)
    const flip = ['sendmsg', 'recvmmsg']
    expect(netlink.map(({ name }) => name)).toEqual([...flip, ...flip, ...flip])
    for (const [n, command] of [DEL_DEST, NEW_DEST, SET_DEST].entries()) {
      expect(messages(netlink[2 * n]!.bytes)).toMatchObject([
        { command, protocol: 'tcp', destination: '10.1.0.1' },
        { command, protocol: 'udp', destination: '10.1.0.1' },
        { type: NOOP },
      ])
    }
  })
})
