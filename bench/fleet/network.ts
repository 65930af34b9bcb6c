// Three directors, an etcd, a router with a client behind it, and a machine that is all servers: each a network namespace.
//
//   client 10.2.0.2 ── router .254 ─┐           ┌─ d1 .1   d2 .2   d3 .3   (IPVS, BIRD, a director each)
//                                   ├─ switch ──┼─ etcd .10
//   this program .100 ──────────────┘ 10.0.0.0  └─ servers .20 (10.1.0.0/16 and every virtual address are its own)
//
// Direct routing: that machine answers the client itself, by way of the router. The router learns virtual addresses from the
// directors by BGP, but for a few that it sends to one of them whatever happens.
import { ip, set } from '../../lab/network/namespaces.js'

export const directors = ['d1', 'd2', 'd3'] as const
export type DirectorName = (typeof directors)[number]

export const addresses: Readonly<Record<DirectorName, string>> = {
  d1: '10.0.0.1',
  d2: '10.0.0.2',
  d3: '10.0.0.3',
}
const lan = { ...addresses, etcd: '10.0.0.10', servers: '10.0.0.20', router: '10.0.0.254' }
export const etcdAddress = lan.etcd
export const routerAddress = lan.router
/** Clients by the thousand have addresses of this network. */
export const flowNetwork = '10.64.0.0/16'

export async function buildNetwork(): Promise<void> {
  const names = Object.keys(lan)
  await ip(undefined, [
    ...['switch', 'client', ...names].map((name) => `netns add ${name}`),
    'link add br0 netns switch type bridge',
    ...names.map((name) => `link add ${name} netns switch type veth peer name eth0 netns ${name}`),
    'link add main netns switch type veth peer name lan0',
    'link add eth1 netns router type veth peer name eth0 netns client',
  ])
  await ip('switch', [
    'link set br0 up',
    ...[...names, 'main'].map((name) => `link set ${name} master br0 up`),
  ])
  await ip(undefined, ['address add 10.0.0.100/24 dev lan0', 'link set lan0 up', 'link set lo up'])
  for (const [name, address] of Object.entries(lan)) {
    await set(name, 'echo 0 >conf/all/rp_filter; echo 0 >conf/default/rp_filter')
    await ip(name, ['link set lo up', `address add ${address}/24 dev eth0`, 'link set eth0 up'])
    if (name !== 'router') await ip(name, [`route add default via ${routerAddress}`])
  }
  for (const name of directors) {
    await ip(name, ['route add 10.1.0.0/16 dev eth0', 'route add local 192.0.2.0/24 dev lo'])
    await set(name, 'echo 1 >ip_forward; echo 0 >conf/all/send_redirects')
  }
  await ip('servers', ['route add local 10.1.0.0/16 dev lo', 'route add local 192.0.2.0/24 dev lo'])
  await ip('router', [
    'address add 10.2.0.1/24 dev eth1',
    'link set eth1 up',
    `route add ${flowNetwork} via 10.2.0.2 dev eth1`,
  ])
  await set('router', 'echo 1 >ip_forward; echo 0 >conf/all/send_redirects')
  await ip('client', [
    'link set lo up',
    'address add 10.2.0.2/24 dev eth0',
    'link set eth0 up',
    'route add default via 10.2.0.1',
    `route add local ${flowNetwork} dev lo`,
  ])
}

/** A virtual address goes to this director, whatever it announces. */
export const sendTo = (director: DirectorName, address: string): Promise<void> =>
  ip('router', [`route replace ${address}/32 via ${addresses[director]}`])

/** What a director sends there is lost from now on, or again arrives. */
export const setReach = (director: DirectorName, network: string, is: boolean): Promise<void> =>
  ip(director, [`route ${is ? 'del' : 'add'} blackhole ${network}`])

/** What passes between a director and etcd is lost, both ways, or again arrives. */
export async function setPartition(director: DirectorName, is: boolean): Promise<void> {
  await setReach(director, `${etcdAddress}/32`, !is)
  await ip('etcd', [`route ${is ? 'add' : 'del'} blackhole ${addresses[director]}/32`])
}
