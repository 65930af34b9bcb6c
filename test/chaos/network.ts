// Four network namespaces of the guest:
//
//     clients 10.3.0.2 ── director ── servers 10.2.0.1 ... 10.2.0.12      noise
//                         VIPs on lo, IPVS                                 (an IPVS table of its own)
//
// Behind the virtual address of the queried pool, the real servers are one namespace's addresses; their answers would
// go back through the director, as masquerading wants it. The other pool's servers are never sent anything.
import { ip, set } from '../../lab/network/namespaces.js'
import { CANDIDATES, POOLS, QUERIED } from './pools.js'

export const DIRECTOR = 'director'

export async function buildNetwork(): Promise<void> {
  const peers = ['servers', 'clients']
  const names = [DIRECTOR, 'noise', ...peers]
  await ip(undefined, [
    ...names.map((name) => `netns add ${name}`),
    ...peers.map(
      (name) => `link add ${name} netns ${DIRECTOR} type veth peer name eth0 netns ${name}`,
    ),
  ])
  const gateway = `${QUERIED.prefix}254`
  const servers = Array.from({ length: CANDIDATES }, (_, n) => `${QUERIED.prefix}${n + 1}/24`)
  await ip('noise', ['link set lo up'])
  await ip('servers', [
    'link set lo up',
    'link set eth0 up',
    ...servers.map((address) => `address add ${address} dev eth0`),
    `route add default via ${gateway}`,
  ])
  await ip('clients', [
    'link set lo up',
    'link set eth0 up',
    'address add 10.3.0.2/24 dev eth0',
    'route add default via 10.3.0.1',
  ])
  await ip(DIRECTOR, [
    'link set lo up',
    ...peers.map((name) => `link set ${name} up`),
    `address add ${gateway}/24 dev servers`,
    'address add 10.3.0.1/24 dev clients',
    ...POOLS.map(({ address }) => `address add ${address}/32 dev lo`),
  ])
  await set(DIRECTOR, 'echo 1 >ip_forward')
}
