// What has to be true outside of IPVS for packets to arrive: no program can see it from here, so it is said.
import type { Sysctls } from '../system/sysctls.js'
import { carries, type FrontSpec } from './config/fronts.js'
import type { Settings } from './config/options.js'

/** One sentence each. */
export function needs(
  { fronts, forwarding, tunnel }: Pick<Settings, 'fronts' | 'forwarding' | 'tunnel'>,
  sysctls: Sysctls,
): string[] {
  const all = [FORWARDING[forwarding](tunnel?.type ?? 'ipip')]
  if (fronts.some((front) => carries(front, 'udp'))) all.push(udp(fronts, sysctls))
  if (fronts.some(({ service }) => service.persistence !== undefined)) {
    all.push(
      `persistence: net.ipv4.vs.expire_quiescent_template=1 lets clients leave a server with weight 0; it is ${shown(sysctls.expire_quiescent_template)}`,
    )
  }
  return all
}

const FORWARDING = {
  direct: () =>
    'direct: every server has the address of the service on an interface of its own (lo or a dummy) and answers no ARP for it (net.ipv4.conf.all.arp_ignore=1, arp_announce=2); it is in the same layer-2 network as this machine, and listens on the service’s port',
  tunnel: (type: string) =>
    `tunnel: every server decapsulates ${type}, has the address of the service on an interface of its own, does not filter by reverse path there (rp_filter=0), and listens on the service’s port; packets grow, so that the path needs a larger MTU or clients a smaller MSS`,
  masquerade: () =>
    'masquerade: replies pass through this machine: the servers’ route to the clients leads here, and this machine forwards (net.ipv4.ip_forward=1, or net.ipv6.conf.all.forwarding=1)',
  local: () => 'local: the servers’ addresses are this machine’s own',
} as const satisfies Record<string, (type: string) => string>

function udp(fronts: readonly FrontSpec[], { expire_nodest_conn: value }: Sysctls): string {
  const entries = fronts.some((front) => carries(front, 'udp') && front.service.onePacket !== true)
  if (!entries)
    return 'UDP: one-packet scheduling keeps no entries, so that no client stays with a server'
  return `UDP: net.ipv4.vs.expire_nodest_conn=1 frees the clients of a removed server with their next packet; it is ${shown(value)}`
}

function shown(value: number | undefined): string {
  return value === undefined ? 'not readable here' : String(value)
}
