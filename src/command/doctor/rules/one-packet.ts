// One-packet scheduling: each datagram by itself, without an entry. Good for DNS, and a trap elsewhere.

import { endpoint } from '../../table/seen.js'
import { type Facts, nameOf, servicesOf } from '../facts.js'
import { bySysctl, type Finding } from '../finding.js'
import { editService, names } from './words.js'

const ofOnePacket = (facts: Facts) => servicesOf(facts).filter(({ onePacket }) => onePacket)

export function masquerade(facts: Facts): Finding[] {
  const services = ofOnePacket(facts).filter(({ destinations }) =>
    destinations.some(({ forwarding }) => forwarding === 'masquerade'),
  )
  if (services.length === 0) return []
  return [
    {
      rule: 'one-packet-masquerade',
      severity: 'error',
      what: 'One-packet scheduling with masquerading: no client gets a reply.',
      about: names(services),
      why: 'It takes the entry of a connection to translate a reply back, and there is none. Clients see an answer from an address that they have not asked, and drop it.',
      commands: services.map((one) => editService(one, { onePacket: false })),
    },
  ]
}

/** They compare connection counts, which one-packet scheduling leaves at 0. */
const COUNTING = ['lc', 'wlc', 'sed', 'nq']

export function scheduler(facts: Facts): Finding[] {
  const services = ofOnePacket(facts).filter(({ scheduler = '' }) => COUNTING.includes(scheduler))
  if (services.length === 0) return []
  return [
    {
      rule: 'one-packet-scheduler',
      severity: 'error',
      what: 'One-packet scheduling, by a scheduler that counts connections.',
      about: services.map((one) => `${nameOf(one)} (${one.scheduler})`),
      why: 'There are none to count, so that one server gets everything. rr, wrr, mh and sh spread it.',
      commands: services.map((one) => editService(one, { scheduler: 'wrr' })),
    },
  ]
}

export function persistence(facts: Facts): Finding[] {
  const services = ofOnePacket(facts).filter(({ persistence }) => persistence !== undefined)
  if (services.length === 0) return []
  return [
    {
      rule: 'one-packet-persistence',
      severity: 'warning',
      what: 'One-packet scheduling of a persistent service.',
      about: names(services),
      why: 'Persistence ties a client to one server all the same: its packets are not spread.',
      commands: services.map((one) => editService(one, { onePacket: false })),
    },
  ]
}

/** Ports of protocols whose servers have to remember what came before. */
const TALKS: ReadonlyMap<number, string> = new Map([
  [443, 'QUIC'],
  [500, 'IKE'],
  [853, 'DNS over QUIC'],
  [1194, 'OpenVPN'],
  [4500, 'IPsec'],
  [5060, 'SIP'],
  [5684, 'DTLS'],
  [51820, 'WireGuard'],
])

export function talk(facts: Facts): Finding[] {
  const services = ofOnePacket(facts).filter(
    ({ port = 0, destinations }) => TALKS.has(port) && destinations.length > 1,
  )
  if (services.length === 0) return []
  return [
    {
      rule: 'one-packet-talk',
      severity: 'warning',
      what: 'One-packet scheduling of a protocol that takes several packets.',
      about: services.map((one) => `${nameOf(one)} (${TALKS.get(one.port ?? 0)})`),
      why: 'Packets of one exchange reach servers that know nothing of each other.',
      commands: services.map((one) => editService(one, { onePacket: false })),
    },
  ]
}

export function late(facts: Facts): Finding[] {
  const pinned = ofOnePacket(facts).flatMap((service) =>
    service.destinations
      .filter(({ inactiveConnections = 0 }) => inactiveConnections > 0)
      .map((server) => `${nameOf(service)} -> ${endpoint(server)}`),
  )
  if (pinned.length === 0) return []
  const { commands } = bySysctl({ name: 'net.ipv4.vs.expire_nodest_conn', value: 1 })
  return [
    {
      rule: 'one-packet-late',
      severity: 'warning',
      what: 'One-packet scheduling was turned on when clients had entries.',
      about: pinned,
      why: 'Their packets follow the entries, and stay with one server for as long as they send, whether it lives or not. The entries go with their servers.',
      // Entries go a tick after their servers (ip_vs_ctl.c: __ip_vs_del_dest), and stay with one that has come back by then.
      commands: [
        ...commands,
        'ipvsadm -Sn > table && ipvsadm -C && sleep 0.1 && ipvsadm -R < table',
      ],
    },
  ]
}
