// What a pool really sends, counted by strace.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { kernelSuite, type Namespace, namespace } from './namespace.js'
import { program } from './programs.js'
import { messages, STRACE, type SystemCall, systemCalls } from './strace.js'

const NEW_SERVICE = 1
const SET_SERVICE = 2
const NEW_DEST = 5
const SET_DEST = 6
const DEL_DEST = 7
const MUTATING = [NEW_SERVICE, SET_SERVICE, 3, NEW_DEST, SET_DEST, DEL_DEST]
const CONTROLLER = 0x10 // genetlink.h: GENL_ID_CTRL; its command numbers are others
const NOOP = 1

kernelSuite('what a pool sends', () => {
  let space: Namespace
  let folder: string

  beforeAll(() => {
    space = namespace()
    folder = mkdtempSync(path.join(tmpdir(), 'ipvs-pool-'))
  })

  afterAll(() => {
    space?.close()
    rmSync(folder, { recursive: true, force: true })
  })

  function trace(...flips: string[]): readonly SystemCall[] {
    const file = path.join(folder, 'trace')
    const under = [...STRACE, '-e', 'trace=network,write', '-o', file]
    const { status, stderr } = program('pool.mjs', [space.name, ...flips], { under })
    expect(status, stderr).toBe(0)
    return systemCalls(readFileSync(file, 'utf8'))
  }

  const mutating = (calls: readonly SystemCall[]): number[] =>
    calls
      .filter(({ name, netlink }) => netlink && name === 'sendmsg')
      .flatMap(({ bytes }) => messages(bytes))
      .filter(
        ({ type, command }) => type !== CONTROLLER && type !== NOOP && MUTATING.includes(command),
      )
      .map(({ command }) => command)

  test('the first opening makes two services with two servers each', () => {
    const commands = mutating(trace())
    expect(commands.filter((command) => command === NEW_SERVICE).length).toBe(2)
    expect(commands.filter((command) => command === NEW_DEST).length).toBe(4)
    expect(space.rules().length).toBe(6)
  })

  test('reopening the unchanged pool sends no mutating message', () => {
    expect(mutating(trace())).toEqual([])
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
  ])('%s edited by another hand takes one message to repair', (_, command, words) => {
    const before = space.rules()
    space.ipvsadm(...words)
    expect(mutating(trace())).toEqual([command])
    expect(space.rules()).toEqual(before)
  })

  test('each flip is one sendmsg with both protocols and the barrier, then one receive', () => {
    const calls = trace('down', 'up', 'weight')
    const marks = calls.flatMap(({ name, bytes }, at) =>
      name === 'write' && Buffer.from(bytes).toString() === 'mark\n' ? [at] : [],
    )
    expect(marks.length).toBe(4)
    for (const [n, command] of [DEL_DEST, NEW_DEST, SET_DEST].entries()) {
      const netlink = calls.slice(marks[n], marks[n + 1]).filter((call) => call.netlink)
      expect(netlink.map(({ name }) => name)).toEqual(['sendmsg', 'recvmmsg'])
      expect(messages(netlink[0]!.bytes)).toMatchObject([
        { command, protocol: 'tcp', destination: '10.1.0.1' },
        { command, protocol: 'udp', destination: '10.1.0.1' },
        { type: NOOP },
      ])
    }
  })
})
