// Whatever can be written can be read back; whatever cannot be read says on which line.
import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { ArgumentError } from '../../../src/errors.js'
import { formatRules, parseRules } from '../../../src/rules/index.js'
import { normal, trees } from './trees.js'

test('parse(format(x)) is x with its defaults, and formats to the same text', () => {
  fc.assert(
    fc.property(trees(), (table) => {
      const text = formatRules(table)
      const parsed = parseRules(text)
      expect(parsed).toStrictEqual(normal(table))
      expect(formatRules(parsed)).toBe(text)
    }),
    { numRuns: 200 },
  )
})

// As unit 'binary' of fc.string, which takes a second to make.
const codePoint = fc.nat(0x10ffff).map((n) => String.fromCodePoint(n))

test('damaged rules are read, or refused by line', () => {
  const damage = fc.record({
    at: fc.nat(),
    remove: fc.nat(12),
    insert: fc.oneof(
      fc.string({ maxLength: 6, unit: codePoint }),
      fc.constantFrom(' -p ', ' -6', '\n', ' #', ' --pe=', '-A -t ', ':', ']', ',', '\0', '='),
    ),
  })
  fc.assert(
    fc.property(trees(), fc.array(damage, { minLength: 1, maxLength: 4 }), (table, damages) => {
      let text = formatRules(table)
      for (const { at, remove, insert } of damages) {
        const from = at % (text.length + 1)
        text = text.slice(0, from) + insert + text.slice(from + remove)
      }
      try {
        const parsed = parseRules(text)
        expect(parseRules(formatRules(parsed))).toEqual(parsed)
      } catch (error) {
        const { code, option, message } = error as ArgumentError
        expect(code, String(error)).toBe('ERR_IPVS_ARGUMENT')
        expect(option).toMatch(/^line \d+$/)
        expect(message.startsWith(`${option}: `)).toBe(true)
      }
    }),
    { numRuns: 400 },
  )
})
