// The pool that tests begin with.
import type { MirroredPoolOptions } from '../../../src/pool/api.js'

/** Two servers behind TCP and UDP of one address; nobody looks by himself. */
export const twoServers = {
  address: '192.0.2.1',
  port: 53,
  scheduler: 'wrr',
  forwarding: 'masquerade',
  servers: ['10.1.0.1', '10.1.0.2'],
  reconcileIntervalMs: 0,
} as const satisfies MirroredPoolOptions
