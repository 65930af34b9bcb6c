import { expect, test } from 'vitest'
import { inTime } from '../../../src/director/config/etcd.js'

test.each([
  [1000, 1, 5000, 1000],
  [1000, 2, 5000, 500],
  [5000, 2, 5000, 2500],
  [5000, 1, 1000, 1000],
  [30_000, 1, 5000, 5000],
  [1000, 20, 5000, 100],
])('of %i ms for %i endpoints each has at most %i ms', (ms, count, timeoutMs, expected) => {
  const endpoints = Array.from({ length: count }, (_, at) => `http://10.0.0.${at}:2379`)
  expect(inTime({ endpoints, timeoutMs }, ms)).toEqual({ endpoints, timeoutMs: expected })
})
