// What the tests of a file share: a network namespace and a client in it, whose table is empty before each test.
import { afterAll, beforeAll, beforeEach } from 'vitest'
import type { Ipvs } from '../../src/client.js'
import type { MirroredPoolOptions } from '../../src/pool/api.js'
import { type Namespace, namespace } from './namespace.js'

// Of the file that runs: vitest loads this module anew for each.
export let ns: Namespace
export let ipvs: Ipvs

/** Two servers behind TCP and UDP of one address. */
export const twoServers = {
  address: '192.0.2.1',
  port: 53,
  scheduler: 'wrr',
  forwarding: 'masquerade',
  servers: ['10.1.0.1', '10.1.0.2'],
  reconcileIntervalMs: 0,
} as const satisfies MirroredPoolOptions

/** Makes both for the tests of the suite in which it is called. */
export function setUp(): void {
  beforeAll(async () => {
    ns = namespace()
    ipvs = await ns.open()
  })
  beforeEach(() => ipvs.flush())
  afterAll(async () => {
    await ipvs?.close()
    ns?.close()
  })
}
