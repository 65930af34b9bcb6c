// All rules, from facts to findings. They look at nothing but the facts.
import type { Facts } from '../facts.js'
import { type Finding, severities } from '../finding.js'
import { access } from './access.js'
import * as capacity from './capacity.js'
import * as onePacket from './one-packet.js'
import { otherOwner } from './owners.js'
import * as packets from './packets.js'
import * as scheduling from './scheduling.js'
import * as sync from './sync.js'
import * as udp from './udp.js'

const rules: readonly ((facts: Facts) => readonly Finding[])[] = [
  access,
  scheduling.schedulers,
  packets.loopback,
  packets.virtualAddress,
  packets.noRoute,
  packets.forwarding,
  packets.servers,
  packets.backupOnly,
  scheduling.nobodyServes,
  scheduling.hashRefuses,
  scheduling.portZero,
  onePacket.masquerade,
  onePacket.scheduler,
  onePacket.persistence,
  onePacket.talk,
  onePacket.late,
  udp.expireNodestConn,
  udp.weightZero,
  udp.persistence,
  udp.conntrack,
  udp.thresholds,
  packets.reversePath,
  packets.arp,
  capacity.hashTable,
  capacity.kernelFaults,
  capacity.idleTcp,
  capacity.estimation,
  sync.onePacketNotSynced,
  sync.shortUdpNotSynced,
  sync.backupWithoutServers,
  otherOwner,
]

/** The worst first. */
export function judge(facts: Facts): Finding[] {
  const rank = ({ severity }: Finding) => severities.indexOf(severity)
  return rules.flatMap((rule) => rule(facts)).sort((a, b) => rank(a) - rank(b))
}
