// What the addon has to offer (native/addon.cc), typed.
/** How a client's thread gets into its network namespace (native/net_namespace.h). */
export const NAMESPACE_KIND = { current: 0, path: 1, descriptor: 2, scratch: 3 } as const

/** Where a client lives; `scratch` is a new, empty namespace that ends with the client. */
export interface NamespaceSpec {
  readonly kind: keyof typeof NAMESPACE_KIND
  readonly path?: string
  readonly fd?: number
}

/** What is read (native/lanes.h: RequestKind). */
export const READ_KIND = {
  service: 2,
  services: 3,
  destinations: 4,
  table: 5,
  sysctls: 6,
  setSysctl: 7,
  daemons: 8,
  timeouts: 9,
  info: 10,
  connections: 11,
} as const

/** Results of a change beside an errno (native/record.h: Outcome). */
export const OUTCOME = {
  notSent: 10001,
  unknown: 10002,
  superseded: 10003,
  noFamily: 10004,
} as const

/**
 * Triples of index, errno or outcome, command; `undefined` if every change was applied. `notSent` comes once, at the end: it is
 * of that change and all after it.
 */
export type RawFailures = Int32Array | undefined

/** A table as bytes: rows as native/record.h lays them out. */
export interface RawTable {
  readonly services: Uint8Array
  readonly destinations: Uint8Array
  readonly verified: boolean
  readonly attempts: number
}

/** @returns whether the payload has been taken: a descriptor is closed if not */
export type OnCompletion = (
  id: number,
  error: number,
  failures: RawFailures,
  payload: Payload,
) => boolean

/** Of a table, of text (sysctls, the namespace), of a descriptor, of other records, of nothing. */
export type Payload = RawTable | string | number | Uint8Array | undefined

/**
 * A client's thread and sockets. Every request is answered once through the callback, unless it is abandoned. Who drops the
 * object while it waits for nothing ends the thread, as `stop` does.
 */
export interface NativeClient {
  /** Starts the thread; 0 or an errno. */
  open(id: number): number
  /**
   * @param count of all records: where it is more, the rest comes by `append`, and the call keeps its place meanwhile
   * @param place from `takePlace`, or 0
   */
  write(id: number, records: Uint8Array, count: number, bulk: boolean, place: number): void
  append(id: number, records: Uint8Array): void
  takePlace(): number
  leavePlace(): void
  /** @param bulk gives way to others, and comes after the bulk calls before it */
  read(id: number, kind: number, bulk: boolean, argument?: Uint8Array | string): void
  /** Takes back what is not sent yet: `false` if there is nothing to take back. */
  withdraw(id: number): boolean
  /** Gives a request up at its deadline: `false` if it has been completed already. */
  abandon(id: number): RawFailures | false
  /** Runs changes on this thread: an errno, or the failures. */
  runNow(records: Uint8Array): number | RawFailures
  stop(): void
}

/** Sizes and offsets of the records, in bytes (native/layout.cc). */
export type Layout = Readonly<
  Record<
    | 'change'
    | 'op'
    | 'joined'
    | 'service'
    | 'destination'
    | 'timeouts'
    | 'daemon'
    | 'timeoutTcp'
    | 'timeoutTcpFin'
    | 'timeoutUdp'
    | 'daemonRow'
    | 'daemonState'
    | 'daemonSyncId'
    | 'daemonInterface'
    | 'daemonMaxLength'
    | 'daemonPort'
    | 'daemonGroupAf'
    | 'daemonTtl'
    | 'daemonGroup'
    | 'infoVersion'
    | 'infoConnectionTableSize'
    | 'serviceAf'
    | 'serviceProtocol'
    | 'serviceFwmark'
    | 'serviceAddress'
    | 'servicePort'
    | 'serviceFlags'
    | 'serviceTimeout'
    | 'serviceNetmask'
    | 'serviceScheduler'
    | 'serviceEngine'
    | 'destinationAf'
    | 'destinationPort'
    | 'destinationAddress'
    | 'destinationMethod'
    | 'destinationWeight'
    | 'destinationUpper'
    | 'destinationLower'
    | 'destinationTunnelType'
    | 'destinationTunnelPort'
    | 'destinationTunnelFlags'
    | 'serviceRow'
    | 'serviceRowDestinations'
    | 'serviceRowCounters'
    | 'destinationRow'
    | 'destinationRowActive'
    | 'destinationRowInactive'
    | 'destinationRowPersistent'
    | 'destinationRowCounters',
    number
  >
>

/** `echo`: ICMP for everybody (SOCK_DGRAM); `raw`: ICMP for root. */
export type SocketType = 'stream' | 'datagram' | 'echo' | 'raw'

/** Of a socket that was not opened: what the errno is about, an option of checks, `socket` or `thread`. */
export interface RawRefusal {
  readonly refused: string
  readonly error: number
}

/** What `NativeConnector` says of a connection that is neither made nor refused (native/connector.h). */
export const PENDING = -1

/** Makes TCP connections and resets them at once. While one is pending, the process stays. */
export interface NativeConnector {
  /** Makes its thread, before all else: 0, or an errno, after which it may be tried again. */
  start(): number
  /**
   * @param id of none that is pending
   * @param address a literal one
   * @param fd a stream socket, its own from then on; -1: it opens one
   * @returns 0 if the connection was made, `PENDING`, or an errno
   */
  begin(id: number, address: string, port: number, fd: number): number
  /** Closes one that is pending, and does not tell of it any more: what it came to by now, as `begin` says it. */
  cancel(id: number): number
  /** Pairs of an id and 0 or an errno. */
  take(): Int32Array
}

export interface Addon {
  readonly layout: Layout
  readonly Client: new (
    kind: number,
    path: string,
    fd: number,
    onCompletion: OnCompletion,
  ) => NativeClient
  /** @param onEnded called when there is something to take */
  readonly Connector: new (
    onEnded: () => void,
  ) => NativeConnector
  /**
   * Opens a socket that is not connected, and waits for nobody.
   *
   * @param mark -1: none
   * @param device empty: any
   * @param localAddress empty: the kernel's choice
   * @returns a descriptor, which is the caller's to close
   */
  openSocket(
    kind: number,
    path: string,
    fd: number,
    type: SocketType,
    ipv6: boolean,
    mark: number,
    device: string,
    localAddress: string,
  ): number | RawRefusal
  /** Puts one open file into the place of another, and closes the number that it had. Both must be open. */
  replace(fd: number, by: number): void
  /**
   * Sends one datagram to a Unix socket.
   *
   * @param path with "@" before it: of the abstract namespace
   * @returns 0 or an errno
   */
  sendDatagram(path: string, text: string): number
}
