// The public API: a list of exports, nothing else.
export { type ApplyOptions, type CallOptions, Ipvs, type OpenOptions } from './client.js'
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
export * from './pool/index.js'
export type { ProbeOptions, ProbeResult } from './probe.js'
export type * from './types.js'
