import { describe, expect, test } from 'vitest'
import { decimal, flag, text, whole } from './command.js'

describe('options', () => {
  test('are what was typed, or what is taken otherwise', () => {
    expect(whole(3, 1, 999).read('12', 'seconds')).toBe(12)
    expect(whole(3, 1, 999).read(undefined, 'seconds')).toBe(3)
    expect(decimal(2, 0.2, 10).read('0.5', 'minutes')).toBe(0.5)
    expect(whole(undefined, 0, 1).read(undefined, 'cpu')).toBe(undefined)
    expect(text.read('a', 'only')).toBe('a')
    expect(flag.read(undefined, 'json')).toBe(false)
  })

  test.each(['', ' ', 'x', '0', '1000', '1.5', '-3', 'Infinity', '1e9'])(
    'a number that is none is refused by name: "%s"',
    (typed) => {
      expect(() => whole(3, 1, 999).read(typed, 'seconds')).toThrow(
        `--seconds ${typed}: a whole number from 1 to 999`,
      )
    },
  )
})
