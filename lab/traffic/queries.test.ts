import { expect, test } from 'vitest'
import { Steal } from '../witness/steal.js'
import { fateOf, lastWords, type Query } from './queries.js'

const query = (about: Partial<Query>): Query => ({
  ...{ client: 'TCP', number: 1, sentAt: 1000, endedAt: 1005 },
  ...about,
})
const none = new Steal()
const busy = new Steal([{ from: 1500, to: 2500 }])

test('a query is lost when its patience is over, as far as the machine has let time pass', () => {
  expect(fateOf(query({ server: 'a' }), none, 2000)).toBe('answered')
  expect(fateOf(query({ server: 'a', endedAt: 3001 }), none, 2000)).toBe('lost')
  expect(fateOf(query({ endedAt: 9000 }), none, 2000)).toBe('lost')
})

test('with too much of the time missing, a late answer is one, and none is unknown', () => {
  expect(fateOf(query({ server: 'a', endedAt: 3001 }), busy, 2000)).toBe('answered')
  expect(fateOf(query({ endedAt: 9000 }), busy, 2000)).toBe('unknown')
  // A little is always missing.
  expect(fateOf(query({ endedAt: 9000 }), new Steal([{ from: 1500, to: 1600 }]), 2000)).toBe('lost')
})

test('what was told last of a query counts', () => {
  const told = [
    query({ endedAt: 3000 }),
    query({ number: 2 }),
    query({ endedAt: 4000, server: 'a' }),
  ]
  expect(lastWords(told)).toEqual([told[2], told[1]])
})
