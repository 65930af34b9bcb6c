// The way of a packet to the server and back, outside of IPVS.
import { isIPv6 } from 'node:net'
import type { ListedService } from '../../../rules/index.js'
import { endpoint } from '../../table/seen.js'
import {
  type Facts,
  hasPeer,
  isLocal,
  isStandby,
  known,
  nameOf,
  servicesOf,
  setting,
} from '../facts.js'
import { bySysctl, type Finding, sysctlCommand } from '../finding.js'
import { names } from './words.js'

export function loopback({ devices, addresses }: Facts): Finding[] {
  const own = known(addresses)
  if (own === undefined || !known(devices)?.includes('lo')) return []
  if (own.some(({ device }) => device === 'lo')) return []
  return [
    {
      rule: 'loopback-down',
      severity: 'error',
      what: 'The loopback of this network namespace is down.',
      about: ['lo'],
      why: 'If it has never been up, the kernel refuses every server (EINVAL), and nothing that is local is reached.',
      commands: ['ip link set lo up'],
    },
  ]
}

/** Services with a server on another machine that is reached that way. */
function masqueraded(facts: Facts): ListedService[] {
  return servicesOf(facts).filter(({ destinations }) =>
    destinations.some(
      ({ forwarding, address }) => forwarding === 'masquerade' && isLocal(facts, address) !== true,
    ),
  )
}

export function forwarding(facts: Facts): Finding[] {
  const isV6 = ({ address, family }: ListedService) =>
    family === 'ipv6' || (address !== undefined && isIPv6(address))
  return [
    {
      name: 'net.ipv4.ip_forward',
      services: masqueraded(facts).filter((one) => !isV6(one)),
      rest: '',
    },
    {
      name: 'net.ipv6.conf.all.forwarding',
      services: masqueraded(facts).filter(isV6),
      rest: ' A machine that forwards takes no default route from router advertisements, unless accept_ra is 2.',
    },
  ]
    .filter(({ name, services }) => services.length > 0 && setting(facts, name) === 0)
    .map(({ name, services, rest }) => ({
      rule: 'ip-forward',
      severity: 'error',
      what: `Masquerading, and this machine does not forward ${name.includes('ipv6') ? 'IPv6' : 'IPv4'}.`,
      about: names(services),
      why: `Replies of the servers come back through this machine, and are dropped here.${rest}`,
      ...bySysctl({ name, value: 1 }),
    }))
}

/** The kernel takes the larger of both. */
function perDevice(facts: Facts, device: string, name: string): number | undefined {
  const own = setting(facts, `net.ipv4.conf.${spelt(device)}.${name}`)
  const all = setting(facts, `net.ipv4.conf.all.${name}`)
  return own === undefined && all === undefined ? undefined : Math.max(own ?? 0, all ?? 0)
}

/** As `sysctl` spells it. */
const spelt = (device: string) => device.replaceAll('.', '/')

/** Devices with addresses on which packets of others come in. */
function outside({ devices }: Facts): readonly string[] {
  return (known(devices) ?? []).filter((device) => device !== 'lo')
}

const STRICT = 1
const LOOSE = 2

export function reversePath(facts: Facts): Finding[] {
  const dropped = known(facts.filtered) ?? 0
  const strict = outside(facts).filter((device) => perDevice(facts, device, 'rp_filter') === STRICT)
  if (dropped === 0 || strict.length === 0 || servicesOf(facts).length === 0) return []
  return [
    {
      rule: 'rp-filter',
      severity: 'warning',
      what: `The reverse-path filter has dropped ${dropped} ${dropped === 1 ? 'packet' : 'packets'}.`,
      about: strict,
      why: 'Where it is strict, it drops what comes in by another interface than the one that leads back: clients behind a second uplink, and what a tunnel unpacks, never reach IPVS.',
      ...bySysctl(
        ...strict.map((device) => ({
          name: `net.ipv4.conf.${spelt(device)}.rp_filter`,
          value: LOOSE,
        })),
      ),
    },
  ]
}

/** Virtual addresses that are on devices which nobody asks by ARP. */
export function arp(facts: Facts): Finding[] {
  if (!hasPeer(facts)) return []
  const own = known(facts.addresses) ?? []
  const shared = servicesOf(facts).filter(({ address, destinations }) => {
    const at = own.filter((one) => one.address === address)
    return (
      at.length > 0 &&
      !isIPv6(address!) &&
      at.every(({ device }) => /^(lo|dummy|ipvs)/.test(device)) &&
      destinations.some((server) => isLocal(facts, server.address) === true)
    )
  })
  const wanted = { arp_ignore: 1, arp_announce: 2 }
  const lax = Object.entries(wanted).filter(([name, value]) =>
    outside(facts)
      .filter((device) => own.some((one) => one.device === device && !/^(dummy|ipvs)/.test(device)))
      .some((device) => (perDevice(facts, device, name) ?? value) < value),
  )
  if (shared.length === 0 || lax.length === 0) return []
  return [
    {
      rule: 'arp',
      severity: 'warning',
      what: 'This director is a server too, and answers ARP for the virtual address.',
      about: names(shared),
      why: 'While another director has the address, clients that ask for it may be told to come here, past that one. With arp_ignore=1 a machine speaks only for the addresses of the interface that was asked.',
      // Not for --fix: whoever takes over with the address on lo alone has to answer.
      commands: lax.map(([name, value]) =>
        sysctlCommand({ name: `net.ipv4.conf.all.${name}`, value }),
      ),
    },
  ]
}

export function virtualAddress(facts: Facts): Finding[] {
  if (isStandby(facts)) return []
  const away = servicesOf(facts).filter(
    ({ address }) => address !== undefined && isLocal(facts, address) === false,
  )
  if (away.length === 0) return []
  const peer = hasPeer(facts)
  const addresses = [...new Set(away.map(({ address }) => address!))]
  return [
    {
      rule: 'no-local-address',
      severity: peer ? 'warning' : 'error',
      what: 'The virtual address is not on this machine.',
      about: names(away),
      why: `IPVS sees what the kernel would deliver here: packets to an address of somebody else pass it by.${peer ? ' That is as it should be while another director has it.' : ''}`,
      commands: addresses.map(
        (address) => `ip addr add ${address}/${isIPv6(address) ? 128 : 32} dev lo`,
      ),
    },
  ]
}

export function noRoute(facts: Facts): Finding[] {
  const routes = known(facts.routes)
  const lost = servicesOf(facts).flatMap((service) =>
    service.destinations.flatMap((server) => {
      const route = routes?.get(server.address)
      return route !== undefined && 'code' in route ? [{ service, server, code: route.code }] : []
    }),
  )
  if (lost.length === 0) return []
  const addresses = [...new Set(lost.map(({ server }) => server.address))]
  return [
    {
      rule: 'no-route',
      severity: 'error',
      what: `There is no route to ${addresses.length === 1 ? 'a server' : `${addresses.length} servers`}.`,
      about: lost.map(
        ({ service, server, code }) => `${nameOf(service)} -> ${endpoint(server)} (${code})`,
      ),
      why: 'Connections that are given to it are dropped here, for as long as it has weight.',
      commands: addresses.map((address) => `ip route add ${address} via GATEWAY`),
    },
  ]
}

export function backupOnly(facts: Facts): Finding[] {
  const roles = known(facts.syncRoles) ?? []
  const name = 'net.ipv4.vs.backup_only'
  if (setting(facts, name) !== 1 || !roles.includes('master') || !roles.includes('backup'))
    return []
  return [
    {
      rule: 'backup-only',
      severity: 'error',
      what: 'backup_only is 1, and a backup daemon runs beside the master one.',
      about: [],
      why: 'While any backup daemon runs, IPVS forwards nothing here.',
      // Not for --fix: in a pair with direct routing it prevents loops.
      commands: ['ipvsadm --stop-daemon backup'],
    },
  ]
}

/** What the forwarding path says; asked for with --probe only. */
export function servers({ probes }: Facts): Finding[] {
  const all = known(probes) ?? []
  const about = (outcome: string) =>
    all
      .filter((one) => one.outcome === outcome)
      .map(({ service, server }) => `${service} -> ${server}`)
  const silent = all.filter(({ outcome }) => outcome === 'silent')
  const ways = [...new Map(silent.map((one) => [`${one.address} ${one.virtual}`, one])).values()]
  const findings: Finding[] = []
  if (silent.length > 0)
    findings.push({
      rule: 'server-without-address',
      severity: 'error',
      what: 'A server is alive, and silent at the virtual address.',
      about: about('silent'),
      why: 'It does not have the virtual address on lo, or does not unpack the tunnel: every client that is sent to it waits in vain, and checks of its own address do not see it.',
      commands: ways.flatMap(({ address, virtual, forwarding }) => [
        `ssh ${address} ip addr add ${virtual}/${isIPv6(virtual) ? 128 : 32} dev lo`,
        ...(forwarding === 'tunnel'
          ? [`ssh ${address} ip link set ${isIPv6(address) ? 'ip6tnl0' : 'tunl0'} up`]
          : []),
      ]),
    })
  if (all.some(({ outcome }) => outcome === 'refuses'))
    findings.push({
      rule: 'server-refuses',
      severity: 'error',
      what: 'A server has the virtual address, and nobody listens there.',
      about: about('refuses'),
      why: 'Clients that are sent to it are refused.',
      commands: [
        ...new Set(
          all.filter(({ outcome }) => outcome === 'refuses').map(({ address }) => address),
        ),
      ].map((address) => `ssh ${address} ss -ltnu`),
    })
  return findings
}
