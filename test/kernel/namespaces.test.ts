import { closeSync, openSync, readdirSync, readlinkSync, statSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { Ipvs } from '../../src/client.js'
import type { Change } from '../../src/types.js'
import { kernelSuite, type Namespace, namespace } from './namespace.js'
import { programValue } from './programs.js'

const id = { protocol: 'tcp', address: '192.0.2.1', port: 80 } as const

function server(n: number): {
  address: string
  port: number
  forwarding: 'direct'
  weight: number
} {
  return { address: `10.1.0.${n}`, port: 80, forwarding: 'direct', weight: n }
}

function fill(n: number): Change[] {
  return [
    { op: 'add-service', service: { ...id, scheduler: 'rr' } },
    { op: 'add-destination', service: id, destination: server(n) },
  ]
}

function rules(n: number): string[] {
  return ['-A -t 192.0.2.1:80 -s rr', `-a -t 192.0.2.1:80 -r 10.1.0.${n}:80 -g -w ${n}`]
}

/** Threads of this process, by the network namespace they are in. */
function threads(): Map<string, number> {
  const counts = new Map<string, number>()
  for (const thread of readdirSync('/proc/self/task')) {
    let where: string
    try {
      where = readlinkSync(`/proc/self/task/${thread}/ns/net`)
    } catch {
      continue // has ended since
    }
    counts.set(where, (counts.get(where) ?? 0) + 1)
  }
  return counts
}

function sum(map: Map<string, number>): number {
  return [...map.values()].reduce((total, count) => total + count, 0)
}

function inodeOf(space: Namespace): string {
  return `net:[${statSync(`/run/netns/${space.name}`).ino}]`
}

kernelSuite('namespaces', () => {
  let one: Namespace
  let two: Namespace

  beforeAll(() => {
    one = namespace()
    two = namespace()
  })

  afterAll(() => {
    one?.close()
    two?.close()
  })

  test('clients of two namespaces in one process stay apart, however the namespace is named', async () => {
    const fd = openSync(`/run/netns/${two.name}`, 'r')
    one.proc() // starts the process that lives in there
    const pids = readdirSync('/proc').filter((name) => /^\d+$/.test(name))
    const pid = pids.find((pid) => {
      try {
        return readlinkSync(`/proc/${pid}/ns/net`) === inodeOf(one)
      } catch {
        return false
      }
    })
    const named = await Ipvs.open({ netns: one.name })
    const path = await Ipvs.open({ netns: `/run/netns/${one.name}` })
    const process = await Ipvs.open({ netns: { pid: Number(pid) } })
    const other = await Ipvs.open({ netns: { fd } })
    closeSync(fd) // its own by now
    const here = await Ipvs.open()
    try {
      expect(named.namespace).toBe(path.namespace)
      expect(named.namespace).toBe(process.namespace)
      expect(new Set([named, other, here].map((ipvs) => ipvs.namespace)).size).toBe(3)
      const before = await here.services()
      const results = await Promise.all([named.apply(fill(1)), other.apply(fill(2))])
      expect(results.map(({ failed }) => failed)).toEqual([0, 0])
      expect(one.rules()).toEqual(rules(1))
      expect(two.rules()).toEqual(rules(2))
      for (const ipvs of [named, path, process]) {
        expect((await ipvs.destinations(id)).map(({ weight }) => weight)).toEqual([1])
      }
      expect((await other.destinations(id)).map(({ weight }) => weight)).toEqual([2])
      expect(await here.services()).toEqual(before)

      // A hundred changes in each, interleaved.
      const changes = Array.from({ length: 100 }, (_, n) => [
        named.addDestination(id, server(n + 3)),
        other.addDestination(id, { ...server(n + 3), weight: 1000 + n }),
      ])
      await Promise.all(changes.flat())
      const total = (lines: string[]) =>
        lines.slice(1).reduce((sum, line) => sum + Number(/-w (\d+)/.exec(line)![1]), 0)
      expect(total(one.rules())).toBe(1 + (3 + 102) * 50)
      expect(total(two.rules())).toBe(2 + (1000 + 1099) * 50)
      await path.removeService(id)
      expect(one.rules()).toEqual([])
      expect(await process.service(id)).toBeUndefined()
      expect(two.rules().length).toBe(102)
      await other.removeService(id)
    } finally {
      for (const ipvs of [named, path, process, other, here]) await ipvs.close()
    }
  })

  test('only the threads of the clients are in another namespace, and nothing here moves', async () => {
    const home = readlinkSync('/proc/self/ns/net')
    const before = await settledThreads()
    expect([...before.keys()]).toEqual([home])
    const clients = await Promise.all([
      Ipvs.open({ netns: one.name }),
      Ipvs.open({ netns: two.name }),
      Ipvs.open({ netns: two.name }),
      Ipvs.open(),
    ])
    await Promise.all(clients.map((ipvs) => ipvs.snapshot()))
    expect(readlinkSync('/proc/self/ns/net')).toBe(home)
    expect(readlinkSync('/proc/thread-self/ns/net')).toBe(home)
    const during = threads()
    expect(during.get(inodeOf(one))).toBe(1)
    expect(during.get(inodeOf(two))).toBe(2)
    expect(sum(during)).toBe(sum(before) + 4)
    await Promise.all(clients.map((ipvs) => ipvs.close()))
    await until(() => sum(threads()) === sum(before))
    expect(threads()).toEqual(before)
  })

  test('a name of "ip netns" that is removed while a client is open leaves the client where it is', async () => {
    const gone = namespace()
    const ipvs = await Ipvs.open({ netns: gone.name })
    gone.close()
    expect((await ipvs.apply(fill(1))).failed).toBe(0)
    expect((await ipvs.destinations(id)).length).toBe(1)
    await ipvs.close()
    await expect(Ipvs.open({ netns: gone.name })).rejects.toMatchObject({
      code: 'ERR_IPVS_NO_NAMESPACE',
    })
  })

  test('fifty times opening and closing leaves no thread and no descriptor', () => {
    const { before, after } = programValue<
      Record<'before' | 'after', { tasks: number; fds: number }>
    >('open-close.mjs', [one.name])
    expect(after).toEqual(before)
    expect(before.tasks).toBeGreaterThan(0)
  })
})

/** Threads of closed clients end a moment after close(): waits until none has ended for a while. */
async function settledThreads(): Promise<Map<string, number>> {
  for (let last = threads(), calm = 0; ; ) {
    await sleep(10)
    const now = threads()
    calm = now.size === 1 && sum(now) === sum(last) ? calm + 1 : 0
    if (calm === 20) return now
    last = now
  }
}

async function until(condition: () => boolean): Promise<void> {
  for (let tries = 0; tries < 200 && !condition(); tries++) await sleep(10)
}
