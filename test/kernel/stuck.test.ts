// sendmsg does not return while the kernel waits for a module: here for a scheduler's, until the test lets go. In the
// lab only: on 6.1 and 6.12 all of the machine's IPVS waits too. The clock of the deadlines is the test's.
import { spawnSync } from 'node:child_process'
import {
  closeSync,
  constants,
  existsSync,
  openSync,
  readFileSync,
  rmSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import path from 'node:path'
import { setImmediate } from 'node:timers/promises'
import { Worker } from 'node:worker_threads'
import { afterEach, beforeAll, beforeEach, expect, test, vi } from 'vitest'
import { labSuite } from '../../lab/guest/suite.js'
import type { IpvsError } from '../../src/errors.js'
import type { ApplyResult, Change, Destination } from '../../src/types.js'
import { quote } from './namespace.js'
import { programPath, programValue } from './programs.js'
import { ipvs, ns, setUp } from './setup.js'
import { betweenMarks, messages, type SystemCall } from './strace.js'
import { threads } from './threads.js'
import { traced } from './traced.js'

const HELPER = '/proc/sys/kernel/modprobe'
const NEW_SERVICE = 1

const id = { protocol: 'udp', address: '192.0.2.1', port: 53 } as const
const FIRST = '-A -u 192.0.2.1:53 -s rr'

/** The change in which the kernel is stuck. */
function stuck(scheduler: string): Change {
  return { op: 'add-service', service: { ...id, port: 54, scheduler } }
}

function server(n: number): Destination {
  return { address: address(n), port: 53, forwarding: 'masquerade' }
}

function add(n: number): Change {
  return { op: 'add-destination', service: id, destination: server(n) }
}

function address(n: number): string {
  return `10.1.${n >> 7}.${(n & 127) + 1}`
}

const rule = (n: number): string => `-a -u 192.0.2.1:53 -r ${address(n)}:53 -m -w 1`

function range(from: number, count: number): number[] {
  return Array.from({ length: count }, (_, n) => from + n)
}

labSuite('a sendmsg that is stuck in the kernel', () => {
  setUp()
  let helper: string
  let release: string

  beforeAll(() => {
    helper = readFileSync(HELPER, 'utf8')
    release = path.join(ns.folder, 'release')
    ns.run(['mkfifo', release])
  })

  beforeEach(() => ipvs.addService({ ...id, scheduler: 'rr' }))

  afterEach(() => {
    vi.useRealTimers()
    writeFileSync(HELPER, helper)
    letGo()
    rmSync(path.join(ns.folder, 'asked'), { force: true })
  })

  /** Makes the kernel wait for this scheduler. */
  async function hold(scheduler: string): Promise<void> {
    const module = `ip_vs_${scheduler}`
    // Services of a namespace that has just ended may hold it for a moment.
    await expect
      .poll(() => {
        spawnSync('modprobe', ['-r', module])
        return readFileSync('/proc/modules', 'utf8')
      })
      .not.toContain(`${module} `)
    // The kernel's setting is a path without arguments, and as it starts it, PATH is what the kernel thinks right.
    const script = path.join(ns.folder, 'modprobe')
    const words = [programPath('slow-modprobe.sh'), ns.folder, module, helper.trim()]
    writeFileSync(script, `#!/bin/bash\nexec ${words.map(quote).join(' ')} "$@"\n`, { mode: 0o755 })
    writeFileSync(HELPER, script)
  }

  const untilStuck = (): Promise<void> => until(() => existsSync(path.join(ns.folder, 'asked')))

  /** Where nobody waits, it does nothing. */
  function letGo(): void {
    try {
      const fd = openSync(release, constants.O_WRONLY | constants.O_NONBLOCK)
      writeSync(fd, '\n')
      closeSync(fd)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENXIO') throw error
    }
  }

  test('holds up nobody beyond their deadlines, sends nothing late, and recovers', async () => {
    await using other = await ns.open()
    const marks = openSync('/dev/null', 'w')
    await hold('ovf')
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] })
    const settled: string[] = []
    const note = async <T>(name: string, call: Promise<T>): Promise<unknown> => {
      const value = await call.then(told, ({ code }) => code)
      settled.push(name)
      return value
    }
    let sent = 0

    const calls = await traced('network,write', async () => {
      // strace cannot let go of a thread that the kernel holds.
      using _ = { [Symbol.dispose]: letGo }
      const many = range(1000, 2000).map(add)
      const first = note('first', ipvs.apply([stuck('ovf'), ...many], { deadlineMs: 3000 }))
      await untilStuck()
      writeSync(marks, 'mark\n')
      const controller = new AbortController()
      const soon = { deadlineMs: 200 }
      const tree = { ...id, scheduler: 'rr', destinations: [] }
      const late = [
        note('queued', ipvs.apply([add(1), add(2)], soon)),
        note('bulk', ipvs.apply([add(3)], { ...soon, priority: 'bulk' })),
        note('verb', ipvs.addDestination(id, server(4), soon)),
        note('command', ipvs.setTimeouts({ udpSeconds: 77 }, soon)),
        note('reconcile', ipvs.reconcile([tree], soon)),
        note('read', ipvs.snapshot(soon)),
      ]
      const aborted = note('aborted', ipvs.apply([add(5)], { signal: controller.signal }))
      // These have the time to wait.
      const accepted = note('accepted', ipvs.apply([add(6), add(7)]))
      const acceptedRead = note('acceptedRead', ipvs.services())
      expect(() => ipvs.applySync([add(8)])).toThrow(
        expect.objectContaining({ code: 'ERR_IPVS_BUSY' }),
      )

      controller.abort()
      expect(await aborted).toEqual([['not-sent ERR_IPVS_NOT_SENT', 1]])
      await pass(199)
      expect(settled).toEqual(['aborted'])
      await pass(1)
      expect(await Promise.all(late)).toEqual([
        [['not-sent ERR_IPVS_NOT_SENT', 2]],
        [['not-sent ERR_IPVS_NOT_SENT', 1]],
        'ERR_IPVS_NOT_SENT',
        'ERR_IPVS_NOT_SENT',
        'ERR_IPVS_TIMEOUT',
        'ERR_IPVS_TIMEOUT',
      ])
      await pass(2799)
      expect(settled.length).toBe(7)
      await pass(1)
      // Of the first call one batch is in the kernel, and what became of it is not known; the rest stayed here.
      const [[, inKernel]] = (await first) as [[string, number]]
      sent = inKernel
      expect(sent).toBeGreaterThan(500)
      expect(await first).toEqual([
        ['unknown ERR_IPVS_UNKNOWN_OUTCOME', sent],
        ['not-sent ERR_IPVS_NOT_SENT', 2001 - sent],
      ])

      // Another client of this namespace waits likewise; opening one, by kernel.
      const others = note('other', other.apply([add(9)], { deadlineMs: 300 }))
      await until(() => waiting() === 2)
      await pass(300)
      expect(await others).toEqual([['unknown ERR_IPVS_UNKNOWN_OUTCOME', 1]])
      const opening = note(
        'opening',
        ns.open({ deadlineMs: 300 }).then((more) => more.close()),
      )
      await until(() => settled.includes('opening') || waiting() === 3)
      await pass(300)
      expect(['resolved', 'ERR_IPVS_TIMEOUT']).toContain(await opening)

      expect(settled.some((name) => name.startsWith('accepted'))).toBe(false)
      writeSync(marks, 'mark\n')
      letGo()
      expect(await accepted).toEqual([['applied', 2]])
      expect(await acceptedRead).toBe('resolved')
      expect(await note('next', ipvs.apply([add(10)]))).toEqual([['applied', 1]])
      expect(told(ipvs.applySync([add(11)]))).toEqual([['applied', 1]])
      expect((await ipvs.timeouts()).udpSeconds).toBe(300)
    })
    closeSync(marks)

    // What was unknown is there, what was not sent is not: neither in the table nor ever in a sendmsg.
    const known = [...range(1000, sent - 1), 6, 7, 9, 10, 11]
    expect(ns.rules()).toEqual([FIRST, '-A -u 192.0.2.1:54 -s ovf', ...known.map(rule)].sort())
    const destinations = calls
      .filter(isSend)
      .flatMap(({ bytes }) => messages(bytes))
      .flatMap(({ destination }) => destination ?? [])
    expect(destinations.sort()).toEqual(known.map(address).sort())
    const own = calls.filter(({ thread }) => thread === threadOf(calls))
    expect(betweenMarks(calls).filter((call) => own.includes(call))).toEqual([])
    expect(own.filter(isSend).length).toBeGreaterThan(3)
  })

  test('lets close() resolve when the deadlines have passed, and the process end', async () => {
    await hold('nq')
    const changes = JSON.stringify([stuck('nq'), add(1)])
    expect(programValue('stuck-close.mjs', [ns.name, ns.folder, changes])).toEqual([
      'ERR_IPVS_UNKNOWN_OUTCOME',
      'ERR_IPVS_NOT_SENT',
      'closed',
    ])
    // A process that ends gives up waiting (umh.c: call_usermodehelper_exec), so that this does not hang either.
    expect(ns.rules()).toEqual([FIRST])
  })

  test('lets a worker thread be terminated at once', async () => {
    const clients = () => Object.values(threads().clients)
    await expect.poll(clients).toEqual([1])
    await hold('dh')
    const worker = work('apply', 'dh')
    await untilStuck()
    await worker.terminate()
    // The client's thread stays in the kernel, and ends when that lets go.
    expect(waiting()).toBe(1)
    letGo()
    await expect.poll(clients).toEqual([1])
    expect(told(await ipvs.apply([add(1)]))).toEqual([['applied', 1]])
    expect(ns.rules()).toEqual([FIRST, '-A -u 192.0.2.1:54 -s dh', rule(1)])
  })

  test('keeps a worker thread in applySync until the kernel lets go, and nobody else', async () => {
    await hold('lblcr')
    const worker = work('applySync', 'lblcr')
    await untilStuck()
    let ended = false
    const terminated = worker.terminate().finally(() => {
      ended = true
    })
    for (let turn = 0; turn < 100; turn++) await setImmediate()
    expect(ended).toBe(false)
    letGo()
    await terminated
    expect(told(await ipvs.apply([add(1)]))).toEqual([['applied', 1]])
    expect(ns.rules()).toContain('-A -u 192.0.2.1:54 -s lblcr')
  })

  function work(how: 'apply' | 'applySync', scheduler: string): Worker {
    const workerData = { netns: ns.name, how, change: stuck(scheduler) }
    return new Worker(programPath('stuck-worker.mjs'), { workerData, execArgv: [] })
  }
})

// expect.poll would let the deadlines' clock go on.
const { setTimeout: inRealTime } = globalThis

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => inRealTime(resolve, 5))
}

/** Lets the deadlines' clock go on, and whoever waited for it. */
async function pass(ms: number): Promise<void> {
  vi.advanceTimersByTime(ms)
  for (let turn = 0; turn < 10; turn++) await setImmediate()
}

const waiting = (): number => threads().waiting

/** Of an apply: how many changes ended in which way, as runs. */
function told(result: unknown): unknown {
  if (typeof result !== 'object' || result === null || !('outcomes' in result)) return 'resolved'
  const runs: [string, number][] = []
  for (const { status, error } of (result as ApplyResult).outcomes) {
    const text = [status, (error as IpvsError | undefined)?.code].filter(Boolean).join(' ')
    const last = runs.at(-1)
    if (last?.[0] === text) last[1]++
    else runs.push([text, 1])
  }
  return runs
}

function isSend({ netlink, name }: SystemCall): boolean {
  return netlink && /send|write/.test(name)
}

/** The thread whose sendmsg is stuck: the only one that adds services. */
function threadOf(calls: readonly SystemCall[]): string {
  return calls.find(
    (call) => isSend(call) && messages(call.bytes).some(({ command }) => command === NEW_SERVICE),
  )!.thread
}
