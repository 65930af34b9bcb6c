// A flip is one sendmsg: what strace sees of it, and what somebody sees who looks at the table all the time.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, openSync, writeSync } from 'node:fs'
import { release } from 'node:os'
import path from 'node:path'
import { setImmediate } from 'node:timers/promises'
import { beforeEach, expect, test } from 'vitest'
import { kernelSuite } from '../../lab/guest/suite.js'
import type { Change, Destination } from '../../src/types.js'
import { command } from './namespace.js'
import { programPath } from './programs.js'
import { ipvs, ns, setUp } from './setup.js'
import { messages } from './strace.js'
import { traced } from './traced.js'

const udp = { protocol: 'udp', address: '192.0.2.1', port: 53 } as const
const tcp = { ...udp, protocol: 'tcp' } as const

const NEW_DEST = 5
const NOOP = { type: 1, flags: 5 /* NLM_F_REQUEST | NLM_F_ACK */ }

function server(n: number, weight = 1): Destination {
  return { address: `10.1.${n >> 8}.${n & 255}`, port: 53, forwarding: 'masquerade', weight }
}

const pair = (op: 'add-destination' | 'replace-destination', destination: Destination): Change[] =>
  [tcp, udp].map((service) => ({ op, service, destination }))

kernelSuite('flips', () => {
  setUp()

  beforeEach(async () => {
    for (const id of [tcp, udp]) await ipvs.addService({ ...id, scheduler: 'rr' })
  })

  test('a flip in a bulk call of 10,000 changes waits for the chunk under way, and goes in the next sendmsg', async () => {
    const busy = { ...udp, address: '192.0.2.2' }
    await ipvs.addService({ ...busy, scheduler: 'wrr' })
    await ipvs.apply(pair('add-destination', server(60_000)))
    const bulk = Array.from({ length: 10_000 }, (_, n): Change => {
      const destination = server(n % 500, 2 + (n % 7))
      return { op: 'ensure-destination', service: busy, destination }
    })
    const marks = openSync('/dev/null', 'w')
    const calls = await traced('network,write', async () => {
      let running = true
      const all = ipvs.apply(bulk, { priority: 'bulk' }).finally(() => {
        running = false
      })
      while (running) {
        await setImmediate()
        const flip = ipvs.apply(pair('replace-destination', server(60_000, 5)))
        await undefined // calls of one turn go out together, at its end
        writeSync(marks, 'flip')
        expect((await flip).failed).toBe(0)
      }
      expect((await all).failed).toBe(0)
    })
    closeSync(marks)
    let queued = 0
    let before = 0
    let chunks = 0
    const waits: number[] = []
    for (const { name, netlink, bytes } of calls) {
      if (name === 'write' && Buffer.from(bytes).toString() === 'flip') {
        queued++
        before = 0
      }
      if (name !== 'sendmsg' || !netlink) continue
      const sent = messages(bytes)
      // Some are gone before their mark is written.
      if (sent.some(({ destination }) => destination === server(60_000).address)) {
        waits.push(waits.length < queued ? before : 0)
      } else {
        before++
        if (waits.length > 0) chunks++
      }
    }
    expect(waits.length).toBeGreaterThan(3)
    expect(chunks).toBeGreaterThan(5)
    // One may have been taken from the queue before the flip was in it, and begin after.
    for (const chunksBefore of waits) expect(chunksBefore).toBeLessThanOrEqual(1)
  })

  test.each(['apply', 'applySync'] as const)(
    'the two halves of a flip by %s are one sendmsg and one recvmmsg, with nothing between them',
    async (how) => {
      const calls = await traced('all', async () => {
        expect((await ipvs[how](pair('add-destination', server(1)))).failed).toBe(0)
      })
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
      // In apply the JavaScript thread itself neither sends nor receives.
      expect(send!.thread === String(process.pid)).toBe(how === 'applySync')
    },
  )

  test('two verbs, one awaited after the other, are two sendmsg: the trace can tell', async () => {
    const calls = await traced('network', async () => {
      for (const service of [tcp, udp]) await ipvs.addDestination(service, server(1))
    })
    const sends = calls.filter(({ name, netlink }) => netlink && name === 'sendmsg')
    expect(sends.map(({ bytes }) => messages(bytes).map(({ protocol }) => protocol))).toEqual([
      ['tcp', undefined],
      ['udp', undefined],
    ])
  })

  test('no batch of a large bulk ends between the halves of a flip', async () => {
    // One change in front, so that pairs would straddle the end of every batch.
    const odd: Change = { op: 'add-destination', service: tcp, destination: server(60_000) }
    const pairs = Array.from({ length: 2600 }, (_, n) => pair('add-destination', server(n + 1)))
    const calls = await traced('network', async () => {
      const { failed } = await ipvs.apply([odd, ...pairs.flat()], { priority: 'bulk' })
      expect(failed).toBe(0)
    })
    const sends = calls.filter(({ name, netlink }) => netlink && name === 'sendmsg')
    const batches = sends.map(({ bytes }) => messages(bytes))
    expect(batches.length).toBeGreaterThan(4)
    let whole = 0
    for (const batch of batches) {
      expect(batch.pop()).toMatchObject(NOOP)
      const flips = batch.filter(({ destination }) => destination !== server(60_000).address)
      expect(flips.length % 2).toBe(0)
      for (let n = 0; n < flips.length; n += 2) {
        const [first, second] = flips.slice(n, n + 2)
        if (first!.protocol !== 'tcp' || second!.protocol !== 'udp') continue
        if (first!.destination === second!.destination) whole++
      }
    }
    expect(whole).toBe(2600)
    // An even number of messages fits, so that the odd one in front makes every full batch one shorter.
    const sequences = batches.flat().map(({ sequence }) => sequence)
    expect(new Set(sequences).size).toBe(5201)
  })

  test('somebody who looks all the time sees none of 2,000 flips split, but sees two calls split', async () => {
    const sampler = path.join(ns.folder, 'sampler')
    const gcc = [process.env.CC ?? 'gcc', '-O2', '-Wall', '-Werror', '-o', sampler]
    command([...gcc, programPath('sampler.c')])
    const together = async (halves: Change[]): Promise<number> => (await ipvs.apply(halves)).failed
    const blocking = async (halves: Change[]): Promise<number> => ipvs.applySync(halves).failed
    const apart = async (halves: Change[]): Promise<number> => {
      let failed = 0
      for (const half of halves) failed += (await ipvs.apply([half])).failed
      return failed
    }
    const seen = {
      together: await watched(sampler, () => flips(2000, together)),
      blocking: await watched(sampler, () => flips(2000, blocking)),
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
    let failed = 0
    for (let n = 0; n < count; n++) {
      const halves = [tcp, udp].map(
        (service): Change =>
          n % 4 === 3
            ? { op: 'remove-destination', service, destination: server(1) }
            : { op: 'ensure-destination', service, destination: server(1, n) },
      )
      failed += await apply(halves)
    }
    expect(failed).toBe(0)
  }

  /** What programs/sampler.c saw while `work` ran. */
  async function watched(sampler: string, work: () => Promise<void>): Promise<Seen> {
    const words = [`--net=/run/netns/${ns.name}`, sampler, '100']
    const child = spawn('nsenter', words, { stdio: ['pipe', 'pipe', 'inherit'] })
    let text = ''
    child.stdout.on('data', (data) => {
      text += data
    })
    const ended = once(child, 'close')
    await once(child.stdout, 'data')
    await work()
    child.stdin.end()
    expect(await ended).toEqual([0, null])
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
