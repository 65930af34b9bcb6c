import { expect, test } from 'vitest'
import { Steal } from './steal.js'

test('what was stolen between two moments is left out of what ran', () => {
  const steal = new Steal([
    { from: 10, to: 20 },
    { from: 50, to: 80 },
  ])
  expect(steal.ms(0, 100)).toBe(40)
  expect(steal.ran(0, 100)).toBe(60)
  expect(steal.ms(15, 60)).toBe(15)
  expect(steal.ms(20, 50)).toBe(0)
  expect(steal.ms(12, 18)).toBe(6)
  expect(steal.share(50, 80)).toBe(1)
  expect(steal.share(0, 40)).toBe(0.25)
})

test('nothing is counted twice where pieces overlap, and an empty span has no share', () => {
  const steal = new Steal([{ from: 10, to: 20 }])
  steal.add({ from: 15, to: 25 })
  steal.add({ from: 16, to: 22 })
  expect(steal.ms(0, 100)).toBe(15)
  expect(steal.share(5, 5)).toBe(0)
})

test('it agrees with a sum over all pieces', () => {
  const spells = Array.from({ length: 500 }, (_, n) => ({
    from: n * 10 + 3,
    to: n * 10 + 3 + (n % 7),
  }))
  const steal = new Steal(spells)
  for (let at = 0; at < 5000; at += 37) {
    const to = at + (at % 901)
    const sum = spells.reduce(
      (ms, spell) => ms + Math.max(0, Math.min(to, spell.to) - Math.max(at, spell.from)),
      0,
    )
    expect(steal.ms(at, to)).toBeCloseTo(sum)
  }
})
