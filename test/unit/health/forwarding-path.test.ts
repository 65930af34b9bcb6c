// Which mark is whose, and what is in IPVS meanwhile. That packets go that way is in test/kernel/forwarding-path.test.ts.
import { describe, expect, it } from 'vitest'
import { Ipvs } from '../../../src/client.js'
import type { CheckConnect } from '../../../src/health/checks/index.js'
import {
  ForwardingPath,
  type ForwardingPathOptions,
  type ForwardingRoute,
} from '../../../src/health/forwarding-path.js'
import { Inconclusive } from '../../../src/health/outcome.js'
import type { Check, HealthMember } from '../../../src/health/types.js'
import { MemoryKernel } from '../../../src/testing/memory-kernel.js'

const options = {
  address: '192.0.2.1',
  port: 53,
  forwarding: 'direct',
  localAddress: '10.1.0.254',
  marks: [701, 702],
  netns: 'blue',
} as const satisfies ForwardingPathOptions

const { signal } = new AbortController()
const member = (n: number) => ({ key: `10.1.0.${n}:53`, address: `10.1.0.${n}`, port: 53 })

async function open(more: Partial<ForwardingPathOptions> = {}, rules = '') {
  const kernel = new MemoryKernel({ rules })
  const path = new ForwardingPath(await Ipvs.open({ kernel }), { ...options, ...more })
  const asked: CheckConnect[] = []
  /** Says where it goes, and waits for `until`. */
  const checkUntil = (until: () => Promise<void>): Check =>
    path.check(({ connect }: ForwardingRoute) => async (member: HealthMember) => {
      asked.push((connect as (member: HealthMember) => CheckConnect)(member))
      await until()
    })
  return { kernel, path, asked, checkUntil, check: checkUntil(async () => {}) }
}

const rules = (kernel: MemoryKernel) => kernel.rules().trim().split('\n')

describe('a forwarding path', () => {
  it('has a mark for each server, which stays, and asks the virtual address with it', async () => {
    const { kernel, path, asked, check } = await open()
    for (const n of [1, 2, 1]) await check(member(n), { signal })
    const to = { address: '192.0.2.1', port: 53, netns: 'blue' }
    expect(asked).toEqual([
      { ...to, mark: 701 },
      { ...to, mark: 702 },
      { ...to, mark: 701 },
    ])
    expect(rules(kernel)).toEqual([
      '-A -f 701 -s rr -o',
      '-a -f 701 -r 10.1.0.1:0 -g -w 1',
      '-A -f 702 -s rr -o',
      '-a -f 702 -r 10.1.0.2:0 -g -w 1',
    ])
    await path.close()
    expect(kernel.rules()).toBe('')
    await expect(check(member(1), { signal })).rejects.toThrow(Inconclusive)
    expect(kernel.rules()).toBe('')
  })

  it('removes what another run has left at its marks, and nothing else', async () => {
    const left = ['-A -f 701 -s wlc', '-a -f 701 -r 10.9.9.9:0 -g -w 1', '-A -f 700 -s rr'].join(
      '\n',
    )
    const { kernel, path, check } = await open({}, left)
    await check(member(1), { signal })
    const ours = ['-A -f 701 -s rr -o', '-a -f 701 -r 10.1.0.1:0 -g -w 1']
    expect(rules(kernel).sort()).toEqual(['-A -f 700 -s rr', ...ours].sort())
    await path.close()
    expect(rules(kernel)).toEqual(['-A -f 700 -s rr'])
  })

  it('heals what somebody else has removed', async () => {
    const { kernel, check } = await open()
    await check(member(1), { signal })
    const ipvs = await Ipvs.open({ kernel })
    await ipvs.flush()
    await check(member(1), { signal })
    expect(rules(kernel).length).toBe(2)
  })

  it('takes the mark of the server that was not asked for the longest time, but of none that is being asked', async () => {
    const { kernel, asked, check, checkUntil } = await open()
    let go = () => {}
    const waiting = new Promise<void>((resolve) => {
      go = resolve
    })
    const slow = checkUntil(() => waiting)
    const first = slow(member(1), { signal })
    await check(member(2), { signal })
    await check(member(3), { signal })
    expect(asked.map(({ mark }) => mark)).toEqual([701, 702, 702])
    expect(rules(kernel)).toContain('-a -f 702 -r 10.1.0.3:0 -g -w 1')
    expect(rules(kernel)).not.toContain('-a -f 702 -r 10.1.0.2:0 -g -w 1')
    const second = slow(member(3), { signal })
    await expect(check(member(4), { signal })).rejects.toThrow(
      'options.marks: more servers than marks, of which there are 2',
    )
    go()
    await Promise.all([first, second])
    await check(member(4), { signal })
    expect(asked.at(-1)?.mark).toBe(701)
  })

  it('is unknown, not dead, where IPVS refuses', async () => {
    const { kernel, check } = await open()
    kernel.fail({ nth: 1, errno: 'ENOMEM' })
    const error = await check(member(1), { signal }).catch((thrown: unknown) => thrown)
    expect(error).toBeInstanceOf(Inconclusive)
    expect((error as Error).message).toMatch(/^no forwarding path: .*ENOMEM/)
    await check(member(1), { signal })
    expect(rules(kernel).length).toBe(2)
  })

  it('goes through tunnels, over IPv6 too', async () => {
    const tunnel = { type: 'gue', port: 6080 } as const
    const { kernel, check } = await open({ forwarding: 'tunnel', tunnel })
    await check(member(1), { signal })
    expect(rules(kernel)[1]).toMatch(
      /^-a -f 701 -r 10.1.0.1:0 -i -w 1 --tun-type gue --tun-port 6080/,
    )
    const six = await open({ address: '2001:db8::1', localAddress: '2001:db8::fe' })
    await six.check({ key: 'six', address: '2001:db8::9', port: 53 }, { signal })
    expect(rules(six.kernel)).toEqual([
      '-A -f 701 -6 -s rr -o',
      '-a -f 701 -6 -r [2001:db8::9]:0 -g -w 1',
    ])
    await six.path.close()
    expect(six.kernel.rules()).toBe('')
  })

  it.each([
    [{ address: 'vip' }, 'options.address'],
    [{ port: 0 }, 'options.port'],
    [{ forwarding: 'masquerade' }, 'options.forwarding'],
    [{ tunnel: { type: 'ipip' } }, 'options.tunnel'],
    [{ forwarding: 'tunnel', tunnel: { type: 'gre', port: 1 } }, 'options.tunnel.port'],
    [{ localAddress: '192.0.2.1' }, 'options.localAddress'],
    [{ localAddress: '2001:db8::1' }, 'options.localAddress'],
    [{ localAddress: undefined }, 'options.localAddress'],
    [{ marks: 7 }, 'options.marks'],
    [{ marks: [0, 7] }, 'options.marks[0]'],
    [{ marks: [8, 7] }, 'options.marks[1]'],
    [{ marks: [1, 2 ** 32] }, 'options.marks[1]'],
    [{ netns: '' }, 'options.netns'],
    [{ mark: 7 }, 'options.mark'],
  ])('refuses %j', async (wrong, option) => {
    const client = await Ipvs.open({ kernel: new MemoryKernel() })
    expect(() => new ForwardingPath(client, { ...options, ...wrong } as never)).toThrow(
      expect.objectContaining({ code: 'ERR_IPVS_ARGUMENT', option }),
    )
  })

  it('refuses what is no client', () => {
    expect(() => new ForwardingPath({} as never, options)).toThrow(
      expect.objectContaining({ code: 'ERR_IPVS_ARGUMENT', option: 'client' }),
    )
  })
})
