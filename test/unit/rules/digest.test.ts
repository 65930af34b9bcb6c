// The digest of a table.
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { formatRules, parseRules, tableDigest } from '../../../src/rules/index.js'
import type { ServiceTree } from '../../../src/types.js'
import { trees } from './trees.js'

test('is the same in whatever order, with whatever defaults left out, and with counters', () => {
  fc.assert(
    fc.property(trees(), (table) => {
      const turned = table
        .map((tree) => ({ ...tree, destinations: tree.destinations.toReversed() }))
        .reverse()
      const counted = table.map((tree) => ({ ...tree, stats: { connections: 5n } }))
      const digest = tableDigest(table)
      expect(digest).toMatch(/^[0-9a-f]{16}$/)
      expect(tableDigest(turned)).toBe(digest)
      expect(tableDigest(counted as ServiceTree[])).toBe(digest)
      expect(tableDigest(parseRules(formatRules(table)))).toBe(digest)
    }),
  )
})

test('is another one for each other setting', () => {
  const rules = [
    '-A -u 192.0.2.1:53 -s rr',
    '-A -u 192.0.2.1:53 -s rr -o',
    '-A -u 192.0.2.1:53 -s wrr',
    '-A -u 192.0.2.1:54 -s rr',
    '-A -u 192.0.2.1:53 -s rr\n-a -u 192.0.2.1:53 -r 10.1.0.1:53 -m -w 1',
    '-A -u 192.0.2.1:53 -s rr\n-a -u 192.0.2.1:53 -r 10.1.0.1:53 -m -w 2',
    '-A -u 192.0.2.1:53 -s rr\n-a -u 192.0.2.1:53 -r 10.1.0.1:53 -m -w 1 -x 5',
    '',
  ]
  expect(new Set(rules.map((text) => tableDigest(parseRules(text)))).size).toBe(rules.length)
})
