// The public API: a list of exports, nothing else.
export { Ipvs } from './client.js'
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
export * from './health/index.js'
export { destinationKey, serviceKey } from './identity.js'
export type { ApplyOptions, CallOptions, OpenOptions } from './options.js'
export * from './pool/index.js'
export type { ProbeOptions, ProbeResult } from './probe.js'
export type * from './types.js'
