// One wire in one kernel, as each forwarding method needs it:
//
//   client 198.51.100.10 ──────────────┐            ┌─ s1 192.0.2.11
//                                      ├─ switch ───┤
//   director 198.51.100.1, 192.0.2.1 ──┘            └─ s2 192.0.2.12
//   (VIP 198.51.100.53, IPVS)
//
// direct and tunnel: the servers have the virtual address too and answer the client themselves. masquerade: the
// answers have to come back through the director, so that it can change their source. IPv6 is the same with other numbers.
import type { Tunnel } from 'ipvs'
import { ip, removeNamespaces, run, runIn, set } from '../../lab/network/namespaces.js'
import type { Scenario } from './scenarios.js'

export const port = 53
/** Of what the director's firewall marks, where a scenario wants that. */
export const mark = 7
export const servers = ['s1', 's2'] as const
export type Server = (typeof servers)[number]

interface Plan {
  readonly vip: string
  readonly client: string
  /** The director's, on the side of the clients and on that of the servers. */
  readonly director: readonly [string, string]
  readonly servers: Readonly<Record<Server, string>>
  readonly clientNet: string
  readonly serverNet: string
  /** Length of a net's prefix, and of one address. */
  readonly bits: readonly [number, number]
  /** The server's end of each tunnel; GUE is ipip or ip6tnl in UDP. */
  readonly tunnels: Readonly<Record<Tunnel['type'], string>>
}

const plans: Readonly<Record<'ipv4' | 'ipv6', Plan>> = {
  ipv4: {
    vip: '198.51.100.53',
    client: '198.51.100.10',
    director: ['198.51.100.1', '192.0.2.1'],
    servers: { s1: '192.0.2.11', s2: '192.0.2.12' },
    clientNet: '198.51.100.0/24',
    serverNet: '192.0.2.0/24',
    bits: [24, 32],
    tunnels: { ipip: 'ipip', gue: 'ipip', gre: 'gre' },
  },
  ipv6: {
    vip: '2001:db8:1::53',
    client: '2001:db8:1::10',
    director: ['2001:db8:1::1', '2001:db8:2::1'],
    servers: { s1: '2001:db8:2::11', s2: '2001:db8:2::12' },
    clientNet: '2001:db8:1::/64',
    serverNet: '2001:db8:2::/64',
    bits: [64, 128],
    tunnels: { ipip: 'ip6tnl', gue: 'ip6tnl', gre: 'ip6gre' },
  },
}

export const planOf = ({ family }: Scenario) => plans[family ?? 'ipv4']

/** Where a server listens: bound to it, it answers from the address it was asked at. */
export const listensAt = (server: Server, scenario: Scenario) =>
  scenario.forwarding === 'masquerade' ? planOf(scenario).servers[server] : planOf(scenario).vip

const hosts = ['client', 'director', ...servers]
const namespaces = ['switch', ...hosts]

export async function buildNetwork(scenario: Scenario): Promise<void> {
  const { vip, client, director, serverNet, bits } = planOf(scenario)
  await ip(undefined, [
    ...namespaces.map((name) => `netns add ${name}`),
    'link add br0 netns switch type bridge',
    ...hosts.map((name) => `link add ${name} netns switch type veth peer name eth0 netns ${name}`),
  ])
  await ip('switch', ['link set br0 up', ...hosts.map((name) => `link set ${name} master br0 up`)])
  // An address of IPv6 can be used at once, and nobody learns shorter ways from routers: Linux sends such hints always.
  const plain =
    'for f in ../ipv6/conf/*/accept_dad ../ipv6/conf/*/accept_redirects; do echo 0 >$f; done'
  for (const host of hosts) await set(host, plain)
  await ip('client', [
    'link set lo up',
    `address add ${client}/${bits[0]} dev eth0`,
    'link set eth0 up',
    `route add ${serverNet} dev eth0`,
  ])
  await ip('director', [
    'link set lo up',
    ...director.map((address) => `address add ${address}/${bits[0]} dev eth0`),
    `address add ${vip}/${bits[1]} dev eth0`,
    'link set eth0 up',
  ])
  // Both nets are on its one wire: it is not to tell anybody of a shorter way.
  await set(
    'director',
    'echo 1 >ip_forward; echo 1 >../ipv6/conf/all/forwarding; for f in conf/*/send_redirects; do echo 0 >$f; done',
  )
  // Nothing loads it by itself.
  if (scenario.pool.tunnel?.type === 'gue') await run('modprobe', ['fou'])
  if (scenario.marked) await markQueries(scenario)
  for (const server of servers) await buildServer(server, scenario)
}

/** What a firewall does with `-j MARK --set-mark 7`; `tc` is in the lab. */
async function markQueries(scenario: Scenario): Promise<void> {
  const protocol = scenario.family === 'ipv6' ? 'ipv6' : 'ip'
  const tc = (words: string) => runIn('director', ['tc', ...words.split(' ')])
  await tc('qdisc add dev eth0 clsact')
  await tc(
    `filter add dev eth0 ingress protocol ${protocol} flower dst_ip ${planOf(scenario).vip} action skbedit mark ${mark}`,
  )
}

async function buildServer(server: Server, scenario: Scenario): Promise<void> {
  const { forwarding, pool } = scenario
  const plan = planOf(scenario)
  const back = forwarding === 'masquerade' ? `via ${plan.director[1]}` : 'dev eth0'
  await ip(server, [
    'link set lo up',
    `address add ${plan.servers[server]}/${plan.bits[0]} dev eth0`,
    ...(forwarding === 'direct' ? [`address add ${plan.vip}/${plan.bits[1]} dev lo`] : []),
    ...(forwarding === 'tunnel' ? tunnelEnd(plan, server, pool.tunnel) : []),
    'link set eth0 up',
    `route add ${plan.clientNet} ${back}`,
  ])
  // The virtual address is the director's in ARP. A client behind a tunnel is not where its route says.
  await set(
    server,
    'echo 1 >conf/all/arp_ignore; echo 2 >conf/all/arp_announce; for f in conf/*/rp_filter; do echo 0 >$f; done',
  )
}

function tunnelEnd(plan: Plan, server: Server, tunnel: Tunnel = { type: 'ipip' }): string[] {
  const six = plan === plans.ipv6 ? ' -6' : ''
  return [
    `link add tunnel1 type ${plan.tunnels[tunnel.type]} local ${plan.servers[server]}`,
    'link set tunnel1 up',
    `address add ${plan.vip}/${plan.bits[1]} dev tunnel1`,
    ...(tunnel.type === 'gue' ? [`fou add port ${tunnel.port} gue${six}`] : []),
  ]
}

export const removeNetwork = () => removeNamespaces(namespaces)
