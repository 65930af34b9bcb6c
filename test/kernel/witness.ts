// What the witnesses must show for a table, written from ipvsadm's and the kernel's sources, not from the library.
import { isIPv6 } from 'node:net'
import type {
  Destination,
  DestinationStatus,
  Service,
  ServiceId,
  ServiceStatus,
  ServiceTree,
} from '../../src/types.js'

/** Sorted lines of `ipvsadm -Sn` for these services. A local destination shows as `-g`: see {@link procDestinations}. */
export function ruleLines(trees: readonly ServiceTree[]): string[] {
  return trees
    .flatMap((tree) => [
      `-A ${serviceRule(tree)} -s ${tree.scheduler}${settingsRule(tree)}`,
      ...tree.destinations.map((destination) => destinationRule(tree, destination)),
    ])
    .sort()
}

function serviceRule(id: ServiceId): string {
  // `| 0`: ipvsadm prints a large mark as a negative number.
  if (id.fwmark !== undefined) return `-f ${id.fwmark | 0}${id.family === 'ipv6' ? ' -6' : ''}`
  const option = { tcp: '-t', udp: '-u', sctp: '--sctp-service' }[id.protocol]
  return `${option} ${endpoint(id)}`
}

function settingsRule(service: Service): string {
  const { persistence, schedulerFlags = [], persistenceEngine } = service
  const words: string[] = []
  if (persistence !== undefined) {
    words.push(`-p ${persistence.timeoutSeconds}`)
    const netmask = String(persistence.netmask)
    if (!['undefined', '255.255.255.255', '128'].includes(netmask)) words.push(`-M ${netmask}`)
  }
  if (service.onePacket) words.push('-o')
  if (persistenceEngine !== undefined) words.push(`--pe ${persistenceEngine}`)
  if (schedulerFlags.length > 0) words.push(`-b ${schedulerFlags.join(',')}`)
  return words.map((word) => ` ${word}`).join('')
}

function destinationRule(id: ServiceId, destination: Destination): string {
  const { forwarding, weight = 1, tunnel } = destination
  const method = { direct: '-g', local: '-g', masquerade: '-m', tunnel: '-i' }[forwarding]
  const words = ['-a', serviceRule(id), '-r', endpoint(destination), method, '-w', weight]
  if (forwarding === 'tunnel') {
    const { type, port, checksum = 'none' } = tunnel ?? { type: 'ipip' }
    words.push('--tun-type', type)
    if (port !== undefined) words.push('--tun-port', port)
    const option = { none: '--tun-nocsum', standard: '--tun-csum', remote: '--tun-remcsum' }
    if (type !== 'ipip') words.push(option[checksum])
  }
  return words.join(' ')
}

function endpoint({ address, port }: { address: string; port: number }): string {
  return isIPv6(address) ? `[${address}]:${port}` : `${address}:${port}`
}

/** One destination as /proc/net/ip_vs shows it. */
export interface ProcDestination {
  /** `TCP C0000201:0035`, `FWM 00000007`. */
  readonly service: string
  /** `0A010001:0035` */
  readonly address: string
  /** `Route`, `Masq`, `Tunnel` or `Local`. */
  readonly method: string
  readonly weight: number
}

/** All destinations in the text of /proc/net/ip_vs. */
export function procDestinations(text: string): ProcDestination[] {
  const rows: ProcDestination[] = []
  let service = ''
  for (const line of text.split('\n').slice(3)) {
    const [first, second, third, fourth] = line.trim().split(/\s+/)
    if (first === '->') {
      rows.push({ service, address: second!, method: third!, weight: Number(fourth) })
    } else service = `${first} ${second}`
  }
  return rows
}

/** Forwarding methods by the names of /proc/net/ip_vs. */
export const PROC_METHODS = {
  direct: 'Route',
  masquerade: 'Masq',
  tunnel: 'Tunnel',
  local: 'Local',
} as const

/** Upper and lower thresholds by destination, from `ipvsadm -Ln --thresholds`. */
export function thresholds(text: string): Map<string, [upper: number, lower: number]> {
  const rows = text.matchAll(/^ {2}-> (\S+) +(\d+) +(\d+) /gm)
  return new Map([...rows].map(([, address, upper, lower]) => [address!, [+upper!, +lower!]]))
}

/** A service as reading must give it back, but for `stats`: every default filled in. */
export function asRead(service: Service): object {
  const { persistence, schedulerFlags = [], onePacket = false, ...rest } = service
  const ipv6 = service.fwmark === undefined ? isIPv6(service.address) : service.family === 'ipv6'
  const netmask = persistence?.netmask ?? (ipv6 ? 128 : '255.255.255.255')
  return {
    ...rest,
    ...(service.fwmark !== undefined && { family: service.family ?? 'ipv4' }),
    onePacket,
    ...(persistence && { persistence: { ...persistence, netmask } }),
    ...(schedulerFlags.length > 0 && { schedulerFlags }),
  }
}

/** A destination as reading must give it back, but for connections and `stats`. */
export function destinationAsRead(destination: Destination): object {
  const { tunnel, ...rest } = destination
  const { checksum = 'none', ...outer } = tunnel ?? { type: 'ipip' }
  return {
    weight: 1,
    upperThreshold: 0,
    lowerThreshold: 0,
    ...rest,
    ...(destination.forwarding === 'tunnel' && {
      tunnel: { ...outer, ...(checksum !== 'none' && { checksum }) },
    }),
  }
}

/** What was read, without what only the kernel knows. */
export function settingsOf(seen: ServiceStatus): object {
  const { stats: _, destinations: __, ...rest } = seen as ServiceStatus & { destinations?: unknown }
  return rest
}

export function destinationSettings(seen: DestinationStatus): object {
  const {
    stats: _,
    activeConnections: __,
    inactiveConnections: ___,
    persistentConnections: ____,
    ...rest
  } = seen
  return rest
}
