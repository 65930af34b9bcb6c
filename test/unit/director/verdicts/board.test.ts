import { expect, test } from 'vitest'
import { Board } from '../../../../src/director/verdicts/board.js'
import type { Word } from '../../../../src/director/verdicts/judge.js'

/** `a: u d` is what director a says of the servers 0 and 1; `-`: nothing. */
function board(words: Readonly<Record<string, string>>): Board {
  const made = new Board()
  const meaning: Readonly<Record<string, Word>> = { u: 'up', d: 'down' }
  for (const [director, all] of Object.entries(words)) {
    for (const [server, one] of all.split(' ').entries())
      made.set(String(server), director, meaning[one])
  }
  return made
}

test.each([
  [{ a: 'd d', b: 'u u' }, ['a']],
  [{ a: 'd d', b: 'u d' }, ['a']],
  [{ a: 'd d', b: 'd d' }, []],
  [{ a: 'd u', b: 'u d' }, []],
  [{ a: 'd d', b: 'd d', c: 'u u' }, ['a', 'b']],
  // What it calls down nobody sees: it may be right.
  [{ a: 'd -', b: '- u' }, []],
  [{ a: 'd' }, []],
  [{}, []],
])('%o: blind are %o', (words, blind) => {
  expect([...board(words as Record<string, string>).blind].toSorted()).toEqual(blind)
})

test('one who sees somebody again is not blind, and nor is one who is silent', () => {
  const made = board({ a: 'd d', b: 'u u' })
  made.set('1', 'a', 'up')
  expect([...made.blind]).toEqual([])
  made.set('1', 'a', 'down')
  expect([...made.blind]).toEqual(['a'])
  for (const server of ['0', '1']) made.set(server, 'a', undefined)
  expect([...made.blind]).toEqual([])
  expect([...made.on('0')]).toEqual([['b', 'up']])
})
