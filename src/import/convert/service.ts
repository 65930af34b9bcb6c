// A virtual server with keepalived's defaults in place, and what it corrects by itself: what really runs.
import type { Family, Protocol, Tunnel } from '../../types.js'
import type {
  Checker,
  Forwarding,
  Group,
  Mark,
  Model,
  RealServer,
  SorryServer,
  VirtualServer,
} from '../model/model.js'
import type { Notes, Word } from '../note.js'
import { isServerAddress, isServiceAddress } from './accepted.js'

export interface Server {
  readonly word: Word
  readonly address: string
  readonly family: Family
  /** 0: that of each front. */
  readonly port: number
  /** As it was written; 0: none. Checks go there. */
  readonly declaredPort: number
  readonly weight: number
  readonly upperThreshold: number
  readonly lowerThreshold: number
  readonly inhibit: boolean
  readonly alpha: boolean
  readonly real: RealServer
}

export interface Place {
  readonly address: string
  readonly port: number
}

export interface Service {
  readonly word: Word
  readonly source: VirtualServer
  /** For comments: `virtual_server 192.0.2.1 53, line 12`. */
  readonly title: string
  readonly protocol: Protocol
  readonly places: readonly Place[]
  readonly marks: readonly Mark[]
  readonly family: Family
  readonly scheduler: string
  readonly onePacket: boolean
  readonly method: Forwarding['method']
  readonly tunnel: Tunnel | undefined
  readonly persistence:
    | { readonly seconds: number; readonly netmask: string | number | undefined }
    | undefined
  readonly quorum: number
  readonly hysteresis: number
  readonly sorry: Server | undefined
  readonly servers: readonly Server[]
}

/** Seconds: PERSISTENCE of a service without a port, which keepalived adds. */
const PERSISTENCE = 360

export function resolveService(
  source: VirtualServer,
  model: Model,
  notes: Notes,
): Service | undefined {
  const group = source.group === undefined ? undefined : model.groups.get(source.group)
  if (source.group !== undefined && group === undefined) {
    notes.add(
      source.word,
      `there is no virtual_server_group ${source.group}${notes.guess(source.group, [...model.groups.keys()])}, so that keepalived ignores the virtual server`,
      'Write the group, or mend its name.',
    )
    return undefined
  }
  const forwarding = forwardingOf(source, notes)
  const servers = withoutStrangers(source, forwarding, notes)
  const family = source.family ?? servers[0]?.family ?? 'ipv4'
  const places = placesOf(source, group, family, forwarding.method, notes)
  const marks = marksOf(source, group, family)
  if (places.length + marks.length === 0 || servers.length === 0) {
    notes.add(
      source.word,
      'nothing of it is left that could be carried over',
      'See the other notes on it.',
    )
    return undefined
  }
  const resolved = portsOf(source, servers, places, marks, forwarding.method, notes)
  const weights = resolved.reduce((sum, { weight }) => sum + weight, 0)
  return {
    word: source.word,
    source,
    title: titleOf(source),
    protocol: protocolOf(source, places, notes),
    places,
    marks,
    family,
    scheduler: source.scheduler ?? 'wlc',
    onePacket: onePacketOf(source, places, notes),
    method: forwarding.method,
    tunnel: forwarding.tunnel,
    persistence: persistenceOf(source, places, family, notes),
    ...quorumOf(source, weights, notes),
    sorry: sorryOf(source, forwarding, family, places, notes),
    servers: resolved,
  }
}

function titleOf({ word, endpoint, mark, group }: VirtualServer): string {
  const what =
    group !== undefined
      ? `group ${group}`
      : mark !== undefined
        ? `fwmark ${mark}`
        : `${endpoint!.address} ${endpoint!.port || ''}`.trim()
  return `virtual_server ${what} (${word.file}:${word.line})`
}

/** A pool has one method: that of most servers. The others are left out. */
function forwardingOf(source: VirtualServer, notes: Notes): Forwarding {
  const counts = new Map<string, { readonly forwarding: Forwarding; count: number }>()
  for (const server of source.servers) {
    const forwarding = methodOf(source, server)
    const key = JSON.stringify(forwarding)
    const entry = counts.get(key) ?? { forwarding, count: 0 }
    entry.count++
    counts.set(key, entry)
  }
  const [most] = [...counts.values()].toSorted((a, b) => b.count - a.count)
  const { forwarding } = most!
  for (const server of source.servers) {
    if (JSON.stringify(methodOf(source, server)) === JSON.stringify(forwarding)) continue
    notes.add(
      server.word,
      `a pool has one forwarding method, and most servers of this one have ${forwarding.method}; ${server.address} has ${methodOf(source, server).method}, and was left out`,
      'Make the methods the same, or give the server a pool of its own behind another address.',
    )
  }
  return forwarding
}

function methodOf(
  source: VirtualServer,
  { forwarding }: { readonly forwarding?: Forwarding },
): Forwarding {
  return forwarding ?? source.forwarding ?? { method: 'masquerade' }
}

/** Servers of the family and the method that the pool has. */
function withoutStrangers(
  source: VirtualServer,
  forwarding: Forwarding,
  notes: Notes,
): RealServer[] {
  let { family } = source
  return source.servers.filter((server) => {
    if (!isServerAddress(server.address)) {
      notes.add(
        server.word,
        `${server.address} is not the address of one server, and the kernel refuses it: keepalived does not have it in the table`,
        'Write the address of the server.',
      )
      return false
    }
    if (methodOf(source, server).method !== 'tunnel') {
      family ??= server.family
      if (server.family !== family) {
        notes.add(
          server.word,
          `${server.address} is of another family than the virtual server, so that keepalived skips it`,
          'Remove it.',
        )
        return false
      }
    }
    return JSON.stringify(methodOf(source, server)) === JSON.stringify(forwarding)
  })
}

function placesOf(
  source: VirtualServer,
  group: Group | undefined,
  family: Family,
  method: string,
  notes: Notes,
): Place[] {
  const given = source.endpoint === undefined ? (group?.addresses ?? []) : [source.endpoint]
  const all = given.filter(({ address }) => isServiceAddress(address))
  if (all.length < given.length) {
    notes.add(
      group?.word ?? source.word,
      'no packet is ever sent to an address of zeros, or to an IPv4-mapped one, so that the service does nothing; it was left out',
      'Write the address that clients use, or a firewall mark for any.',
    )
  }
  if (group === undefined) return all
  const fitting = method === 'tunnel' ? all : all.filter((one) => one.family === family)
  if (fitting.length < all.length) {
    notes.add(
      group.word,
      `addresses of another family than the real servers of ${titleOf(source)}: ${all.length - fitting.length}, which were left out`,
      'Make a group for each family.',
    )
  }
  const keys = new Set<string>()
  return fitting.filter(({ address, port }) => {
    const key = `${address} ${port}`
    if (!keys.has(key)) return keys.add(key)
    notes.add(group.word, `${key} is in the group twice`, 'Remove one of the two.')
    return false
  })
}

function marksOf(source: VirtualServer, group: Group | undefined, family: Family): Mark[] {
  const marks = source.mark === undefined ? (group?.marks ?? []) : [{ fwmark: source.mark }]
  const all = marks.map((mark) => ({ fwmark: mark.fwmark, family: mark.family ?? family }))
  return all.filter(
    (mark, index) =>
      all.findIndex((one) => one.fwmark === mark.fwmark && one.family === mark.family) === index,
  )
}

function protocolOf(
  { protocol, word }: VirtualServer,
  places: readonly Place[],
  notes: Notes,
): Protocol {
  if (protocol !== undefined || places.length === 0) return protocol ?? 'udp'
  notes.add(
    word,
    'it has no protocol, for which keepalived takes UDP',
    'Write protocol TCP if that is meant, and import again.',
  )
  return 'udp'
}

/** Of addresses it is for UDP only. */
function onePacketOf(
  { onePacket, protocol = 'udp' }: VirtualServer,
  places: readonly Place[],
  notes: Notes,
): boolean {
  if (onePacket === undefined || places.length === 0 || protocol === 'udp')
    return onePacket !== undefined
  notes.add(onePacket, 'it is for UDP only, and keepalived takes it back', 'Remove it.')
  return false
}

function persistenceOf(
  source: VirtualServer,
  places: readonly Place[],
  family: Family,
  notes: Notes,
): Service['persistence'] {
  const { persistence, netmask } = source
  const portless = places.some(({ port }) => port === 0)
  if (persistence === undefined && !portless) return undefined
  if (persistence === undefined) {
    notes.add(
      source.word,
      `without a port a service has to be persistent, so that keepalived makes it so, with ${PERSISTENCE} s`,
      'Write persistence_timeout, or a port.',
    )
  }
  const fits = netmask === undefined || (typeof netmask === 'string') === (family === 'ipv4')
  return {
    seconds: persistence ?? PERSISTENCE,
    netmask: fits && netmask !== '255.255.255.255' ? netmask : undefined,
  }
}

/** keepalived makes them fit: not more than all servers together have, and never 0. */
function quorumOf(
  source: VirtualServer,
  weights: number,
  notes: Notes,
): Pick<Service, 'quorum' | 'hysteresis'> {
  let { quorum = 1, hysteresis = 0 } = source
  if (quorum > weights) {
    if (source.quorum !== undefined) {
      notes.add(
        source.word,
        `its quorum of ${quorum} is more than the weight of all servers, ${weights}, to which keepalived lowers it`,
        'Lower it, or raise the weights.',
      )
    }
    quorum = Math.max(1, weights)
  }
  if (hysteresis >= quorum) {
    notes.add(
      source.word,
      `its hysteresis of ${hysteresis} is not below the quorum of ${quorum}; keepalived lowers it to ${quorum - 1}`,
      'Lower it.',
    )
    hysteresis = quorum - 1
  }
  if (quorum + hysteresis > weights && hysteresis > 0) {
    notes.add(
      source.word,
      `a quorum of ${quorum} with hysteresis ${hysteresis} is regained with a weight of ${quorum + hysteresis}, and all servers together have ${weights}: once lost, it does not come back, here and there`,
      'Lower the quorum or the hysteresis.',
    )
  }
  return { quorum, hysteresis }
}

/** Only masquerading reaches another port than that of the front. */
function portsOf(
  source: VirtualServer,
  servers: readonly RealServer[],
  places: readonly Place[],
  marks: readonly Mark[],
  method: string,
  notes: Notes,
): Server[] {
  const seen = new Set<string>()
  return servers.flatMap((server) => {
    const { port, note } = portOf(server.port, places, method)
    if (note !== undefined)
      notes.add(
        server.word,
        `port ${server.port} of ${server.address} ${note}`,
        marks.length > 0
          ? 'Leave the port out; checks get it by connect_port.'
          : 'Write the port of the virtual server.',
      )
    const { word, address, family } = server
    const key = `${address} ${port}`
    if (seen.has(key)) {
      notes.add(
        word,
        `${address} is there twice with the same port, and keepalived has it once`,
        'Remove it.',
      )
      return []
    }
    seen.add(key)
    return {
      word,
      address,
      family,
      port,
      declaredPort: server.port,
      weight: server.weight ?? source.weight ?? 1,
      upperThreshold: server.upperThreshold ?? 0,
      lowerThreshold: lowerOf(server, notes),
      inhibit: server.inhibit ?? source.inhibit ?? false,
      alpha: server.alpha ?? source.alpha ?? false,
      real: server,
    }
  })
}

/** The kernel refuses a server whose lower threshold is above the upper one. */
function lowerOf(
  { word, address, upperThreshold = 0, lowerThreshold = 0 }: RealServer,
  notes: Notes,
): number {
  if (lowerThreshold <= upperThreshold) return lowerThreshold
  notes.add(
    word,
    `the kernel refuses a server with lthreshold ${lowerThreshold} and uthreshold ${upperThreshold}, so that keepalived does not have ${address}; here it has no lower one`,
    'Write a uthreshold that is at least the lthreshold, or neither.',
  )
  return 0
}

function portOf(
  port: number,
  places: readonly Place[],
  method: string,
): { readonly port: number; readonly note?: string } {
  if (port === 0 || places.length === 0) {
    if (port === 0 || method === 'masquerade') return { port }
    return {
      port: 0,
      note: `means nothing behind a firewall mark with forwarding ${method}; keepalived clears it`,
    }
  }
  const same = places.every((place) => place.port === port)
  if (same) return { port: 0 }
  if (method === 'masquerade') return { port }
  return {
    port: 0,
    note: `is not that of the virtual server, which forwarding ${method} cannot change; keepalived takes the virtual server's`,
  }
}

function sorryOf(
  source: VirtualServer,
  forwarding: Forwarding,
  family: Family,
  places: readonly Place[],
  notes: Notes,
): Server | undefined {
  const sorry: SorryServer | undefined = source.sorry
  if (sorry === undefined) return undefined
  const method = methodOf(source, sorry)
  const leftOut = (why: string, advice: string) => {
    notes.add(sorry.word, why, advice)
    return undefined
  }
  if (!isServerAddress(sorry.address))
    return leftOut(
      `${sorry.address} is not the address of one server, and the kernel refuses it`,
      'Write the address of the server.',
    )
  if (method.method !== 'tunnel' && sorry.family !== family)
    return leftOut(
      'it is of another family than the virtual server, so that keepalived skips it',
      'Remove it.',
    )
  if (JSON.stringify(method) !== JSON.stringify(forwarding)) {
    return leftOut(
      `a pool has one forwarding method, here ${forwarding.method}; the sorry server has ${method.method}, and was left out`,
      'Have a sorry server that is reached as the others are.',
    )
  }
  const { port, note } = portOf(sorry.port, places, method.method)
  if (note !== undefined) notes.add(sorry.word, `port ${sorry.port} ${note}`, 'Leave the port out.')
  if (
    source.servers.some(
      (server) =>
        server.address === sorry.address &&
        portOf(server.port, places, method.method).port === port,
    )
  ) {
    return leftOut(
      `${sorry.address} is a real server of it too, and here a server has one role; it was left out as a backup`,
      'Have it in one of the two.',
    )
  }
  const { word, address } = sorry
  const real: RealServer = { ...sorry, checkers: [] as Checker[] }
  return {
    word,
    address,
    family: sorry.family,
    port,
    declaredPort: sorry.port,
    weight: 1,
    upperThreshold: 0,
    lowerThreshold: 0,
    inhibit: false,
    alpha: false,
    real,
  }
}
