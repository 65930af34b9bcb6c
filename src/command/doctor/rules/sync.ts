// What the sync daemons carry to the other director, and what they never do.
import { type Facts, known, nameOf, servicesOf } from '../facts.js'
import type { Finding } from '../finding.js'
import { editService, names } from './words.js'

const daemons = (facts: Facts) => known(facts.syncRoles) ?? []

export function onePacketNotSynced(facts: Facts): Finding[] {
  const services = servicesOf(facts).filter(({ onePacket }) => onePacket)
  if (daemons(facts).length === 0 || services.length === 0) return []
  return [
    {
      rule: 'sync-one-packet',
      severity: 'note',
      what: 'Services with one-packet scheduling are not synced.',
      about: names(services),
      why: 'They have no entries that could be. After a takeover each query is scheduled anew, and nothing is missing as long as any server can answer it. Where a client has to stay with its server:',
      commands: services.map((one) => editService(one, { onePacket: false })),
      source: 'ip_vs_sync.c: ip_vs_sync_conn',
    },
  ]
}

export function shortUdpNotSynced(facts: Facts): Finding[] {
  const services = servicesOf(facts).filter(
    ({ protocol, onePacket }) => protocol === 'udp' && !onePacket,
  )
  const text = known(facts.settings)?.get('net.ipv4.vs.sync_threshold')
  const [first, period] = (text ?? '').split(/\s+/).map(Number)
  const isKnown = first !== undefined && period !== undefined && first > 1
  if (daemons(facts).length === 0 || services.length === 0 || !isKnown) return []
  return [
    {
      rule: 'sync-short-udp',
      severity: 'note',
      what: `UDP clients that send fewer than ${first} packets are not synced.`,
      about: names(services),
      why: `sync_threshold is "${first} ${period}": an entry is sent with its packet number ${first}, and with that of each ${period} after it. Who has sent less is scheduled anew after a takeover.`,
      commands: [`sysctl -w net.ipv4.vs.sync_threshold="1 ${period}"`],
      source: 'ip_vs_sync.c: ip_vs_sync_conn_needed',
    },
  ]
}

export function backupWithoutServers(facts: Facts): Finding[] {
  const roles = daemons(facts)
  const services = servicesOf(facts)
  const isKnown = known(facts.table) !== undefined
  const empty = services.filter(({ destinations }) => destinations.length === 0)
  if (!roles.includes('backup') || !isKnown || empty.length < services.length) return []
  return [
    {
      rule: 'sync-without-servers',
      severity: 'warning',
      what: 'A backup daemon runs, and there are no services with servers here.',
      about: services.map(nameOf),
      why: 'Connections are synced, services and servers are not: what the daemon takes in leads to no server, and is of no use after a takeover.',
      commands: ['ipvs apply FILE'],
      source: 'ip_vs_sync.c: ip_vs_proc_conn',
    },
  ]
}
