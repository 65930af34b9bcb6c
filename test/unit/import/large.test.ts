// Files that are large, or made to be unfolded without end: read to the end or to a limit, which is told.
import { expect, test } from 'vitest'
import { importKeepalived } from '../../../src/import/index.js'

const read = (text: string, files: Readonly<Record<string, string>> = {}) =>
  importKeepalived(text, {
    file: 'k',
    readFile: (path) => {
      if (files[path] === undefined) throw new Error('it is not there')
      return files[path]
    },
    readFolder: () => Object.keys(files),
  })

const server = (index: number) => `virtual_server 10.0.${index >> 8}.${index & 255} 80 {
  lb_algo wrr
  lb_kind DR
  protocol TCP
${[1, 2, 3, 4]
  .map(
    (one) =>
      `  real_server 10.1.${index & 255}.${one} 80 {\n    weight ${one}\n    TCP_CHECK {\n      connect_timeout 3\n    }\n  }\n`,
  )
  .join('')}}
`

test('a file of 200 KB and more', () => {
  const text = Array.from({ length: 600 }, (_, index) => server(index)).join('')
  expect(text.length).toBeGreaterThan(200_000)
  const { document, notes } = read(text)
  expect(notes).toEqual([])
  expect(Object.keys(document.pools as object)).toHaveLength(600)
})

test.each([
  ['braces', '{'.repeat(200_000)],
  ['blocks in blocks', 'virtual_server {\n'.repeat(12_000)],
  ['closed blocks', '}\n'.repeat(100_000)],
  ['one line', 'a '.repeat(100_000)],
  ['unknown words', Array.from({ length: 20_000 }, (_, index) => `word${index} 1\n`).join('')],
  ['quotes', '"\n'.repeat(100_000)],
  ['backslashes', '\\\n'.repeat(100_000)],
  ['dollars', `$A=1\n${'$'.repeat(1000)}\n`.repeat(200)],
  ['an open definition', `$A= \\\n${'x \\\n'.repeat(60_000)}`],
])('200 KB of %s', (_, text) => {
  expect(read(text).document.pools).toEqual({})
})

test('a parameter that names itself', () => {
  const { notes } = read('$A=$A,$A\nfoo $A\n')
  expect(notes.map(({ message }) => message)).toContainEqual(
    expect.stringMatching(/more than the 1023 characters/),
  )
  expect(read('$A=$A\nfoo $A\n').notes[0]!.message).toMatch(/1023/)
})

test('lines that contain themselves, twice', () => {
  const { notes } = read('$A= \\\n x \\\n $A \\\n $A\n\n$A\n')
  expect(notes.map(({ message }) => message)).toContainEqual(
    expect.stringMatching(/unfolds into itself/),
  )
})

test('parameters of lines that double forty times', () => {
  const doubled = Array.from(
    { length: 40 },
    (_, index) => `$A${index + 1}= \\\n $A${index} \\\n $A${index}\n\n`,
  ).join('')
  const { notes } = read(`$A0=x\n${doubled}$A40\n`)
  expect(notes.map(({ message }) => message)).toContainEqual(
    expect.stringMatching(/more than 300000 lines/),
  )
})

test('a repetition of a thousand million lines', () => {
  expect(read('~SEQ(A,1,1000000000) $B=1\n').notes[0]!.message).toMatch(/more than 300000 lines/)
})

test('files that include each other', () => {
  const { notes } = read('include a\n', {
    a: 'include b\ninclude b\n',
    b: 'include a\ninclude *\n',
  })
  expect(notes.map(({ message }) => message)).toContainEqual(
    expect.stringMatching(/includes itself/),
  )
})

test('a pattern that matches thousands of files', () => {
  const files = Object.fromEntries(
    Array.from({ length: 3000 }, (_, index) => [`c${index}.conf`, `word${index}\n`]),
  )
  expect(read('include c*.conf\n', files).notes).toHaveLength(3000)
})

test('a network of millions of addresses', () => {
  const { document, notes } = read(
    `virtual_server_group G {\n 10.0.0.0/8 80\n}\n${server(1).replace('10.0.0.1 80', 'group G')}`,
  )
  expect(notes[0]!.message).toBe(
    'these are 16777216 addresses, of which the first 65536 were taken',
  )
  expect((document.pools as Record<string, { fronts: string[] }>).G!.fronts).toHaveLength(65_536)
})
