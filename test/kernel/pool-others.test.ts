// What others do to a pool's table meanwhile, on a real kernel; ipvsadm is the other one, and the witness.
import { setImmediate, setTimeout } from 'node:timers/promises'
import { describe, expect, onTestFinished, test } from 'vitest'
import { kernelSuite } from '../../lab/guest/suite.js'
import type { MirroredPoolOptions } from '../../src/pool/api.js'
import { MirroredPool } from '../../src/pool/index.js'
import { twoServers } from '../unit/pool/two-servers.js'
import { ipvs, ns, setUp } from './setup.js'
import { messages } from './strace.js'
import { traced } from './traced.js'

const FLAGS = ['-t', '-u'] as const
/** Reads have other commands. */
const CHANGES = [1, 2, 3, 5, 6, 7]

kernelSuite('a pool and what others do to its table', () => {
  setUp()

  async function open(options: Partial<MirroredPoolOptions> = {}): Promise<MirroredPool> {
    const pool = await MirroredPool.open(ipvs, { ...twoServers, ...options } as MirroredPoolOptions)
    onTestFinished(() => pool.close())
    await setImmediate()
    return pool
  }

  /** Weights by server: `10.1.0.1 1`. */
  const held = (flag: (typeof FLAGS)[number]): string[] =>
    ns.rules().flatMap((rule) => {
      const [, to, weight] =
        (rule.startsWith(`-a ${flag} `) && / -r (\S+):53 .*-w (\d+)/.exec(rule)) || []
      return to === undefined ? [] : [`${to} ${weight}`]
    })
  const both = () => {
    const [tcp, udp] = FLAGS.map(held)
    expect(udp).toEqual(tcp)
    return tcp!
  }
  const put = (server: string, ...weight: string[]) => {
    for (const flag of FLAGS) {
      ns.ipvsadm('-a', flag, '192.0.2.1:53', '-r', `${server}:53`, '-m', ...weight)
    }
  }

  /** How many changes `work` asks the kernel for. */
  async function changesOf(work: () => Promise<unknown>): Promise<number> {
    const calls = await traced('sendmsg', work)
    const sent = calls.filter(({ netlink }) => netlink).flatMap(({ bytes }) => messages(bytes))
    return sent.filter(({ type, command }) => type > 1 && CHANGES.includes(command)).length
  }

  describe('a server that is not declared, and is added while it is swept', () => {
    /** Turns of the event loop between the beginning of the sweep and the call. */
    const MOMENTS = [0, 1, 2, 3, 4, 5, 6, 8, 11, 15, 30, 100]

    async function always(
      options: Partial<MirroredPoolOptions>,
      add: (pool: MirroredPool) => Promise<unknown>,
      wanted: readonly string[],
    ): Promise<void> {
      const pool = await open(options)
      for (const moment of MOMENTS) {
        put('10.1.0.7')
        const sweep = pool.reconcile()
        for (let n = 0; n < moment; n++) await setImmediate()
        await add(pool)
        await sweep
        // A flip that met what the pool had not seen yet is repaired by the pass that comes next.
        await expect.poll(() => pool.status().converged, { timeout: 30_000 }).toBe(true)
        expect(both(), `after ${moment} turns`).toEqual(wanted)
        await pool.remove('10.1.0.7')
        await pool.up('10.1.0.1')
      }
    }

    test('is there afterwards, whatever the moment', () =>
      always({}, (pool) => pool.add('10.1.0.7'), ['10.1.0.1 1', '10.1.0.2 1', '10.1.0.7 1']))

    test('by a list, is there with the weight of the list', () =>
      always(
        {},
        (pool) => pool.setServers([...twoServers.servers, { address: '10.1.0.7', weight: 4 }]),
        ['10.1.0.1 1', '10.1.0.2 1', '10.1.0.7 4'],
      ))

    test('as a backup, is there when it is needed', () =>
      always(
        { servers: ['10.1.0.1'] },
        async (pool) => {
          await pool.add('10.1.0.7', { backup: true })
          await pool.down('10.1.0.1')
        },
        ['10.1.0.7 1'],
      ))
  })

  describe("drift: 'report' with a service that ipvsadm has deleted", () => {
    const lose = (flag: string) => ns.ipvsadm('-D', flag, '192.0.2.1:53')

    test('calls about its servers end, nothing is tried again and again, and the status tells', async () => {
      const pool = await open({ drift: 'report' })
      lose('-t')
      await pool.reconcile()
      expect(pool.status().missing).toEqual(['tcp 192.0.2.1:53'])
      const refused = { code: 'ERR_IPVS_NO_SERVICE' }
      await expect(pool.add('10.1.0.3')).rejects.toMatchObject(refused)
      await expect(pool.setWeight('10.1.0.2', 7)).rejects.toMatchObject(refused)
      // What a drain does about the service that is there is done.
      await pool.drain('10.1.0.1', { timeoutMs: 20 }).catch(ignore)
      const changes = await changesOf(() => setTimeout(1500))
      expect(changes).toBeLessThanOrEqual(4)
      expect(held('-u')).toEqual(['10.1.0.2 7', '10.1.0.3 1'])
      expect(ns.rules().filter((rule) => rule.startsWith('-A'))).toEqual([
        '-A -u 192.0.2.1:53 -s wrr',
      ])
      await pool.close()
    })

    test('seen by a call first: the verdict is programmed where the service is there', async () => {
      const pool = await open({ drift: 'report' })
      lose('-u')
      await pool.down('10.1.0.1').catch(ignore)
      expect(held('-t')).toEqual(['10.1.0.2 1'])
      const changes = await changesOf(() => setTimeout(1500))
      expect(changes).toBeLessThanOrEqual(4)
      await pool.reconcile()
      expect(pool.status().missing).toEqual(['udp 192.0.2.1:53'])
    })

    test('what was asked for is done when somebody puts the service back', async () => {
      const pool = await open({ drift: 'report' })
      lose('-t')
      await pool.reconcile()
      await pool.add('10.1.0.3').catch(ignore)
      ns.ipvsadm('-A', '-t', '192.0.2.1:53', '-s', 'wrr')
      await pool.reconcile()
      expect(held('-t')).toEqual(['10.1.0.3 1'])
      expect(pool.status().missing).toEqual([])
      await pool.setWeight('10.1.0.1', 5)
      expect(held('-t')).toEqual(['10.1.0.1 5', '10.1.0.3 1'])
    })
  })
})

const ignore = (): void => {}
