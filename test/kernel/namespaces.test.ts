import { closeSync, openSync, readFileSync, readlinkSync, statSync } from 'node:fs'
import { expect, test } from 'vitest'
import { kernelSuite } from '../../lab/guest/suite.js'
import { Ipvs } from '../../src/client.js'
import type { Change } from '../../src/types.js'
import { type Namespace, namespace } from './namespace.js'
import { programValue } from './programs.js'
import { ns, setUp } from './setup.js'
import { threads } from './threads.js'

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

function inodeOf({ name }: Namespace): string {
  return `net:[${statSync(`/run/netns/${name}`).ino}]`
}

kernelSuite('namespaces', () => {
  setUp()

  test('clients of two namespaces in one process stay apart, however the namespace is named', async () => {
    using two = namespace()
    const fd = openSync(`/run/netns/${two.name}`, 'r')
    const named = await ns.open()
    const path = await ns.open({ netns: `/run/netns/${ns.name}` })
    const process = await ns.open({ netns: { pid: ns.pid } })
    const other = await two.open({ netns: { fd } })
    closeSync(fd) // its own by now
    const here = await Ipvs.open()
    try {
      expect(named.namespace).toBe(path.namespace)
      expect(named.namespace).toBe(process.namespace)
      expect(new Set([named, other, here].map((ipvs) => ipvs.namespace)).size).toBe(3)
      const before = await here.services()
      const results = await Promise.all([named.apply(fill(1)), other.apply(fill(2))])
      expect(results.map(({ failed }) => failed)).toEqual([0, 0])
      expect(ns.rules()).toEqual(rules(1))
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
      expect(total(ns.rules())).toBe(1 + (3 + 102) * 50)
      expect(total(two.rules())).toBe(2 + (1000 + 1099) * 50)
      await path.removeService(id)
      expect(ns.rules()).toEqual([])
      expect(await process.service(id)).toBeUndefined()
      expect(two.rules().length).toBe(102)
      await other.removeService(id)
    } finally {
      for (const ipvs of [named, path, process, other, here]) await ipvs.close()
    }
  })

  test('only the threads of the clients are in another namespace, and nothing here moves', async () => {
    using two = namespace()
    const home = readlinkSync('/proc/self/ns/net')
    const own = { [inodeOf(ns)]: 1 }
    // Those of closed clients end a moment later.
    await expect.poll(threads).toEqual({ clients: own, waiting: 0, others: [home] })
    const clients = await Promise.all([ns.open(), two.open(), two.open(), Ipvs.open()])
    await Promise.all(clients.map((ipvs) => ipvs.snapshot()))
    expect(readlinkSync('/proc/self/ns/net')).toBe(home)
    expect(readlinkSync('/proc/thread-self/ns/net')).toBe(home)
    expect(threads()).toEqual({
      clients: { [inodeOf(ns)]: 2, [inodeOf(two)]: 2, [home]: 1 },
      waiting: 0,
      others: [home],
    })
    await Promise.all(clients.map((ipvs) => ipvs.close()))
    await expect.poll(threads).toEqual({ clients: own, waiting: 0, others: [home] })
    expect(readFileSync('/proc/self/comm', 'utf8')).not.toBe('ipvs\n')
  })

  test('a name of "ip netns" that is removed while a client is open leaves the client where it is', async () => {
    const gone = namespace()
    const ipvs = await gone.open()
    gone.close()
    expect((await ipvs.apply(fill(1))).failed).toBe(0)
    expect((await ipvs.destinations(id)).length).toBe(1)
    await ipvs.close()
    await expect(gone.open()).rejects.toMatchObject({ code: 'ERR_IPVS_NO_NAMESPACE' })
  })

  test('fifty times opening and closing leaves no thread and no descriptor', () => {
    const { before, after } = programValue<
      Record<'before' | 'after', { threads: number; descriptors: number }>
    >('open-close.mjs', [ns.name])
    expect(after).toEqual(before)
    expect(before.threads).toBeGreaterThan(0)
  })
})
