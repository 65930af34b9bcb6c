// The quick comparison says what the full one says.
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { destinationDiff, isSameDestination } from '../../../src/diff.js'
import type { Destination } from '../../../src/types.js'

const tunnel = fc.record(
  {
    type: fc.constantFrom('ipip', 'gue', 'gre'),
    port: fc.constantFrom(6080, 6081),
    checksum: fc.constantFrom('none', 'standard', 'remote'),
  },
  { requiredKeys: ['type'] },
)

const destination = fc.record(
  {
    address: fc.constant('10.1.0.1'),
    port: fc.constant(53),
    forwarding: fc.constantFrom('masquerade', 'tunnel', 'tunnel'),
    weight: fc.nat(2),
    upperThreshold: fc.nat(1),
    lowerThreshold: fc.nat(1),
    tunnel,
  },
  { requiredKeys: ['address', 'port', 'forwarding'] },
) as fc.Arbitrary<Destination>

it('of two destinations', () => {
  let same = 0
  fc.assert(
    fc.property(destination, destination, (wanted, seen) => {
      const isSame = isSameDestination(wanted, seen)
      if (isSame) same++
      expect(isSame).toBe(destinationDiff(wanted, seen).length === 0)
    }),
    { numRuns: 5000 },
  )
  expect(same).toBeGreaterThan(10)
})
