// A flip is one sendmsg: what strace sees of it, and what somebody sees who looks at the table all the time.
import { spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { release, tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { Ipvs } from '../../src/client.js'
import type { Change } from '../../src/types.js'
import { command, kernelSuite, type Namespace, namespace } from './namespace.js'
import { program, programPath } from './programs.js'
import { betweenMarks, messages, STRACE, type SystemCall, systemCalls } from './strace.js'

const udp = { protocol: 'udp', address: '192.0.2.1', port: 53 } as const
const tcp = { ...udp, protocol: 'tcp' } as const

const NEW_DEST = 5
const SET_DEST = 6
const NOOP = { type: 1, flags: 5 /* NLM_F_REQUEST | NLM_F_ACK */ }

kernelSuite('flips', () => {
  let space: Namespace
  let folder: string

  beforeAll(() => {
    folder = mkdtempSync(path.join(tmpdir(), 'ipvs-flip-'))
  })

  afterAll(() => {
    if (folder !== undefined) rmSync(folder, { recursive: true })
  })

  beforeEach(() => {
    space = namespace()
    return () => space.close()
  })

  /** The system calls of programs/flip.mjs while it makes its changes. */
  function trace(how: string, only: readonly string[] = []): readonly SystemCall[] {
    const file = path.join(folder, how)
    const under = [...STRACE, ...only, '-o', file]
    const { status, stderr } = program('flip.mjs', [space.name, how], { under })
    expect(status, stderr).toBe(0)
    return betweenMarks(systemCalls(readFileSync(file, 'utf8')))
  }

  const onlyNetwork = ['-e', 'trace=network,write']

  test('a flip in a bulk call of 50,000 changes waits for the chunk under way, and goes in the next sendmsg', () => {
    const file = path.join(folder, 'bulk')
    const under = [...STRACE, ...onlyNetwork, '-o', file]
    const { status, stderr } = program('bulk-flip.mjs', [space.name], { under })
    expect(status, stderr).toBe(0)
    let queued = 0
    let before = 0
    let chunks = 0
    const waits: number[] = []
    for (const { name, netlink, bytes } of systemCalls(readFileSync(file, 'utf8'))) {
      if (name === 'write' && Buffer.from(bytes).toString() === 'flip\n') {
        queued++
        before = 0
      }
      if (name !== 'sendmsg' || !netlink) continue
      const sent = messages(bytes)
      if (sent.some(({ destination }) => destination === '10.9.0.1')) {
        // Some are gone before their mark is written. (The first is not a flip: the server is added.)
        if (sent.some(({ command }) => command === SET_DEST)) {
          waits.push(waits.length < queued ? before : 0)
        }
      } else if (sent.length > 3) {
        before++
        if (waits.length > 0) chunks++
      }
    }
    expect(waits.length).toBeGreaterThan(3)
    expect(chunks).toBeGreaterThan(5)
    // One may have been taken from the queue before the flip was in it, and begin after.
    for (const chunksBefore of waits) expect(chunksBefore).toBeLessThanOrEqual(1)
  })

  test.each(['apply', 'applySync'])(
    'the two halves of a flip by %s are one sendmsg and one recvmmsg, with nothing between them',
    (how) => {
      const calls = trace(how)
      const sends = calls.filter(({ netlink, name }) => netlink && /send|write/.test(name))
      expect(sends.length).toBe(1)
      const [send] = sends
      expect(send!.name).toBe('sendmsg')
      expect(messages(send!.bytes)).toMatchObject([
        { command: NEW_DEST, flags: 1, protocol: 'tcp', destination: '10.1.0.1' },
        { command: NEW_DEST, flags: 1, protocol: 'udp', destination: '10.1.0.1' },
        NOOP,
      ])
      const own = calls.filter(({ thread }) => thread === send!.thread)
      const at = own.indexOf(send!)
      expect(own[at + 1]).toMatchObject({ name: 'recvmmsg', netlink: true })
      expect(calls.filter(({ netlink }) => netlink).length).toBe(2)
    },
  )

  test('the JavaScript thread itself neither sends nor receives in apply', () => {
    const calls = trace('apply', onlyNetwork)
    const [main] = systemCalls(readFileSync(path.join(folder, 'apply'), 'utf8'))
    expect(calls.filter(({ netlink, thread }) => netlink && thread === main!.thread)).toEqual([])
  })

  test('two verbs, one awaited after the other, are two sendmsg: the trace can tell', () => {
    const calls = trace('verbs', onlyNetwork)
    const sends = calls.filter(({ name, netlink }) => netlink && name === 'sendmsg')
    expect(sends.map(({ bytes }) => messages(bytes).map(({ protocol }) => protocol))).toEqual([
      ['tcp', undefined],
      ['udp', undefined],
    ])
  })

  test('no batch of a large bulk ends between the halves of a flip', () => {
    const calls = trace('bulk', onlyNetwork)
    const sends = calls.filter(({ name, netlink }) => netlink && name === 'sendmsg')
    const batches = sends.map(({ bytes }) => messages(bytes))
    expect(batches.length).toBeGreaterThan(4)
    let pairs = 0
    for (const batch of batches) {
      expect(batch.pop()).toMatchObject(NOOP)
      const flips = batch.filter(({ destination }) => destination !== '10.1.234.96')
      expect(flips.length % 2).toBe(0)
      for (let n = 0; n < flips.length; n += 2) {
        const [first, second] = flips.slice(n, n + 2)
        if (first!.protocol !== 'tcp' || second!.protocol !== 'udp') continue
        if (first!.destination === second!.destination) pairs++
      }
    }
    expect(pairs).toBe(2600)
    // An even number of messages fits, so that the odd one in front makes every full batch one shorter.
    const sequences = batches.flat().map(({ sequence }) => sequence)
    expect(new Set(sequences).size).toBe(5201)
  })

  test('somebody who looks all the time sees none of 2,000 flips split, but sees two calls split', async () => {
    const sampler = path.join(folder, 'sampler')
    command([
      process.env.CC ?? 'gcc',
      '-O2',
      '-Wall',
      '-Werror',
      '-o',
      sampler,
      programPath('sampler.c'),
    ])
    await using ipvs = await Ipvs.open({ netns: space.name })
    const services = [tcp, udp].map(
      (id): Change => ({
        op: 'add-service',
        service: { ...id, scheduler: 'rr' },
      }),
    )
    expect((await ipvs.apply(services)).failed).toBe(0)

    const together = async (halves: Change[]): Promise<number> => (await ipvs.apply(halves)).failed
    const blocking = async (halves: Change[]): Promise<number> => ipvs.applySync(halves).failed
    const apart = async (halves: Change[]): Promise<number> => {
      let failed = 0
      for (const half of halves) failed += (await ipvs.apply([half])).failed
      return failed
    }
    const seen = {
      together: await watched(sampler, () => flips(2000, together)),
      blocking: await watched(sampler, () => flips(500, blocking)),
      apart: await watched(sampler, () => flips(2000, apart)),
    }
    console.info(`flips, as an outside sampler saw them: ${JSON.stringify(seen)}`)
    // It did look between nearly every two flips.
    expect(seen.together.changes).toBeGreaterThan(1000)
    expect(seen.blocking.changes).toBeGreaterThan(250)
    // A kernel that never yields inside a system call (the lab's 6.1 and 6.12, one CPU) shows none at all. With
    // voluntary preemption (7.2) or several CPUs one look in some hundred falls between the two messages.
    expect(seen.apart.splits).toBeGreaterThan(500)
    // Debian's 7.2 preempts voluntarily: there another process can get in between two messages of one sendmsg.
    const allowed = /^6\.(1|12)\./.test(release()) ? 0 : seen.apart.splits / 20
    expect(seen.together.splits).toBeLessThanOrEqual(allowed)
    expect(seen.blocking.splits).toBeLessThanOrEqual(allowed)
  })

  /** Another weight each time, and every fourth time the server goes. */
  async function flips(count: number, apply: (halves: Change[]) => Promise<number>): Promise<void> {
    const destination = { address: '10.1.0.1', port: 53, forwarding: 'masquerade' } as const
    for (let n = 0; n < count; n++) {
      const halves = [tcp, udp].map(
        (service): Change =>
          n % 4 === 3
            ? { op: 'remove-destination', service, destination }
            : { op: 'ensure-destination', service, destination: { ...destination, weight: n } },
      )
      expect(await apply(halves)).toBe(0)
    }
  }

  /** What programs/sampler.c saw while `work` ran. */
  async function watched(sampler: string, work: () => Promise<void>): Promise<Seen> {
    const words = [`--net=/run/netns/${space.name}`, sampler, '100']
    const child = spawn('nsenter', words, { stdio: ['pipe', 'pipe', 'inherit'] })
    let text = ''
    const ended = new Promise((resolve) => child.on('close', resolve))
    await new Promise<void>((resolve) => {
      child.stdout.on('data', (data) => {
        text += data
        if (text.includes('ready')) resolve()
      })
    })
    await work()
    child.stdin.end()
    expect(await ended).toBe(0)
    const [looks, splits, changes] = text.split('\n')[1]!.split(' ').map(Number)
    return { looks: looks!, splits: splits!, changes: changes! }
  }
})

interface Seen {
  readonly looks: number
  /** Looks at which TCP and UDP differed. */
  readonly splits: number
  /** Looks at which something was new. */
  readonly changes: number
}
