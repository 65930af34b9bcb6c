// Where ours is not ahead, the page says so.
import { expect, test } from 'vitest'
import { behind, even, found } from './table.js'
import type { Row } from './verdict.js'

const row = (system: Row['system'], about: Partial<Row> = {}): Row => ({
  system,
  failure: 'hung',
  client: 'TCP',
  detectMs: 2500,
  skewMs: 0,
  lostBefore: 9,
  lostAfter: 0,
  ...about,
})

test('every figure that is worse than that of one of the others is listed', () => {
  const rows = [
    row('keepalived, notify script', { detectMs: null, lostBefore: 20, lostAfter: null }),
    row('keepalived, native udp', { detectMs: 2490, skewMs: 5000, lostBefore: 8 }),
    row('ipvs'),
  ]
  // The client is not the first of its trial: the trial's own figures are listed with that one.
  expect(behind({ rows })).toMatchObject([
    { what: 'lost before: TCP', ours: '9', other: 'keepalived, native udp: 8' },
  ])
  const first = rows.map((one): Row => ({ ...one, client: 'UDP, new ports' }))
  expect(behind({ rows: first }).map(({ what }) => what)).toEqual([
    'found after',
    'lost before: UDP, new ports',
  ])
  expect(even({ rows })).toEqual([])
})

test('being found is better than never, and a table that was never wrong better than all', () => {
  const rows = [
    row('keepalived, notify script', { detectMs: 0, client: 'UDP, new ports' }),
    row('keepalived, native udp', { detectMs: 1, client: 'UDP, new ports' }),
    row('ipvs', { detectMs: null, client: 'UDP, new ports' }),
  ]
  expect(behind({ rows })[0]).toMatchObject({
    what: 'found after',
    ours: 'never',
    other: 'keepalived, notify script: never wrong; keepalived, native udp: 0.00 s',
  })
  expect(found({ detectMs: 1234 })).toBe('1.23 s')
})

test('where nobody is worse than ours, it is even', () => {
  const rows = [row('keepalived, notify script'), row('keepalived, native udp'), row('ipvs')]
  expect(even({ rows }).map(({ name }) => name)).toEqual(['hung'])
  expect(behind({ rows })).toEqual([])
})
