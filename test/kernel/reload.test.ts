// The module goes and comes back under an open client. In the lab only: it cuts every connection of the machine's IPVS.
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { labSuite } from '../../lab/guest/suite.js'
import { Ipvs } from '../../src/client.js'
import type { Change, Service } from '../../src/types.js'
import { lines } from './namespace.js'
import { programValue } from './programs.js'
import { ipvs, ns, setUp } from './setup.js'

const id = { protocol: 'udp', address: '192.0.2.1', port: 53 } as const
const service: Service = { ...id, scheduler: 'rr' }
const destination = { address: '10.1.0.1', port: 53, forwarding: 'direct' } as const

const HELPER = '/proc/sys/kernel/modprobe'

labSuite('reloading the module', () => {
  setUp()
  let helper: string

  beforeEach(async () => {
    helper = readFileSync(HELPER, 'utf8')
    await ipvs.addService(service)
  })

  afterEach(() => {
    writeFileSync(HELPER, helper)
    ns.run(['modprobe', 'ip_vs'])
  })

  /** Every service must be gone first: it holds its scheduler's module. */
  function unload(): void {
    ns.ipvsadm('-C')
    const loaded = lines(readFileSync('/proc/modules', 'utf8')).map((line) => line.split(' ')[0]!)
    const schedulers = loaded.filter((name) => name.startsWith('ip_vs_'))
    ns.run(['modprobe', '-r', ...schedulers, 'ip_vs'])
    expect(existsSync('/proc/net/ip_vs')).toBe(false)
  }

  /** Registering another family in between gives IPVS an id that it has not had. */
  function reload(): void {
    unload()
    ns.run(['modprobe', 'ip_vs'])
  }

  const fill: Change[] = [
    { op: 'add-service', service },
    { op: 'add-destination', service, destination },
  ]
  const filled = ['-A -u 192.0.2.1:53 -s rr', '-a -u 192.0.2.1:53 -r 10.1.0.1:53 -g -w 1']

  test.each([
    ['apply', async () => expect((await ipvs.apply(fill)).failed).toBe(0)],
    ['applySync', async () => expect(ipvs.applySync(fill).failed).toBe(0)],
    [
      'verbs',
      async () => {
        await ipvs.addService(service)
        await ipvs.addDestination(id, destination)
      },
    ],
    [
      'bulk',
      async () => {
        const changes = [
          ...fill,
          ...Array<Change>(5000).fill({ op: 'ensure-destination', service, destination }),
        ]
        expect((await ipvs.apply(changes, { priority: 'bulk' })).failed).toBe(0)
      },
    ],
  ])('the next call works after the module was reloaded: %s', async (_, work) => {
    reload()
    await work()
    expect(ns.rules()).toEqual(filled)
    expect((await ipvs.destinations(id)).length).toBe(1)
  })

  test('the next read works after the module was reloaded', async () => {
    reload()
    expect(await ipvs.services()).toEqual([])
    reload()
    expect(await ipvs.service(id)).toBeUndefined()
    reload()
    await expect(ipvs.destinations(id)).rejects.toMatchObject({ code: 'ERR_IPVS_NO_SERVICE' })
    reload()
    expect(await ipvs.snapshot()).toMatchObject({ services: [], verified: true })
  })

  test('failures keep their own reasons after the module was reloaded', async () => {
    reload()
    const result = await ipvs.apply([
      { op: 'remove-destination', service, destination },
      { op: 'add-service', service },
      { op: 'remove-destination', service, destination },
      { op: 'ensure-no-destination', service, destination },
      { op: 'replace-service', service: { ...service, scheduler: 'nosuch' } },
    ])
    expect(
      result.errors.map(({ index, error }) => [index, (error as { code?: string }).code]),
    ).toEqual([
      [0, 'ERR_IPVS_NO_SERVICE'],
      [2, 'ERR_IPVS_NO_DESTINATION'],
      [4, 'ERR_IPVS_NO_SCHEDULER'],
    ])
  })

  test('the next call loads the module by itself when it is not there', async () => {
    unload()
    expect((await ipvs.apply(fill)).failed).toBe(0)
    expect(ns.rules()).toEqual(filled)
    unload()
    await using other = await ns.open()
    expect(await other.services()).toEqual([])
  })

  test('a module that cannot be loaded is ERR_IPVS_UNAVAILABLE, for the reason "no-module", until it can', async () => {
    unload()
    writeFileSync(HELPER, '/bin/false')
    const expected = { code: 'ERR_IPVS_UNAVAILABLE', reason: 'no-module' }
    await expect(ns.open()).rejects.toMatchObject({
      ...expected,
      command: 'OPEN',
    })
    await expect(ipvs.addService(service)).rejects.toMatchObject(expected)
    await expect(ipvs.service(id)).rejects.toMatchObject(expected)
    await expect(ipvs.services()).rejects.toMatchObject(expected)
    await expect(ipvs.destinations(id)).rejects.toMatchObject(expected)
    await expect(ipvs.snapshot()).rejects.toMatchObject(expected)
    const { errors } = await ipvs.apply(fill)
    expect(errors.map(({ error }) => error)).toMatchObject([expected, expected])
    expect(await Ipvs.probe({ schedulers: ['rr'] })).toMatchObject({
      available: false,
      module: false,
      advice: [expect.stringContaining('modprobe ip_vs')],
    })
    let blocking: unknown
    try {
      blocking = ipvs.applySync(fill).errors[0]?.error
    } catch (error) {
      blocking = error
    }
    expect(blocking).toMatchObject(expected)
    writeFileSync(HELPER, helper)
    expect((await ipvs.apply(fill)).failed).toBe(0)
    expect(ns.rules()).toEqual(filled)
  })

  test('an ordinary user loads the module by probing', () => {
    unload()
    const result = programValue<object>('probe.mjs', ['{}'], { uid: 65534 })
    expect(result).toMatchObject({ module: true, permission: false })
    expect(existsSync('/proc/net/ip_vs')).toBe(true)
  })
})
