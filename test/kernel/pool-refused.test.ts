// Servers that the real kernel refuses: addresses that its routes call broadcast ones. Nobody else suffers from it. A witness looks at
// the table every millisecond, and strace shows what lies between two messages of a batch.
import { setImmediate } from 'node:timers/promises'
import { beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { kernelSuite } from '../../lab/guest/suite.js'
import { carrying, readTable } from '../../lab/witness/table.js'
import { Witness } from '../../lab/witness/witness.js'
import type { MirroredPoolEvents, MirroredPoolOptions } from '../../src/pool/api.js'
import { MirroredPool } from '../../src/pool/index.js'
import { twoServers } from '../unit/pool/two-servers.js'
import { ipvs, ns, setUp } from './setup.js'
import { messages } from './strace.js'
import { traced } from './traced.js'

const TCP = 'tcp 192.0.2.1:53'
const UDP = 'udp 192.0.2.1:53'
/** Of the servers' network: a typo that no check of ours can find. */
const BROADCAST = '10.1.0.255'
const LINK_LOCAL = 'fe80::9'

const NEW_DEST = 5
const DEL_DEST = 7

type Name = keyof MirroredPoolEvents

kernelSuite('servers that the kernel refuses', () => {
  setUp()
  beforeAll(() => {
    ns.run(['ip', 'link', 'add', 'lan', 'type', 'dummy'])
    ns.run(['ip', 'addr', 'add', '10.1.0.254/24', 'dev', 'lan'])
    ns.run(['ip', 'link', 'set', 'lan', 'up'])
  })

  let events: { name: Name; [field: string]: unknown }[]

  async function open(options: Partial<MirroredPoolOptions> | object = {}): Promise<MirroredPool> {
    const pool = await MirroredPool.open(ipvs, { ...twoServers, ...options } as MirroredPoolOptions)
    onTestFinished(() => pool.close())
    await setImmediate()
    events = []
    for (const name of ['up', 'down', 'quorum', 'drained', 'drift', 'diverged', 'error'] as const) {
      pool.on(name, (event: object) => events.push({ ...event, name }))
    }
    return pool
  }

  const told = (...names: Name[]) =>
    events
      .filter(({ name }) => names.includes(name))
      .map(({ name, server, after }) => `${name} ${server ?? after}`)

  /**
   * From now on the kernel refuses an address as a server, until the result is called. One that it has had in the last
   * minutes it takes all the same (ip_vs_ctl.c: ip_vs_trash_get_dest): each test has addresses of its own.
   */
  function refuse(address: string): () => void {
    const route = ['broadcast', address, 'dev', 'lan', 'table', 'local']
    let refused = true
    const accept = () => {
      if (refused) ns.run(['ip', 'route', 'del', ...route])
      refused = false
    }
    ns.run(['ip', 'route', 'add', ...route])
    onTestFinished(accept)
    return accept
  }

  /** Weights by server, as ipvsadm sees them: `10.1.0.1 1`. */
  function held(service = '-t 192.0.2.1:53'): string[] {
    return ns.rules().flatMap((rule) => {
      const [, to, weight] =
        (rule.startsWith(`-a ${service} `) && / -r (\S+):53 .*-w (\d+)/.exec(rule)) || []
      return to === undefined ? [] : [`${to} ${weight}`]
    })
  }
  const both = () => {
    const [tcp, udp] = [held(), held('-u 192.0.2.1:53')]
    expect(udp).toEqual(tcp)
    return tcp
  }

  /** The fewest servers with a weight that any of these services has had while `work` ran. */
  async function fewest(
    work: () => Promise<unknown>,
    services: readonly string[] = [TCP, UDP],
  ): Promise<number> {
    const witness = new Witness(ns.name, { tableMs: 1, tickMs: 1 })
    await Promise.race([witness.ready, witness.failure])
    await work()
    const { looks } = await witness.stop()
    expect(looks).toBeGreaterThan(3)
    const tables = witness.tables.map(({ table }) => readTable(table))
    return Math.min(
      ...tables.flatMap((table) => services.map((service) => carrying(table.get(service)).size)),
    )
  }

  /** The fewest servers that a service has had between any two messages of `work`, if the kernel takes all but these. */
  async function fewestBetween(
    servers: readonly string[],
    refused: readonly string[],
    work: () => Promise<unknown>,
  ): Promise<number> {
    const calls = await traced('sendmsg', work)
    const services = { tcp: new Set(servers), udp: new Set(servers) }
    let least = servers.length
    for (const { command, protocol, destination } of calls
      .filter(({ netlink }) => netlink)
      .flatMap(({ bytes }) => messages(bytes))) {
      if (destination === undefined) continue
      const service = services[protocol as 'tcp' | 'udp']
      if (command === NEW_DEST && !refused.includes(destination)) service.add(destination)
      if (command === DEL_DEST) service.delete(destination)
      least = Math.min(least, service.size)
    }
    for (const service of Object.values(services)) {
      expect(both()).toEqual([...service].sort().map((server) => `${server} 1`))
    }
    return least
  }

  describe('what they replace stays', () => {
    test.each([
      ['alone', [BROADCAST], ['10.1.0.1', '10.1.0.2']],
      ['before one that it takes', [BROADCAST, '10.1.0.3'], ['10.1.0.3']],
      ['after one that it takes', ['10.1.0.3', BROADCAST], ['10.1.0.3']],
      ['beside one that stays', ['10.1.0.2', BROADCAST], ['10.1.0.2']],
    ])('a list with one, %s, empties no front', async (_, list, left) => {
      const pool = await open()
      const set = () =>
        expect(pool.setServers(list)).rejects.toMatchObject({ code: 'ERR_IPVS_INVALID' })
      expect(await fewest(set)).toBeGreaterThan(0)
      expect(both()).toEqual(left.map((server) => `${server} 1`))
      expect(pool.status()).toMatchObject({ converged: false })
      const row = pool.status().servers.find(({ server }) => server === `${BROADCAST}:53`)
      expect(row).toMatchObject({ serves: false, error: expect.stringContaining(BROADCAST) })
    })

    test.each([
      ['refused', [BROADCAST]],
      ['refused and taken', [BROADCAST, '10.1.0.3', '10.1.0.4']],
    ])('no front is empty between two messages of a batch (%s)', async (_, list) => {
      const pool = await open()
      const least = await fewestBetween(['10.1.0.1', '10.1.0.2'], [BROADCAST], () =>
        pool.setServers(list).catch(ignore),
      )
      expect(least).toBeGreaterThan(0)
    })

    test('until the kernel takes the new one, and not longer', async () => {
      const pool = await open()
      const accept = refuse('10.1.0.61')
      const least = await fewest(async () => {
        await expect(pool.setServers(['10.1.0.61'])).rejects.toThrow()
        expect(both()).toEqual(['10.1.0.1 1', '10.1.0.2 1'])
        accept()
        await expect.poll(both).toEqual(['10.1.0.61 1'])
      })
      expect(least).toBe(1)
      await expect.poll(() => pool.status().converged).toBe(true)
    })

    test('and so do the servers of one family, while those of the other are replaced', async () => {
      const fronts = [
        { address: '192.0.2.1', port: 53, protocols: ['tcp'] },
        { address: '2001:db8::1', port: 53, protocols: ['tcp'] },
      ]
      const pool = await open({
        ...{ address: undefined, port: undefined, fronts },
        servers: [{ address: '10.1.0.1', secondAddress: '2001:db8::a' }],
      })
      const six = '-t [2001:db8::1]:53'
      const least = await fewest(
        () =>
          expect(
            pool.setServers([{ address: '10.1.0.3', secondAddress: LINK_LOCAL }]),
          ).rejects.toMatchObject({ code: 'ERR_IPVS_INVALID' }),
        [TCP, 'tcp [2001:db8::1]:53'],
      )
      expect(least).toBe(1)
      expect(held(six)).toEqual(['[2001:db8::a] 1'])
      expect(held()).toContain('10.1.0.3 1')
    })

    test('at the opening, of a pool and of one that adopts', async () => {
      for (const initial of ['up', 'adopt'] as const) {
        for (const flag of ['-t', '-u']) {
          ns.ipvsadm('-A', flag, '192.0.2.1:53', '-s', 'wrr')
          ns.ipvsadm('-a', flag, '192.0.2.1:53', '-r', '10.1.0.9:53', '-m')
        }
        const least = await fewest(async () => {
          const pool = await open({ servers: [BROADCAST], initial })
          await report(pool, BROADCAST, true).catch(ignore)
          await pool.close()
        })
        expect(least).toBe(1)
        expect(both()).toEqual(['10.1.0.9 1'])
        await ipvs.flush()
      }
    })

    test.each<[string, (pool: MirroredPool) => Promise<unknown>]>([
      ['put into maintenance', (pool) => pool.setAdmin('10.1.0.1', 'maintenance')],
      ['removed', (pool) => pool.remove('10.1.0.1')],
    ])('the last healthy server, %s while its backup is refused', async (how, act) => {
      const backup = how === 'removed' ? '10.1.0.62' : '10.1.0.63'
      const pool = await open({ servers: ['10.1.0.1'], backup: [backup] })
      const accept = refuse(backup)
      const least = await fewest(async () => {
        await act(pool).catch(ignore)
        expect(both()).toEqual(['10.1.0.1 1'])
        accept()
        await expect.poll(both).toEqual([`${backup} 1`])
      })
      expect(least).toBe(1)
    })

    test('but a server that has failed goes at once', async () => {
      const pool = await open({ servers: ['10.1.0.1', BROADCAST] })
      await report(pool, '10.1.0.1', false)
      expect(both()).toEqual([])
    })
  })

  describe('beside one', () => {
    test('verdicts about the others resolve, and are told before they do', async () => {
      const pool = await open({ servers: ['10.1.0.1', '10.1.0.2', BROADCAST] })
      await report(pool, '10.1.0.1', false)
      expect(told('up', 'down')).toEqual(['down 10.1.0.1:53'])
      await report(pool, '10.1.0.1', true)
      expect(told('up', 'down')).toEqual(['down 10.1.0.1:53', 'up 10.1.0.1:53'])
      expect(both()).toEqual(['10.1.0.1 1', '10.1.0.2 1'])
    })

    test('a server is drained, and that is told', async () => {
      const pool = await open({ servers: ['10.1.0.1', '10.1.0.2', BROADCAST] })
      expect(await pool.drain('10.1.0.2', { timeoutMs: 50 })).toMatchObject({ active: 0 })
      expect(told('drained')).toEqual(['drained 10.1.0.2:53'])
      expect(both()).toEqual(['10.1.0.1 1'])
    })

    test('a drain of itself is done with at once, and told', async () => {
      const pool = await open({ servers: ['10.1.0.1', BROADCAST] })
      await pool.drain(BROADCAST, { timeoutMs: 50 })
      expect(told('drained')).toEqual([`drained ${BROADCAST}:53`])
      expect(both()).toEqual(['10.1.0.1 1'])
    })

    test('the quorum counts who serves, and is told when it is taken', async () => {
      const accept = refuse('10.1.0.64')
      const pool = await open({ quorum: { up: 3 }, servers: [...twoServers.servers, '10.1.0.64'] })
      expect(pool.status().quorum).toBe(false)
      await report(pool, '10.1.0.64', true).catch(ignore)
      expect(pool.status()).toMatchObject({ quorum: false })
      expect(told('quorum')).toEqual([])
      accept()
      await expect.poll(() => told('quorum')).toEqual(['quorum true'])
      expect(both()).toHaveLength(3)
      await pool.down('10.1.0.1')
      expect(told('quorum')).toEqual(['quorum true', 'quorum false'])
    })

    test('backups serve that a quorum asks for, and leave when it is taken', async () => {
      const accept = refuse('10.1.0.65')
      const pool = await open({ servers: ['10.1.0.65'], backup: ['10.1.0.9'] })
      await expect.poll(both).toEqual(['10.1.0.9 1'])
      const least = await fewest(async () => {
        accept()
        await expect.poll(both).toEqual(['10.1.0.65 1'])
      })
      expect(least).toBe(1)
      expect(pool.status().servers[0]).toMatchObject({ serves: true, error: undefined })
    })

    test('a pool that adopts removes what is not declared once all have their verdict', async () => {
      const flags = ['-t', '-u']
      for (const flag of flags) {
        ns.ipvsadm('-A', flag, '192.0.2.1:53', '-s', 'wrr')
        for (const server of ['10.1.0.1', '10.1.0.9']) {
          ns.ipvsadm('-a', flag, '192.0.2.1:53', '-r', `${server}:53`, '-m')
        }
      }
      const pool = await open({ servers: ['10.1.0.1', BROADCAST], initial: 'adopt' })
      expect(both()).toEqual(['10.1.0.1 1', '10.1.0.9 1'])
      for (const address of ['10.1.0.1', BROADCAST]) {
        await report(pool, address, true).catch(ignore)
      }
      await expect.poll(both).toEqual(['10.1.0.1 1'])
    })
  })

  test('events ascend, and up and down alternate, however many verdicts are under way at once', async () => {
    const pool = await open({ servers: ['10.1.0.1', '10.1.0.2', BROADCAST], quorum: { up: 2 } })
    for (let n = 0; n < 300; n++) {
      void report(pool, `10.1.0.${1 + ((n >> 1) % 2)}`, n % 3 === 0).catch(ignore)
      if (n % 7 === 0) await setImmediate()
    }
    await report(pool, '10.1.0.1', true)
    await report(pool, '10.1.0.2', true)
    const sequences = events.map(({ sequence }) => sequence as number)
    expect(sequences).toEqual(sequences.map((_, index) => sequences[0]! + index))
    for (const server of ['10.1.0.1:53', '10.1.0.2:53']) {
      const own = events.filter((event) => event.server === server).map(({ name }) => name)
      expect(own.length).toBeGreaterThan(3)
      expect(own).toEqual(own.map((_, index) => (index % 2 === 0 ? 'down' : 'up')))
    }
    expect(both()).toEqual(['10.1.0.1 1', '10.1.0.2 1'])
  })

  test('100 of them whose verdicts are repeated are tried a few times a second, and told once each', async () => {
    ns.run(['ip', 'route', 'add', 'broadcast', '10.5.0.0/16', 'dev', 'lan', 'table', 'local'])
    onTestFinished(
      () => void ns.run(['ip', 'route', 'del', 'broadcast', '10.5.0.0/16', 'table', 'local']),
    )
    const refused = Array.from({ length: 100 }, (_, n) => `10.5.0.${1 + n}`)
    const pool = await open({ protocols: ['tcp'], initial: 'down' })
    await pool.up('10.1.0.1')
    await pool.setServers(['10.1.0.1', ...refused])
    const members = [...pool.members()].filter(({ address }) => address.startsWith('10.5.'))
    let rounds = 0
    const from = performance.now()
    const calls = await traced('sendmsg', async () => {
      while (rounds < 20 || performance.now() - from < 2000) {
        rounds++
        for (const member of members) void pool.report(member, verdict(true)).catch(ignore)
        await new Promise((resolve) => setTimeout(resolve, 10))
      }
    })
    const seconds = (performance.now() - from) / 1000
    const sent = calls.filter(({ netlink }) => netlink).flatMap(({ bytes }) => messages(bytes))
    const tries = sent.filter(({ command }) => command === NEW_DEST).length
    expect(tries).toBeGreaterThanOrEqual(100)
    // Three at once, four passes that may follow each other, and two and a half a second.
    expect(tries).toBeLessThanOrEqual(100 * (8 + 2.5 * seconds))
    expect(told('up')).toEqual(['up 10.1.0.1:53'])
    expect(told('error').length).toBeLessThanOrEqual(100)
    expect(held()).toEqual(['10.1.0.1 1'])
    // Whoever is fine does not wait for them.
    await report(pool, '10.1.0.1', false)
    expect(held()).toEqual([])
  })
})

const verdict = (healthy: boolean) => ({ healthy, initial: false, reason: 'test', at: 0 })

function report(pool: MirroredPool, address: string, healthy: boolean): Promise<void> {
  const member = [...pool.members()].find((one) => one.address === address)!
  return pool.report(member, verdict(healthy))
}

/** What the kernel refuses is an `error`, and tried again. */
const ignore = (): void => {}
