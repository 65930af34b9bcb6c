// What a keepalived.conf says of IPVS, in keepalived's terms: as it stands, without the defaults.
import type { Family, Protocol, Tunnel } from '../../types.js'
import type { Word } from '../note.js'

/** Times are milliseconds. Each may be left out, and comes from the block above then. */
export interface Schedule {
  retry?: number
  delayBeforeRetry?: number
  delayLoop?: number
  warmup?: number
  connectTimeout?: number
  alpha?: boolean
}

export interface Endpoint {
  readonly address: string
  readonly family: Family
  /** 0: none was given. */
  readonly port: number
}

export interface Forwarding {
  readonly method: 'masquerade' | 'direct' | 'tunnel'
  readonly tunnel?: Tunnel
}

export interface Script {
  readonly word: Word
  /** All of it, as it was written. */
  readonly text: string
  /** Program and parameters. */
  readonly command: readonly string[]
}

export interface Url {
  readonly word: Word
  path?: string
  digest?: Word
  status: string[]
  virtualhost?: string
  regex?: Word
  regexNot?: boolean
  regexFlags?: string
  regexFrom?: number
  regexTo?: number
}

export type CheckerKind =
  | 'TCP_CHECK'
  | 'HTTP_GET'
  | 'SSL_GET'
  | 'SMTP_CHECK'
  | 'DNS_CHECK'
  | 'MISC_CHECK'
  | 'UDP_CHECK'
  | 'PING_CHECK'
  | 'BFD_CHECK'
  | 'FILE_CHECK'

/** One block of a real server that checks it. What only one kind has is left out of the others. */
export interface Checker extends Schedule {
  readonly kind: CheckerKind
  readonly word: Word
  connectAddress?: string
  connectPort?: number
  localAddress?: string
  device?: string
  mark?: number
  /** HTTP_GET, SSL_GET */
  urls: Url[]
  virtualhost?: string
  serverName?: string
  /** SMTP_CHECK */
  helo?: string
  hosts: Checker[]
  /** DNS_CHECK */
  name?: string
  type?: string
  /** MISC_CHECK */
  script?: Script
  /** 0 or left out: `delayLoop` of the virtual server. */
  scriptTimeout?: number
  dynamic?: boolean
  /** UDP_CHECK: hexadecimal digits, two for each byte; `.` for any in `reply`. */
  payload?: string
  requireReply?: boolean
  reply?: string
}

export interface RealServer extends Schedule, Endpoint {
  readonly word: Word
  weight?: number
  forwarding?: Forwarding
  upperThreshold?: number
  lowerThreshold?: number
  inhibit?: boolean
  notifyUp?: Script
  notifyDown?: Script
  virtualhost?: string
  checkers: Checker[]
}

export interface SorryServer extends Endpoint {
  readonly word: Word
  forwarding?: Forwarding
}

export interface Mark {
  readonly fwmark: number
  readonly family?: Family
}

/** Addresses that a group has, each with its port, or marks. */
export interface Group {
  readonly word: Word
  readonly name: string
  readonly addresses: Endpoint[]
  readonly marks: Mark[]
}

export interface VirtualServer extends Schedule {
  readonly word: Word
  /** One of the three. */
  readonly endpoint?: Endpoint
  readonly mark?: number
  readonly group?: string
  family?: Family
  protocol?: Protocol
  scheduler?: string
  flags: string[]
  onePacket?: Word
  forwarding?: Forwarding
  persistence?: number
  netmask?: string | number
  engine?: Word
  inhibit?: boolean
  virtualhost?: string
  name?: string
  quorum?: number
  hysteresis?: number
  quorumUp?: Script
  quorumDown?: Script
  weight?: number
  sorry?: SorryServer
  servers: RealServer[]
}

export interface Ssl {
  ca?: string
  certificate?: string
  key?: string
}

/** The sync daemons, which follow a VRRP instance. */
export interface SyncDaemon {
  readonly word: Word
  readonly instance: string
  /** As the director's file has them. */
  readonly settings: Readonly<Record<string, string | number>>
}

export interface Model {
  readonly groups: Map<string, Group>
  readonly virtualServers: VirtualServer[]
  ssl?: Ssl
  /** The network namespace of IPVS. */
  netns?: string
  sync?: SyncDaemon
  /** The keyword by which keepalived can announce what becomes of VRRP instances to the director alone. */
  fifo?: string
  /** Blocks of VRRP and the like, as they stand in the files. */
  readonly vrrp: string
}
