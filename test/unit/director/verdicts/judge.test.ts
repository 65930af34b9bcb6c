import { expect, test } from 'vitest'
import { judge, type Word } from '../../../../src/director/verdicts/judge.js'

const word: Readonly<Record<string, Word>> = { u: 'up', d: 'down' }

// Own word, the others', how many have to say down, who is blind: what counts, and of how many.
test.each<
  [own: string, others: string, down: number, blind: string, counts: string, voters: number]
>([
  // Alone: one's own word, whatever is wanted.
  ['u', '', 1, '', 'up', 1],
  ['d', '', 1, '', 'down', 1],
  ['d', '', 2, '', 'down', 1],
  ['d', '', 3, '', 'down', 1],
  // Two, and one is enough: anybody's "down" counts.
  ['u', 'u', 1, '', 'up', 2],
  ['u', 'd', 1, '', 'down', 2],
  ['d', 'u', 1, '', 'down', 2],
  ['d', 'd', 1, '', 'down', 2],
  // Two of two.
  ['u', 'u', 2, '', 'up', 2],
  ['u', 'd', 2, '', 'up', 2],
  ['d', 'u', 2, '', 'up', 2],
  ['d', 'd', 2, '', 'down', 2],
  // Two of three.
  ['u', 'uu', 2, '', 'up', 3],
  ['u', 'ud', 2, '', 'up', 3],
  ['u', 'dd', 2, '', 'down', 3],
  ['d', 'uu', 2, '', 'up', 3],
  ['d', 'du', 2, '', 'down', 3],
  ['d', 'dd', 2, '', 'down', 3],
  // Fewer are alive than are wanted: all of them have to say so.
  ['d', 'd', 3, '', 'down', 2],
  ['d', 'u', 3, '', 'up', 2],
  // Whoever is blind believes the others, and itself where nobody else speaks.
  ['d', 'u', 1, 'me', 'up', 1],
  ['d', 'uu', 1, 'me', 'up', 2],
  ['d', 'ud', 2, 'me', 'up', 2],
  ['d', 'dd', 2, 'me', 'down', 2],
  ['d', '', 2, 'me', 'down', 1],
  // What a blind one says does not count.
  ['u', 'd', 1, 'a', 'up', 1],
  ['u', 'dd', 2, 'a', 'up', 2],
  ['d', 'dd', 2, 'ab', 'down', 1],
  ['u', 'dd', 2, 'ab', 'up', 1],
])(
  '%s beside "%s", %i wanted, blind "%s": %s of %i',
  (own, others, down, blind, counts, voters) => {
    const said = new Map([...others].map((one, index) => ['abc'[index]!, word[one]!]))
    const blinded = new Set(blind === 'me' ? ['me'] : [...blind])
    const judged = judge({ own: word[own]!, others: said, down, blind: blinded, me: 'me' })
    expect([judged.word, judged.voters]).toEqual([counts, voters])
  },
)

test('what it gives is of those whose word counts', () => {
  const others = new Map<string, Word>([
    ['a', 'down'],
    ['b', 'down'],
    ['c', 'up'],
  ])
  expect(judge({ own: 'down', others, down: 2, blind: new Set(['b']), me: 'me' })).toEqual({
    word: 'down',
    voters: 3,
    down: ['a', 'me'],
  })
})
