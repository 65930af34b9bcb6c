// One LAN in one kernel: a client, a director and three DNS servers, each a network namespace with
// an eth0 that is plugged into a bridge in a sixth one, "switch".
//
//     client .10 ─┐                  ┌─ dns1 .11   (each: VIP on lo)
//                 ├─ switch (br0) ───┼─ dns2 .12
//   director .1 ──┘                  └─ dns3 .13
//   (VIP .53 on eth0, IPVS)
//
// Direct routing: the director passes a query on without changing its addresses, so every server
// has the virtual address too (on lo, and silent about it in ARP) and answers the client itself.
//
// In place of "director" there may be a pair, lb1 .1 and lb2 .2, neither with the virtual address: VRRP sees to that. They may be the
// first two servers as well: .11 and .12 are then theirs, and the virtual address is on their lo.
import { ip, removeNamespaces, set } from './namespaces.js'

export const vip = '192.0.2.53'
export const port = 53
/** Every server answers it with its own address. */
export const questionName = 'whoami.demo'

export const addresses = { dns1: '192.0.2.11', dns2: '192.0.2.12', dns3: '192.0.2.13' } as const
export type Server = keyof typeof addresses
export const servers = Object.keys(addresses) as Server[]

/** The server with this address, or undefined. */
export const serverAt = (address: string): Server | undefined =>
  servers.find((server) => addresses[server] === address)

const alone = { director: '192.0.2.1' } as const
export const pair = { lb1: '192.0.2.1', lb2: '192.0.2.2' } as const
export type Director = keyof typeof pair
export const directors = Object.keys(pair) as Director[]

/** One director; two; or two that are the first two servers as well. */
export type Directors = 'alone' | 'pair' | 'servers too'

/** The namespace of each server. */
export const placesOf = (kind: Directors): Readonly<Record<Server, string>> =>
  kind === 'servers too'
    ? { dns1: 'lb1', dns2: 'lb2', dns3: 'dns3' }
    : { dns1: 'dns1', dns2: 'dns2', dns3: 'dns3' }

export async function buildNetwork(kind: Directors = 'alone'): Promise<void> {
  const places = placesOf(kind)
  const hosts: [name: string, address: string][] = [
    ['client', '192.0.2.10'],
    ...Object.entries(kind === 'alone' ? alone : pair),
    ...servers.map((server): [string, string] => [places[server], addresses[server]]),
  ]
  const names = [...new Set(hosts.map(([name]) => name))]
  await ip(undefined, [
    ...['switch', ...names].map((name) => `netns add ${name}`),
    'link add br0 netns switch type bridge',
    ...names.map((name) => `link add ${name} netns switch type veth peer name eth0 netns ${name}`),
  ])
  await ip('switch', ['link set br0 up', ...names.map((name) => `link set ${name} master br0 up`)])
  for (const name of names) {
    const isOneServer = Object.values(places).includes(name)
    const vipOn = name === 'director' ? 'eth0' : isOneServer ? 'lo' : undefined
    // A server must not answer ARP for the virtual address: that is the director's to do.
    if (isOneServer) await set(name, 'echo 1 >conf/all/arp_ignore; echo 2 >conf/all/arp_announce')
    await ip(name, [
      // IPVS takes every server for unreachable as long as lo is down.
      'link set lo up',
      ...hosts.flatMap(([host, address]) =>
        host === name ? [`address add ${address}/24 dev eth0`] : [],
      ),
      ...(vipOn ? [`address add ${vip}/32 dev ${vipOn}`] : []),
      'link set eth0 up',
    ])
  }
}

export const removeNetwork = () =>
  removeNamespaces(['switch', 'client', ...Object.keys({ ...alone, ...pair, ...addresses })])

/** Pulls the machine's cable out of the switch, or plugs it in again. */
export async function setLink(machine: Server | Director, state: 'up' | 'down'): Promise<void> {
  await ip('switch', [`link set ${machine} ${state}`])
}

/** The two directors of a pair do not hear each other any more; everybody else hears both. */
export async function splitPair(state: 'on' | 'off'): Promise<void> {
  const ports = directors.map((name) => `link set ${name} type bridge_slave isolated ${state}`)
  await ip('switch', ports)
}
