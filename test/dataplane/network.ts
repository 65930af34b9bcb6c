// One wire in one kernel, as each forwarding method needs it:
//
//   client 198.51.100.10 ──────────────┐            ┌─ s1 192.0.2.11
//                                      ├─ switch ───┤
//   director 198.51.100.1, 192.0.2.1 ──┘            └─ s2 192.0.2.12
//   (VIP 198.51.100.53, IPVS)
//
// direct and tunnel: the servers have the virtual address too and answer the client themselves. masquerade: the
// answers have to come back through the director, so that it can change their source.
import { ip, removeNamespaces, set } from '../../lab/network/namespaces.js'
import type { Scenario } from './scenarios.js'

export const vip = '198.51.100.53'
export const port = 53
export const servers = ['s1', 's2'] as const
export type Server = (typeof servers)[number]
export const addresses: Readonly<Record<Server, string>> = {
  s1: '192.0.2.11',
  s2: '192.0.2.12',
}

const client = '198.51.100.10'
const namespaces = ['switch', 'client', 'director', ...servers]

export type Forwarding = Scenario['forwarding']

/** Where a server listens: bound to it, it answers from the address it was asked at. */
export const listensAt = (server: Server, forwarding: Forwarding) =>
  forwarding === 'masquerade' ? addresses[server] : vip

export async function buildNetwork(forwarding: Forwarding): Promise<void> {
  const hosts = namespaces.slice(1)
  await ip(undefined, [
    ...namespaces.map((name) => `netns add ${name}`),
    'link add br0 netns switch type bridge',
    ...hosts.map((name) => `link add ${name} netns switch type veth peer name eth0 netns ${name}`),
  ])
  await ip('switch', ['link set br0 up', ...hosts.map((name) => `link set ${name} master br0 up`)])
  await ip('client', [
    'link set lo up',
    `address add ${client}/24 dev eth0`,
    'link set eth0 up',
    'route add 192.0.2.0/24 dev eth0',
  ])
  await ip('director', [
    'link set lo up',
    'address add 198.51.100.1/24 dev eth0',
    'address add 192.0.2.1/24 dev eth0',
    `address add ${vip}/32 dev eth0`,
    'link set eth0 up',
  ])
  // Both nets are on its one wire: it is not to tell anybody of a shorter way.
  await set('director', 'echo 1 >ip_forward; for f in conf/*/send_redirects; do echo 0 >$f; done')
  for (const server of servers) await buildServer(server, forwarding)
}

async function buildServer(server: Server, forwarding: Forwarding): Promise<void> {
  const back = forwarding === 'masquerade' ? 'via 192.0.2.1' : 'dev eth0'
  await ip(server, [
    'link set lo up',
    `address add ${addresses[server]}/24 dev eth0`,
    ...(forwarding === 'direct' ? [`address add ${vip}/32 dev lo`] : []),
    ...(forwarding === 'tunnel'
      ? [
          `link add ipip1 type ipip local ${addresses[server]}`,
          'link set ipip1 up',
          `address add ${vip}/32 dev ipip1`,
        ]
      : []),
    'link set eth0 up',
    `route add 198.51.100.0/24 ${back}`,
  ])
  // The virtual address is the director's in ARP. A client behind a tunnel is not where its route says.
  await set(
    server,
    'echo 1 >conf/all/arp_ignore; echo 2 >conf/all/arp_announce; for f in conf/*/rp_filter; do echo 0 >$f; done',
  )
}

export const removeNetwork = () => removeNamespaces(namespaces)
