// A director with nothing wrong, to be spoilt in one place.
import type { Facts } from '../../../../src/command/doctor/facts.js'
import type { ListedDestination, ListedService } from '../../../../src/rules/index.js'

export const server = (
  address: string,
  more: Partial<ListedDestination> = {},
): ListedDestination => ({
  address,
  port: 53,
  forwarding: 'direct',
  weight: 1,
  activeConnections: 0,
  inactiveConnections: 0,
  ...more,
})

export const service = (more: object = {}): ListedService =>
  ({
    protocol: 'udp',
    address: '192.0.2.1',
    port: 53,
    scheduler: 'wrr',
    destinations: [server('10.1.0.1'), server('10.1.0.2')],
    ...more,
  }) as ListedService

export const table = (...services: ListedService[]): Partial<Facts> => ({
  table: { value: { from: 'netlink', services, lacks: [] } },
})

const SETTINGS = {
  'net.ipv4.vs.expire_nodest_conn': 1,
  'net.ipv4.vs.expire_quiescent_template': 1,
  'net.ipv4.vs.conntrack': 0,
  'net.ipv4.vs.backup_only': 0,
  'net.ipv4.vs.run_estimation': 1,
  'net.ipv4.ip_forward': 1,
  'net.ipv6.conf.all.forwarding': 1,
  'net.ipv4.conf.all.rp_filter': 0,
  'net.ipv4.conf.eth0.rp_filter': 2,
  'net.ipv4.conf.eth1.rp_filter': 2,
  'net.ipv4.conf.all.arp_ignore': 0,
  'net.ipv4.conf.all.arp_announce': 0,
}

/** What is given counts in place of what is well. */
export const settings = (
  changed: Readonly<Record<string, number | string>> = {},
): Partial<Facts> => ({
  settings: {
    value: new Map(
      Object.entries({ ...SETTINGS, ...changed }).map(([name, value]) => [name, String(value)]),
    ),
  },
})

export const addresses = (
  ...more: readonly [address: string, device: string][]
): Partial<Facts> => ({
  addresses: {
    value: [['127.0.0.1', 'lo'], ['10.1.0.250', 'eth0'], ...more].map(([address, device]) => ({
      address: address!,
      device: device!,
    })),
  },
})

export function facts(...changes: readonly Partial<Facts>[]): Facts {
  const well: Facts = {
    kernel: { platform: 'linux', arch: 'x64', release: '7.2.0' },
    access: { granted: true },
    table: { value: { from: 'netlink', services: [service()], lacks: [] } },
    schedulers: { value: {} },
    settings: settings().settings!,
    timeouts: { value: { tcpSeconds: 900, tcpFinSeconds: 120, udpSeconds: 300 } },
    syncRoles: { value: [] },
    hash: { value: { size: 4096, bits: 12 } },
    idleTcp: { value: 0 },
    devices: { value: ['lo', 'eth0', 'eth1'] },
    addresses: addresses(['192.0.2.1', 'eth0']).addresses!,
    routes: {
      value: new Map([
        ['192.0.2.1', { source: '192.0.2.1' }],
        ['10.1.0.1', { source: '10.1.0.250' }],
        ['10.1.0.2', { source: '10.1.0.250' }],
      ]),
    },
    filtered: { value: 0 },
    processes: { value: [] },
    sets: { value: [] },
    chains: { value: [] },
  }
  return Object.assign({}, well, ...changes)
}
