// What the client needs of a kernel: the real one (native-kernel.ts), or one in memory.
import type { SyncDaemonStatus } from '../system/sync-daemon.js'
import type { Timeouts } from '../system/timeouts.js'
import type { DestinationStatus, ServiceStatus, Snapshot } from '../types.js'
import type { CheckedChange, CheckedServiceId } from '../validate.js'
import type { KernelInfo, SystemCommand } from './system-records.js'

/** One change that was not applied. */
export interface Failure {
  readonly index: number
  /** An errno, or one of {@link OUTCOME}. */
  readonly code: number
  /** Number of the command. */
  readonly command: number
}

/** Why changes have no outcome of the kernel's: for messages. */
export type Cut = 'answered' | 'deadline' | 'signal'

export interface WriteResult {
  /** In the order of their index. */
  readonly failures: readonly Failure[]
  readonly cut: Cut
  /** Monotonic time at which the call's deadline passes. */
  readonly until: number
}

/** A place in the order of calls. */
export interface Place {
  readonly order: number
  /** Every place is left again, once. */
  leave(): void
}

export interface WriteOptions {
  readonly bulk: boolean
  /** With `bulk`: a place taken earlier; what others have written since came later and supersedes. */
  readonly place?: Place
  readonly deadlineMs: number
  readonly signal: AbortSignal | undefined
}

export interface Kernel {
  /** Identity of the network namespace: equal for two clients of one. */
  readonly namespace: string
  /**
   * Sends changes; all are taken from `changes`, and so checked, before the first is sent. Always resolves.
   *
   * @throws TypeError, RangeError what taking them throws
   */
  write(
    changes: Iterable<CheckedChange>,
    count: number,
    options: WriteOptions,
  ): Promise<WriteResult>
  /**
   * Runs one batch at once.
   *
   * @throws RangeError more than one batch
   * @throws IpvsError `ERR_IPVS_BUSY` while calls are queued
   */
  writeSync(changes: Iterable<CheckedChange>, count: number): readonly Failure[]
  /** Reads reject with an IpvsError whose message begins with `target`. `undefined`: no such service. */
  service(
    id: CheckedServiceId,
    target: string,
    deadlineMs: number,
  ): Promise<ServiceStatus | undefined>
  services(deadlineMs: number): Promise<ServiceStatus[]>
  destinations(
    id: CheckedServiceId,
    target: string,
    deadlineMs: number,
  ): Promise<DestinationStatus[] | undefined>
  /** @param place of the call that writes what follows from it: then bulk calls that were made before come first */
  snapshot(deadlineMs: number, place?: Place): Promise<Snapshot>
  /** Text of each setting in /proc/sys/net/ipv4/vs of the client's namespace; empty where there is none. */
  sysctls(deadlineMs: number): Promise<Readonly<Record<string, string>>>
  /** Runs one command, in order with all other changes. */
  command(command: SystemCommand, target: string, deadlineMs: number): Promise<void>
  daemons(deadlineMs: number): Promise<SyncDaemonStatus[]>
  timeouts(deadlineMs: number): Promise<Timeouts>
  info(deadlineMs: number): Promise<KernelInfo>
  setSysctl(name: string, value: string, deadlineMs: number): Promise<void>
  /** A descriptor of the namespace's /proc/net/ip_vs_conn; the caller closes it. */
  connections(deadlineMs: number): Promise<number>
  /** For a call that reads first and then writes what follows from it. */
  takePlace(): Place
  /** Keeps close() waiting until the result is called: a call has more to ask. */
  hold(): () => void
  /** Waits for what was accepted, each part up to its own deadline, then ends. */
  close(): Promise<void>
}

/** What a kernel other than the real one is opened by. Registered, so that two copies of this package agree. */
export const CONNECT: unique symbol = Symbol.for('ipvs.connect')
