// Checks with a mark, a device or a namespace. In each of two namespaces lives a server with the same address: east, where the
// routes lead, and west, where a mark or a device does. Nothing else connects the namespace `here` with them.
import { closeSync, openSync, readdirSync, readlinkSync } from 'node:fs'
import { setImmediate as turn } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { kernelSuite } from '../../lab/guest/suite.js'
import { endGroup, startIn } from '../../lab/network/namespaces.js'
import { type CheckConnect, checks } from '../../src/health/checks/index.js'
import { CheckTimeoutError, classify } from '../../src/health/outcome.js'
import type { Check } from '../../src/health/types.js'
import { builtin } from '../unit/health/builtin.js'
import { type Namespace, namespace } from './namespace.js'
import { programPath, programValue } from './programs.js'

const PORT = 5300
/** Over UDP, a port that is open and says nothing. */
const DEAF = PORT + 1
const addresses = ['10.9.0.1', '2001:db8:9::1'] as const
let here: Namespace
let east: Namespace
let west: Namespace
const servers: ReturnType<typeof startIn>[] = []

const member = (address: string, port = PORT) => ({ key: 'server', address, port })
const { signal } = new AbortController()

/** `healthy: detail`, or the outcome and the reason. */
async function ask(check: Check, address: string, port?: number): Promise<string> {
  try {
    const said = await check(member(address, port), { signal })
    return `healthy: ${said?.detail}`
  } catch (error) {
    return `${classify(error)}: ${(error as Error).message}`
  }
}

/** What it says when its time is up after 200 ms, or before. */
async function outOfTime(check: Check, address: string, port?: number): Promise<string> {
  const reason = new CheckTimeoutError(200)
  const stop = new AbortController()
  const timer = setTimeout(() => stop.abort(reason), 200)
  const said = check(member(address, port), { signal: stop.signal })
  return said
    .then(
      () => 'healthy',
      (error: Error) => error.message,
    )
    .finally(() => clearTimeout(timer))
}

const silentUdp = () => checks.udp({ connect: { netns: here.name }, payload: 'x', silence: 'ping' })

/** Who answers over TCP, and over UDP. */
async function whoAnswers(connect: CheckConnect, address: string): Promise<string[]> {
  const names: string[] = []
  const note = (said: Buffer) => {
    names.push(said.toString().split(' ')[0]!)
    return true as const
  }
  await checks.expect({ connect, dialogue: [{ expect: (said) => note(said) }] })(member(address), {
    signal,
  })
  await checks.udp({ connect, payload: 'who?', reply: note })(member(address), { signal })
  return names
}

async function serve(ns: Namespace, name: string): Promise<void> {
  const words = [process.execPath, programPath('names.mjs'), name, String(PORT), ...addresses]
  const server = startIn(ns.name, words)
  servers.push(server)
  server.stderr!.pipe(process.stderr)
  await new Promise((resolve) => server.stdout!.once('data', resolve))
}

/** An address of ours on each link: over IPv6 nobody else answers for it. */
function link(ns: Namespace, name: string, host: number): void {
  here.run(['ip', 'link', 'add', name, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', ns.name])
  here.run(['ip', 'link', 'set', name, 'up'])
  ns.run(['ip', 'link', 'set', 'eth0', 'up'])
  for (const net of ['10.9.0.', '2001:db8:9::']) {
    const [bits, all, nodad] = net === '10.9.0.' ? [24, 32, []] : [64, 128, ['nodad']]
    const subnet = net === '10.9.0.' ? '10.9.0.0/24' : '2001:db8:9::/64'
    ns.run(['ip', 'addr', 'add', `${net}1/${bits}`, 'dev', 'eth0', ...nodad])
    here.run(['ip', 'addr', 'add', `${net}${host}/${all}`, 'dev', name, ...nodad])
    here.run(['ip', 'route', 'add', subnet, 'dev', name, 'metric', String(host)])
  }
}

kernelSuite('sockets of checks', () => {
  beforeAll(async () => {
    here = namespace()
    east = namespace()
    west = namespace()
    link(east, 'to-east', 2)
    link(west, 'to-west', 3)
    for (const family of ['-4', '-6']) {
      const subnet = family === '-4' ? '10.9.0.0/24' : '2001:db8:9::/64'
      here.run(['ip', family, 'route', 'add', subnet, 'dev', 'to-west', 'table', '77'])
      here.run(['ip', family, 'rule', 'add', 'fwmark', '4294967295', 'table', '77'])
    }
    await Promise.all([serve(east, 'east'), serve(west, 'west')])
  })
  afterAll(() => {
    for (const server of servers) endGroup(server)
    for (const ns of [here, east, west]) ns?.close()
  })

  test.each(addresses)(
    '%s is asked where the namespace, the mark and the device lead',
    async (address) => {
      const netns = here.name
      const fd = openSync(`/run/netns/${netns}`, 'r')
      const ways: [CheckConnect, string][] = [
        [{ netns }, 'east'],
        [{ netns: `/run/netns/${netns}` }, 'east'],
        [{ netns: { pid: here.pid } }, 'east'],
        [{ netns: { fd } }, 'east'],
        [{ netns, mark: 2 ** 32 - 1 }, 'west'],
        [{ netns, mark: 7 }, 'east'],
        [{ netns, mark: 0 }, 'east'],
        [{ netns, device: 'to-west' }, 'west'],
        [{ netns, device: 'to-east' }, 'east'],
      ]
      const home = readlinkSync('/proc/self/ns/net')
      try {
        for (const [connect, name] of ways)
          expect(await whoAnswers(connect, address), JSON.stringify(connect)).toEqual([name, name])
        expect(readlinkSync('/proc/thread-self/ns/net')).toBe(home)
      } finally {
        closeSync(fd)
      }
    },
  )

  test('a local address is bound beside them', async () => {
    here.run(['ip', 'addr', 'add', '10.9.0.7/32', 'dev', 'lo'])
    const connect = { netns: here.name }
    const localAddress = '10.9.0.7'
    const seen = /^east (::ffff:)?10\.9\.0\.7$/
    const overTcp = checks.expect({ connect, localAddress, dialogue: [{ expect: seen }] })
    const overUdp = checks.udp({ connect, localAddress, payload: 'who?', reply: seen })
    for (const check of [overTcp, overUdp])
      expect(await ask(check, addresses[0])).toMatch(/^healthy/)
    expect(await ask(checks.tcp({ connect, localAddress: '10.9.0.8' }), addresses[0])).toBe(
      'unknown: tcp 10.9.0.1:5300: address not available (EADDRNOTAVAIL), on our side',
    )
  })

  test('without a namespace the device and the mark are those of ours', async () => {
    const connect = { device: 'lo', mark: 7 }
    expect(await ask(checks.tcp({ connect }), '127.0.0.1', 9)).toBe(
      'failure: tcp 127.0.0.1:9: connection refused',
    )
    expect(await ask(checks.udp({ connect, payload: '' }), '::1', 9)).toBe(
      'failure: udp [::1]:9: connection refused',
    )
  })

  const needed: Record<string, object> = {
    udp: { payload: '' },
    dns: { name: '.' },
    expect: { dialogue: [{ send: 'x' }] },
    radius: { secret: 'x' },
  }
  test.each(builtin)('checks.%s says what there is not, and blames nobody', async (name, make) => {
    const check = (connect: CheckConnect) =>
      (make as (options: object) => Check)({ ...needed[name], connect })
    const missing: [CheckConnect, RegExp][] = [
      [{ device: 'eth-no' }, /connect\.device: there is no interface eth-no here; .*ENODEV/],
      [{ netns: here.name, device: 'lo2' }, /connect\.device: there is no interface lo2 here/],
      [{ netns: 'gone' }, /connect\.netns: there is no network namespace .*\/gone; .*ENOENT/],
      [{ netns: { fd: 9999 } }, /connect\.netns: there is no network .* descriptor 9999; .*EBADF/],
    ]
    for (const [connect, words] of missing) {
      const said = await ask(check(connect), '127.0.0.1')
      expect(said).toMatch(/^unknown: \w+ /)
      expect(said).toMatch(words)
    }
  })

  test('who may not is told what is missing', () => {
    const [mark, netns, device, ping] = programValue<string[]>('refused-sockets.mjs', [here.name], {
      uid: 65534,
    })
    expect(mark).toBe(
      'tcp 127.0.0.1:9: options.connect.mark: a mark needs CAP_NET_ADMIN or CAP_NET_RAW (EPERM)',
    )
    expect(netns).toMatch(/^tcp \S+: options\.connect\.netns: .* needs root \(CAP_SYS_ADMIN\)/)
    expect(device).toBe('tcp 127.0.0.1:9: connection refused')
    expect(ping).toBe(
      'ping 127.0.0.1: ICMP needs CAP_NET_RAW, with net.ipv4.ping_group_range without a group of this process (EPERM)',
    )
  })

  /** The setting's groups: with those of nobody, raw sockets remain. */
  const groups = (text: string) =>
    here.run(['sh', '-c', `echo ${text} > /proc/sys/net/ipv4/ping_group_range`])
  describe.each([
    ['sockets of ICMP for everybody', '0 2147483647'],
    ['raw sockets', '1 0'],
  ])('with %s', (_name, range) => {
    beforeAll(() => void groups(range))

    test.each(addresses)('%s answers a ping, by whichever way', async (address) => {
      const netns = here.name
      for (const connect of [{ netns }, { netns, device: 'to-west' }, { netns, mark: 2 ** 32 - 1 }])
        expect(await ask(checks.ping({ connect }), address, 0)).toBe('healthy: answered')
      const [v4, v6] = ['10.9.0.2', '2001:db8:9::2']
      const localAddress = address.includes(':') ? v6 : v4
      const connect = { netns, device: 'to-east', port: 5 }
      expect(await ask(checks.ping({ connect, localAddress }), address)).toBe('healthy: answered')
    })

    test('a host that does not answer is dead when the time is up', async () => {
      east.run(['sh', '-c', 'echo 1 > /proc/sys/net/ipv4/icmp_echo_ignore_all'])
      east.run(['sh', '-c', 'echo 1 > /proc/sys/net/ipv6/icmp/echo_ignore_all'])
      const check = checks.ping({ connect: { netns: here.name } })
      for (const address of addresses) {
        expect(await outOfTime(check, address)).toBe(`ping ${address}: no answer within 200 ms`)
        expect(await ask(silentUdp(), address, 9)).toMatch(/^failure: .*: connection refused$/)
        for (const way of [{ device: 'to-west' }, { mark: 2 ** 32 - 1 }]) {
          const elsewhere = checks.ping({ connect: { netns: here.name, ...way } })
          expect(await ask(elsewhere, address)).toBe('healthy: answered')
        }
        const said = await outOfTime(silentUdp(), address, DEAF)
        expect(said).toMatch(
          /^udp \S+: no answer within 200 ms; ping \S+: no answer within 200 ms$/,
        )
      }
      east.run(['sh', '-c', 'echo 0 > /proc/sys/net/ipv4/icmp_echo_ignore_all'])
      east.run(['sh', '-c', 'echo 0 > /proc/sys/net/ipv6/icmp/echo_ignore_all'])
    })

    test('many pings at once each take their own answer', async () => {
      const check = checks.ping({ connect: { netns: here.name } })
      const said = Array.from({ length: 200 }, (_, n) => ask(check, addresses[n % 2]!))
      expect(new Set(await Promise.all(said))).toEqual(new Set(['healthy: answered']))
    })

    test.each(addresses)('at %s silence is alive, port unreachable is dead', async (address) => {
      expect(await ask(silentUdp(), address, DEAF)).toBe(
        'healthy: not refused, and the host answers pings',
      )
      expect(await ask(silentUdp(), address, 9)).toMatch(/^failure: .*: connection refused$/)
      // Whichever comes first.
      expect(await ask(silentUdp(), address)).toMatch(/^healthy: (a reply of|not refused)/)
    })
  })

  test('no descriptor and no thread is left, however a check ends', async () => {
    const netns = here.name
    const descriptors = () => readdirSync('/proc/self/fd').length
    const threads = () => readdirSync('/proc/self/task').length
    const all = (connect: CheckConnect) => [
      checks.tcp({ connect }),
      checks.udp({ connect, payload: 'who?' }),
      checks.dns({ connect, name: '.' }),
      checks.http({ connect, tls: true }),
      checks.ping({ connect }),
      checks.udp({ connect, payload: 'who?', silence: 'ping' }),
    ]
    const rounds = async (count: number) => {
      for (let n = 0; n < count; n++) {
        for (const connect of [{ netns }, { netns, device: 'no' }, { netns: 'no' }, { mark: 1 }]) {
          for (const check of all(connect)) {
            const stop = new AbortController()
            const end = check(member(addresses[n % 2]!), { signal: stop.signal }).catch(() => {})
            for (let turns = 0; turns < n; turns++) await turn()
            stop.abort()
            await end
          }
        }
      }
    }
    groups('0 2147483647')
    await rounds(2)
    const before = [descriptors(), threads()]
    await rounds(12)
    groups('1 0')
    await rounds(12)
    await expect.poll(() => [descriptors(), threads()]).toEqual(before)
  })

  test('a check that got the port of the server is not its answer', () => {
    using alone = namespace()
    const range = '/proc/sys/net/ipv4/ip_local_port_range'
    alone.run(['sh', '-c', `echo 41000 41001 > ${range}`])
    const said = programValue('itself.mjs', ['41000'], {
      under: ['ip', 'netns', 'exec', alone.name],
    })
    expect(said).toEqual({
      tcp: [expect.stringMatching(/: connection refused$/)],
      'tcp by a device': [expect.stringMatching(/: connection refused$/)],
      expect: [expect.stringMatching(/: connection refused$/)],
      udp: [expect.stringMatching(/: connection refused$/)],
      'udp by a device': ['healthy'],
    })
  })

  test('checks of one server at the same time take each their own answer', () => {
    using alone = namespace()
    // Few ports to choose from: two that get the same one would be seen.
    const range = '/proc/sys/net/ipv4/ip_local_port_range'
    alone.run(['sh', '-c', `echo 41000 41063 > ${range}`])
    const under = ['ip', 'netns', 'exec', alone.name]
    expect(programValue('at-once.mjs', ['42000'], { under })).toEqual({ healthy: 480 })
  })

  test('TCP checks keep their thread of JavaScript until they have an answer, and leave nothing in one that is ended', () => {
    type Left = { threads: number; descriptors: number }
    const { first, last, said, code } = programValue<{
      first: Left
      last: Left
      said: string
      code: number
    }>('checks-in-threads.mjs')
    expect(last.threads).toBeLessThanOrEqual(first.threads)
    expect(last.descriptors).toBeLessThanOrEqual(first.descriptors)
    expect([said, code]).toEqual(['connected', 0])
  })
})
