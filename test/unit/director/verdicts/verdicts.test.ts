import { expect, test } from 'vitest'
import { inTime } from '../../../../src/director/verdicts/verdicts.js'

test.each([
  [2, 1, 5000, 1000],
  [2, 2, 5000, 500],
  [10, 2, 5000, 2500],
  [10, 1, 1000, 1000],
  [60, 1, 5000, 5000],
  [2, 20, 5000, 100],
])(
  'of a lease of %i s all of %i endpoints have half, and each no more than %i ms',
  (ttl, count, timeoutMs, expected) => {
    const endpoints = Array.from({ length: count }, (_, at) => `http://10.0.0.${at}:2379`)
    const verdicts = { prefix: 'v/', down: 1, ttlMs: ttl * 1000 }
    expect(inTime({ endpoints, timeoutMs }, verdicts)).toEqual({ endpoints, timeoutMs: expected })
  },
)
