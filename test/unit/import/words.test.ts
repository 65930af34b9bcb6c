// Nothing is dropped silently: whatever word is taken out or changed, what comes out is another document, or says so.
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { importKeepalived } from '../../../src/import/index.js'
import { type Grammar, root } from '../../../src/import/language/grammar.js'
import { base } from './base.js'

const lines = base.split('\n')
const outcome = (text: string) => {
  // Lines move when one is taken out.
  const { text: yaml, notes } = importKeepalived(text, { file: 'k', id: 'east' })
  const where = /\(k:\d+\)/g
  return JSON.stringify([
    yaml.replaceAll(where, ''),
    notes.map(({ word, message }) => [word, message]),
  ]).replaceAll(/line \d+/g, '')
}
const whole = outcome(base)

/** Of keepalived's defaults, which change nothing where they are written. */
const defaults = new Set([
  'protocol UDP',
  'lvs_method DR',
  'sorry_server_lvs_method DR',
  'ip_family inet',
])

test('the configuration has every word', () => {
  const words = new Set(base.split(/\s+/))
  const known = (grammar: Grammar): string[] =>
    Object.entries(grammar).flatMap(([word, kind]) =>
      typeof kind === 'object' ? [word, ...known(kind)] : kind === 'kept' ? [] : [word],
    )
  expect([...new Set(known(root))].filter((word) => !words.has(word))).toEqual([])
})

test('each line that is taken out is missed', () => {
  const missed = lines.flatMap((line, index) => {
    if (/[{}]|^$/.test(line) || defaults.has(line.trim())) return []
    const rest = lines.toSpliced(index, 1).join('\n')
    return outcome(rest) === whole ? [line.trim()] : []
  })
  expect(missed).toEqual([])
})

test('each word that becomes another one is seen', () => {
  const unseen = lines.flatMap((line, index) =>
    [...line.matchAll(/[^\s{}"]+/g)].flatMap(({ 0: word, index: at }) => {
      const changed = `${line.slice(0, at)}zz${line.slice(at + word.length)}`
      return outcome(lines.toSpliced(index, 1, changed).join('\n')) === whole
        ? [`${line.trim()}: ${word}`]
        : []
    }),
  )
  expect(unseen).toEqual([])
})

test('a word more in any line is told, with its line', () => {
  fc.assert(
    fc.property(fc.nat(lines.length - 1), fc.constantFrom('zzword', '77', 'TCP'), (index, word) => {
      const line = lines[index]!
      fc.pre(!/[{}$]|^$/.test(line))
      const text = lines.toSpliced(index, 1, `${line} ${word}`).join('\n')
      expect(outcome(text) === whole ? line : 'told').toBe('told')
    }),
  )
})

test('an unknown word anywhere is told, with its line', () => {
  fc.assert(
    fc.property(fc.nat(lines.length - 2), fc.stringMatching(/^zz[a-z_]{1,12}$/), (index, word) => {
      const text = lines.toSpliced(index, 0, `  ${word} 3`).join('\n')
      const { notes } = importKeepalived(text, { file: 'k', id: 'east' })
      expect(notes.filter(({ line }) => line === index + 1).map((note) => note.word)).toContain(
        word,
      )
    }),
  )
})
