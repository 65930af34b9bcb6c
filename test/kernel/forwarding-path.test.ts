// Checks of the virtual address on a server, with real packets. Plain checks find every server up.
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { labSuite } from '../../lab/guest/suite.js'
import { endGroup, startIn } from '../../lab/network/namespaces.js'
import type { Ipvs } from '../../src/client.js'
import { checks, ForwardingPath, type ForwardingPathOptions } from '../../src/health/index.js'
import { CheckTimeoutError, classify } from '../../src/health/outcome.js'
import type { Check } from '../../src/health/types.js'
import type { ServiceId } from '../../src/types.js'
import { command, type Namespace, namespace } from './namespace.js'
import { programPath } from './programs.js'

const PORT = 5300
/** What a server has beside its own address. */
interface Kind {
  readonly forwarding: 'direct' | 'tunnel'
  /** It has the virtual address. */
  readonly virtual: boolean
  /** Its end of the tunnel is up. */
  readonly unpacks: boolean
}
const kinds = {
  direct: { forwarding: 'direct', virtual: true, unpacks: false },
  forgetful: { forwarding: 'direct', virtual: false, unpacks: false },
  tunnel: { forwarding: 'tunnel', virtual: true, unpacks: true },
  packed: { forwarding: 'tunnel', virtual: true, unpacks: false },
} as const satisfies Record<string, Kind>
type Name = keyof typeof kinds
const names = Object.keys(kinds) as Name[]

const families = {
  IPv4: { virtual: '192.0.2.10', bits: 32, net: (n: number, host: string) => `10.9.${n}.${host}` },
  IPv6: {
    virtual: '2001:db8::10',
    bits: 128,
    net: (n: number, host: string) => `2001:db8:${n}::${host}`,
  },
}
type FamilyName = keyof typeof families

let director: Namespace
let ipvs: Ipvs
const servers: Namespace[] = []
const programs: ReturnType<typeof startIn>[] = []

async function add(name: Name, n: number): Promise<void> {
  const ns = namespace()
  servers.push(ns)
  const { virtual: hasVirtual, unpacks } = kinds[name]
  const peer = ['type', 'veth', 'peer', 'name', 'eth0', 'netns', ns.name]
  director.run(['ip', 'link', 'add', `to-${name}`, ...peer])
  for (const { virtual, bits, net } of Object.values(families)) {
    const nodad = bits === 128 ? ['nodad'] : []
    const length = bits === 128 ? 64 : 24
    director.run(['ip', 'addr', 'add', `${net(n, '254')}/${length}`, 'dev', `to-${name}`, ...nodad])
    ns.run(['ip', 'addr', 'add', `${net(n, '1')}/${length}`, 'dev', 'eth0', ...nodad])
    if (hasVirtual) ns.run(['ip', 'addr', 'add', `${virtual}/${bits}`, 'dev', 'lo', ...nodad])
  }
  director.run(['ip', 'link', 'set', `to-${name}`, 'up'])
  ns.run(['ip', 'link', 'set', 'eth0', 'up'])
  for (const { net } of Object.values(families))
    ns.run(['ip', 'route', 'add', 'default', 'via', net(n, '254')])
  if (unpacks)
    for (const device of ['tunl0', 'ip6tnl0']) ns.run(['ip', 'link', 'set', device, 'up'])
  const own = Object.values(families).flatMap(({ virtual, net }) =>
    hasVirtual ? [net(n, '1'), virtual] : [net(n, '1')],
  )
  const words = [process.execPath, programPath('names.mjs'), name, String(PORT), ...own]
  const program = startIn(ns.name, words)
  programs.push(program)
  program.stderr!.pipe(process.stderr)
  await new Promise((resolve) => program.stdout!.once('data', resolve))
}

/** A time limit is for what is silent: what answers may take as long as a busy machine makes it. */
async function ask(check: Check, address: string, timeoutMs?: number): Promise<string> {
  const stop = new AbortController()
  const end = () => stop.abort(new CheckTimeoutError(timeoutMs!))
  const timer = timeoutMs === undefined ? undefined : setTimeout(end, timeoutMs)
  try {
    const said = await check({ key: address, address, port: PORT }, { signal: stop.signal })
    return `healthy: ${said?.detail}`
  } catch (error) {
    return `${classify(error)}: ${(error as Error).message}`
  } finally {
    clearTimeout(timer)
  }
}

function pathOf(family: FamilyName, name: Name, more: Partial<ForwardingPathOptions> = {}) {
  const { virtual, net } = families[family]
  return new ForwardingPath(ipvs, {
    address: virtual,
    port: PORT,
    forwarding: kinds[name].forwarding,
    localAddress: net(names.indexOf(name) + 1, '254'),
    marks: [9000, 9003],
    netns: director.name,
    ...more,
  })
}

labSuite('the forwarding path', () => {
  beforeAll(async () => {
    for (const module of ['ipip', 'ip6_tunnel']) command(['modprobe', module])
    director = namespace()
    for (const { virtual, bits } of Object.values(families)) {
      const nodad = bits === 128 ? ['nodad'] : []
      director.run(['ip', 'addr', 'add', `${virtual}/${bits}`, 'dev', 'lo', ...nodad])
    }
    director.run(['sh', '-c', 'echo 1 > /proc/sys/net/ipv4/conf/all/accept_local'])
    for (const [index, name] of names.entries()) await add(name, index + 1)
    ipvs = await director.open()
  })
  afterAll(async () => {
    await ipvs?.close()
    for (const program of programs) endGroup(program)
    for (const ns of [director, ...servers]) ns?.close()
  })

  describe.each(Object.keys(families) as FamilyName[])('over %s', (family) => {
    const { net } = families[family]

    test.each(names)('is there and back, or is not: %s', async (name) => {
      const address = net(names.indexOf(name) + 1, '1')
      const plain = { connect: { netns: director.name } }
      const dialogue = [{ expect: new RegExp(`^${name} `) }]
      const datagram = { payload: 'who?', reply: `${name} ` }
      const path = pathOf(family, name)
      const good = name === 'direct' || name === 'tunnel'
      for (let time = 0; time < 2; time++) {
        for (const make of [
          (route: object) => checks.expect({ ...route, dialogue }),
          (route: object) => checks.udp({ ...route, ...datagram }),
          (route: object) => checks.all(checks.tcp(route), checks.udp({ ...route, ...datagram })),
        ]) {
          expect(await ask(make(plain), address)).toMatch(/^healthy/)
          const said = await ask(path.check(make), address, good ? undefined : 400)
          expect(said).toMatch(good ? /^healthy/ : /^failure/)
        }
      }
      await path.close()
      expect(director.rules()).toEqual([])
    })
  })

  test('the servers of a pool each have a mark; the virtual service is asked for nothing', async () => {
    const virtual = { protocol: 'tcp', address: families.IPv4.virtual, port: PORT } as const
    await ipvs.apply([
      { op: 'add-service', service: { ...virtual, scheduler: 'rr' } },
      ...names.map((_, index) => ({
        op: 'add-destination' as const,
        service: virtual,
        destination: {
          address: families.IPv4.net(index + 1, '1'),
          port: PORT,
          weight: 1,
          forwarding: 'direct' as const,
        },
      })),
    ])
    const path = pathOf('IPv4', 'direct', { marks: [9100, 9103] })
    const check = path.check((route) => checks.tcp(route))
    const said = await Promise.all(
      names.map((name, index) =>
        ask(check, families.IPv4.net(index + 1, '1'), name === 'forgetful' ? 400 : undefined),
      ),
    )
    // All but one have the address; those of tunnels take plain packets too.
    expect(said.map((one) => one.split(':')[0])).toEqual([
      'healthy',
      'failure',
      'healthy',
      'healthy',
    ])
    const connections = async (service: ServiceId) =>
      (await ipvs.destinations(service)).map(
        (one) => one.activeConnections + one.inactiveConnections,
      )
    expect(await connections(virtual)).toEqual([0, 0, 0, 0])
    expect(await connections({ fwmark: 9100 })).toEqual([1])
    await path.close()
    await ipvs.flush()
  })

  test('a host that would drop the answers is told so', async () => {
    command(['ip', 'addr', 'add', '192.0.2.11/32', 'dev', 'lo'])
    const path = pathOf('IPv4', 'direct', { address: '192.0.2.11', netns: undefined })
    expect(
      await ask(
        path.check((route) => checks.tcp(route)),
        '10.9.1.1',
      ),
    ).toBe(
      'unknown: options.address: answers from 192.0.2.11, an address of this host, are dropped without net.ipv4.conf.all.accept_local=1',
    )
    command(['ip', 'addr', 'del', '192.0.2.11/32', 'dev', 'lo'])
    await path.close()
    expect(director.rules()).toEqual([])
  })
})
