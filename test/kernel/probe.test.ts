import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { kernelSuite } from '../../lab/guest/suite.js'
import { Ipvs } from '../../src/client.js'
import type { ProbeResult } from '../../src/probe.js'
import { command, lines } from './namespace.js'
import { programValue } from './programs.js'
import { ipvs, ns, setUp } from './setup.js'
import { threads } from './threads.js'

kernelSuite('probe', () => {
  setUp()

  /** The settings as files show them in the namespace. */
  function settings(): Record<string, number | string> {
    const text = ns.run(['grep', '-r', '', '/proc/sys/net/ipv4/vs'])
    const pairs = lines(text).map((line) => /\/vs\/(\w+):(.*)$/.exec(line)!)
    return Object.fromEntries(
      pairs.map(([, name, value]) => {
        const isText = /^est_cpulist$/.test(name!) || !/^-?\d+$/.test(value!)
        return [name!, isText ? value! : Number(value)]
      }),
    )
  }

  test('where IPVS works, probe says so and has nothing to advise', async () => {
    const result = await Ipvs.probe({ netns: ns.name })
    expect(result).toEqual({
      available: true,
      module: true,
      permission: true,
      userNamespace: false,
      schedulers: {},
      sysctls: settings(),
      advice: [],
    })
    expect(result.sysctls).toMatchObject({ expire_nodest_conn: 0, sync_threshold: '3\t50' })
  })

  test('settings are those of the namespace, with those of schedulers', async () => {
    command(['modprobe', 'ip_vs_lblcr'])
    const before = await ipvs.sysctls()
    expect(before).toMatchObject({ expire_nodest_conn: 0, lblcr_expiration: 86400 })
    ns.run(['sh', '-c', 'echo 1 > /proc/sys/net/ipv4/vs/expire_nodest_conn'])
    const after = await ipvs.sysctls()
    expect(after).toEqual({ ...before, expire_nodest_conn: 1 })
    expect(after).toEqual(settings())
    expect((await Ipvs.probe({ netns: ns.name })).sysctls.expire_nodest_conn).toBe(1)
    await ipvs.setSysctl('expire_nodest_conn', 0)
    const ours = (await Ipvs.probe()).sysctls.expire_nodest_conn
    expect(ours).toBe(Number(readFileSync('/proc/sys/net/ipv4/vs/expire_nodest_conn', 'utf8')))
  })

  test('schedulers are tried, and the ones that are missing are named with what to do', async () => {
    const names = ['rr', 'nosuch', 'mh', 'twos-not-built']
    const { available, schedulers, advice } = await Ipvs.probe({
      netns: ns.name,
      schedulers: names.slice(0, 3),
    })
    expect(available).toBe(true)
    expect(schedulers).toEqual({ rr: true, nosuch: false, mh: true })
    expect(advice).toEqual([expect.stringContaining('modprobe ip_vs_nosuch')])
    // Nobody's table was touched for it.
    expect(ns.rules()).toEqual([])
  })

  test('trying schedulers leaves no thread and no namespace behind', async () => {
    const before = threads()
    for (let n = 0; n < 3; n++) await Ipvs.probe({ schedulers: ['rr'] })
    await expect.poll(threads).toEqual(before)
  })

  test('a namespace that is not there is advice, not a rejection', async () => {
    expect(await Ipvs.probe({ netns: 'ipvs-nosuch', schedulers: ['rr'] })).toMatchObject({
      available: false,
      schedulers: {},
      sysctls: {},
      advice: [expect.stringContaining('ip netns list')],
    })
  })

  test('bad options reject', async () => {
    const cases: readonly [unknown, string][] = [
      [{ schedulers: 'rr' }, 'options.schedulers'],
      [{ schedulers: ['rr', 'bad name'] }, 'options.schedulers[1]'],
      [{ netns: 5 }, 'options.netns'],
      [{ scheduler: ['rr'] }, 'options.scheduler'],
    ]
    for (const [options, option] of cases) {
      await expect(Ipvs.probe(options as object)).rejects.toMatchObject({
        code: 'ERR_IPVS_ARGUMENT',
        option,
      })
    }
  })

  test('an ordinary user is told about the missing right', () => {
    const result = programValue<ProbeResult>('probe.mjs', ['{"schedulers":["rr"]}'], { uid: 65534 })
    expect(result).toMatchObject({
      available: false,
      module: true,
      permission: false,
      userNamespace: false,
      schedulers: {},
    })
    expect(result.advice).toEqual([expect.stringContaining('CAP_NET_ADMIN')])
  })

  test('in a user namespace the reason is the user namespace', () => {
    const under = ['unshare', '-Urn']
    const result = programValue<ProbeResult>('probe.mjs', ['{}'], { under })
    expect(result).toMatchObject({
      available: false,
      module: true,
      permission: false,
      userNamespace: true,
    })
    expect(result.advice).toEqual([expect.stringContaining('user namespace')])
  })
})
