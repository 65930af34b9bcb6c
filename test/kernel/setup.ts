// What the tests of a file share: a network namespace and a client in it, whose table is empty before each test.
import { afterAll, beforeAll, beforeEach } from 'vitest'
import type { Ipvs } from '../../src/client.js'
import { type Namespace, namespace } from './namespace.js'

// Of the file that runs: vitest loads this module anew for each.
export let ns: Namespace
export let ipvs: Ipvs

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
