// Whatever stands in the file: it does not throw, it ends, and what it says is YAML of the document.
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { parse } from 'yaml'
import { Comments, type JsonMap } from '../../../src/import/convert/document.js'
import { writeYaml } from '../../../src/import/convert/yaml.js'
import { importKeepalived } from '../../../src/import/index.js'
import { type Grammar, root } from '../../../src/import/language/grammar.js'
import { base } from './base.js'

const plain = (value: unknown) => JSON.parse(JSON.stringify(value))

function holds(text: string): void {
  const { document, text: yaml, notes } = importKeepalived(text, { file: 'k', id: 'east' })
  expect(parse(yaml)).toEqual(plain(document))
  for (const note of notes) {
    expect(note.line).toBeGreaterThan(0)
    expect(note.line).toBeLessThanOrEqual(text.split('\n').length)
    expect(note.message).not.toMatch(/undefined|NaN|\[object/)
  }
}

const wordsOf = (grammar: Grammar): string[] =>
  Object.entries(grammar).flatMap(([word, kind]) => [
    word,
    ...(typeof kind === 'object' ? wordsOf(kind) : []),
  ])
const word = fc.oneof(
  fc.constantFrom(...new Set(wordsOf(root))),
  fc.constantFrom(
    '{',
    '}',
    '{',
    '}',
    '\n',
    '\n',
    '"',
    "'",
    '\\',
    '#',
    '!',
    '$A',
    '\x24{A}',
    '$A=',
    '$B=$A',
    '@east',
    '@^east',
    '~SEQ(A,1,3)',
    '~LST(A,1,2)',
    'include',
  ),
  fc.constantFrom(
    '192.0.2.1',
    '10.1.0.1',
    '2001:db8::1',
    '80',
    '0',
    'TCP',
    'UDP',
    'group',
    'fwmark',
    'G',
    'DR',
    'TUN',
    '1.5',
    'yes',
    '__proto__',
    'constructor',
  ),
  fc.string({ maxLength: 8 }),
  fc.string({ unit: 'binary', maxLength: 4 }),
)

test('words in any order', () => {
  const text = fc.array(word, { maxLength: 80 }).map((words) => words.join(' '))
  fc.assert(fc.property(text, holds), { numRuns: 400 })
})

test('a good file with pieces taken out, doubled and put in', () => {
  const size = base.length
  const edit = fc.tuple(fc.nat(size), fc.nat(40), fc.oneof(word, fc.constant('')))
  fc.assert(
    fc.property(fc.array(edit, { minLength: 1, maxLength: 4 }), (edits) => {
      let text = base
      for (const [at, length, put] of edits)
        text = text.slice(0, at) + put + text.slice(at + length)
      holds(text)
    }),
    { numRuns: 300 },
  )
})

test('any document is the same in both YAMLs, with comments or without', () => {
  const scalar = fc.oneof(
    fc.constantFrom(
      'yes',
      'on',
      'null',
      '~',
      '',
      '1e3',
      '0x1f',
      '30s',
      '12:30:00',
      'a: b',
      '- a',
      '#',
      'a #b',
      '!',
      '&a',
      '*a',
      '%',
      '@',
      '`',
      '|',
      '\u2028',
      '\ufeff',
      'ü',
      "it's",
    ),
    fc.string({ unit: 'binary' }),
    fc.integer(),
    fc.boolean(),
    fc.constant(null),
  )
  const key = fc.oneof(
    fc.string({ unit: 'grapheme', maxLength: 12 }).filter((text) => text !== 'on'),
    fc.constantFrom('a', 'b', 'yes', '1'),
  )
  const { map } = fc.letrec((tie) => ({
    value: fc.oneof(
      { depthSize: 'small' },
      scalar,
      fc.array(tie('value'), { maxLength: 5 }),
      tie('map'),
    ),
    map: fc.dictionary(key, tie('value'), { maxKeys: 5, noNullPrototype: true }),
  }))
  fc.assert(
    fc.property(map, fc.string({ unit: 'binary' }), (document, said) => {
      const comments = new Comments()
      const add = (value: unknown): void => {
        if (typeof value !== 'object' || value === null) return
        const [first] = Object.keys(value)
        if (first !== undefined && !Array.isArray(value)) comments.add(value, first, said)
        Object.values(value).forEach(add)
      }
      for (const step of [() => {}, () => add(document)]) {
        step()
        const yaml = writeYaml(document as JsonMap, comments, [said])
        expect(parse(yaml)).toEqual(plain(document))
        expect(parse(yaml, { version: '1.1' })).toEqual(plain(document))
      }
    }),
  )
})
