/**
 * The public API: a list of exports, nothing else.
 *
 * @module ipvs
 */
export { Ipvs } from './client.js'
export { type ErrorCodeInfo, errorCodes } from './error-codes.js'
export {
  type ArgumentError,
  IpvsApplyError,
  type IpvsCommand,
  IpvsError,
  type IpvsErrorCode,
  isExists,
  isNotFound,
  type UnavailableReason,
} from './errors.js'
export {
  type EtcdCallOptions,
  type EtcdChange,
  type EtcdChanges,
  EtcdClient,
  type EtcdEntry,
  EtcdError,
  type EtcdErrorCode,
  type EtcdErrorOptions,
  type EtcdEvent,
  type EtcdOptions,
  type EtcdPutOptions,
  type EtcdRange,
  type EtcdWatchOptions,
} from './etcd/index.js'
export * from './health/index.js'
export type { TextOrFile } from './http/text.js'
export type { HttpTlsOptions } from './http/tls.js'
export { destinationKey, serviceKey } from './identity.js'
export type { KernelInfo } from './kernel/system-records.js'
export type { Netns } from './netns.js'
export type { ApplyOptions, CallOptions, OpenOptions } from './options.js'
export * from './pool/index.js'
export type { ProbeOptions, ProbeResult } from './probe.js'
export { findMistakes, type ReconcileOptions, type ReconcileResult } from './reconcile/index.js'
export * from './rules/index.js'
export * from './sources/index.js'
export type { Connection } from './system/connections.js'
export type { SyncDaemonsResult } from './system/ensure-sync-daemons.js'
export type { SyncDaemon, SyncDaemonStatus, SyncRole } from './system/sync-daemon.js'
export type { SysctlName, Sysctls } from './system/sysctls.js'
export type { Timeouts } from './system/timeouts.js'
export type { WatchEvent, WatchOptions } from './system/watch.js'
export { type FieldChange, type TableChange, tableChanges } from './table-changes.js'
export type { TableClient } from './table-client.js'
export type * from './types.js'
