// Health checking: verdicts about members, for whoever wants them.
export { HealthChecker, type HealthCheckerEvents } from './checker.js'
export * from './checks/index.js'
export {
  ForwardingPath,
  type ForwardingPathOptions,
  type ForwardingRoute,
} from './forwarding-path.js'
export type { HoldDownOptions } from './hold-down.js'
export type { HealthCheckerOptions } from './options.js'
export { CheckTimeoutError, Inconclusive } from './outcome.js'
export type * from './types.js'
