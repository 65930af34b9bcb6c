// What UDP clients lose when a server goes, and why (docs/udp-failover.md).

import { endpoint } from '../../table/seen.js'
import { type Facts, known, nameOf, servicesOf, setting } from '../facts.js'
import { bySysctl, type Finding } from '../finding.js'
import { names, serviceWords } from './words.js'

/** Services that keep an entry for each UDP client. */
const withEntries = (facts: Facts) =>
  servicesOf(facts).filter(({ protocol, onePacket }) => protocol === 'udp' && onePacket !== true)

/** The kernel's default where it is not to be seen. */
const udpSeconds = ({ timeouts }: Facts) => known(timeouts)?.udpSeconds ?? 300

export function expireNodestConn(facts: Facts): Finding[] {
  const services = withEntries(facts)
  const name = 'net.ipv4.vs.expire_nodest_conn'
  if (services.length === 0 || setting(facts, name) !== 0) return []
  return [
    {
      rule: 'expire-nodest-conn',
      severity: 'warning',
      what: 'UDP clients of a server that is removed are not moved to another one.',
      about: names(services),
      why: `A client that keeps its port loses all it sends until its entry expires: up to ${udpSeconds(facts)} s.`,
      ...bySysctl({ name, value: 1 }),
    },
  ]
}

export function conntrack(facts: Facts): Finding[] {
  const services = withEntries(facts).filter(({ destinations }) =>
    destinations.some(({ forwarding }) => forwarding === 'masquerade'),
  )
  const name = 'net.ipv4.vs.conntrack'
  if (services.length === 0 || setting(facts, name) !== 1) return []
  return [
    {
      rule: 'conntrack',
      severity: 'warning',
      what: 'Masqueraded UDP is tracked by netfilter too.',
      about: names(services),
      why: 'At a failover, clients of the removed server lose what they send within one tick of the kernel’s clock (1 to 10 ms). Leave it if netfilter rules have to see these packets.',
      // Not for --fix: somebody's rules may need it.
      commands: [`sysctl -w ${name}=0`],
    },
  ]
}

export function weightZero(facts: Facts): Finding[] {
  const stuck = withEntries(facts).flatMap((service) =>
    service.destinations
      .filter(({ weight, inactiveConnections = 0 }) => weight === 0 && inactiveConnections > 0)
      .map((server) => ({ service, server: endpoint(server) })),
  )
  if (stuck.length === 0) return []
  return [
    {
      rule: 'udp-weight-0',
      severity: 'warning',
      what: 'UDP servers with weight 0 still have clients.',
      about: stuck.map(({ service, server }) => `${nameOf(service)} -> ${server}`),
      why: 'Weight 0 is no failover for UDP: a client that keeps its port stays with the server for as long as it sends. Once the server is removed, and with expire_nodest_conn=1, its next packet goes to another one.',
      commands: stuck.map(
        ({ service, server }) => `ipvsadm -d ${serviceWords(service)} -r ${server}`,
      ),
    },
  ]
}

export function thresholds(facts: Facts): Finding[] {
  const limited = withEntries(facts).filter(({ destinations }) =>
    destinations.some(({ upperThreshold = 0 }) => upperThreshold > 0),
  )
  const seconds = udpSeconds(facts)
  if (limited.length === 0 || seconds <= 60) return []
  return [
    {
      rule: 'udp-thresholds',
      severity: 'note',
      what: 'UDP servers have an upper threshold, and clients long gone count.',
      about: names(limited),
      why: `The entry of a client lasts ${seconds} s after its last packet, so that servers look full which are idle.`,
      commands: ['ipvsadm --set 0 0 10'],
    },
  ]
}

export function persistence(facts: Facts): Finding[] {
  const services = servicesOf(facts).filter((service) => service.persistence !== undefined)
  const name = 'net.ipv4.vs.expire_quiescent_template'
  if (services.length === 0 || setting(facts, name) !== 0) return []
  return [
    {
      rule: 'expire-quiescent-template',
      severity: 'warning',
      what: 'Persistent clients stay with a server whose weight is 0.',
      about: names(services),
      why: 'A server that is drained, or failed and was given weight 0, keeps getting new connections from the clients it knows.',
      ...bySysctl({ name, value: 1 }),
    },
  ]
}
