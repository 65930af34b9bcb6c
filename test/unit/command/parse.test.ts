// The words that were typed.
import { expect, test } from 'vitest'
import { commands } from '../../../src/command/commands.js'
import { parse } from '../../../src/command/parse.js'
import type { Command } from '../../../src/command/spec.js'

const read = (name: keyof typeof commands, ...args: string[]) => parse(name, commands[name], args)

test('words and options come in any order, values also with =', () => {
  expect(read('apply', '--prune', 'a.yaml', '--if=12', '--json')).toEqual({
    words: ['a.yaml'],
    options: { prune: true, if: '12', json: true },
  })
  expect(read('apply', '--if', '12', '--', '--odd.yaml').words).toEqual(['--odd.yaml'])
  expect(read('diff', '-').words).toEqual(['-'])
  expect(read('list').words).toEqual([])
})

test('help needs nothing else', () => {
  for (const word of ['--help', '-h']) expect(read('diff', word).options.help).toBe(true)
})

test.each([
  [['list', '--stat'], /no option --stat \(did you mean "--stats"\?\)/],
  [['list', '-x'], /no option -x/],
  [['list', '--toString'], /no option --toString/],
  [['list', '--stats=yes'], /--stats takes no value/],
  [['list', '--netns'], /--netns needs its value: --netns NAME\|PATH\|PID/],
  [['list', '--netns', '--json'], /--netns needs its value/],
  [['list', '--from='], /--from needs its value/],
  [['list', 'a', 'b'], /"b" is one word too many: ipvs list \[SERVICE\]/],
  [['diff'], /FILE is missing: ipvs diff FILE/],
  [['completion', 'bsh'], /"bsh" is no SHELL: bash, zsh, fish \(did you mean "bash"\?\)/],
  [['completion', 'bash', '--json'], /no option --json/],
] as const)('%j is refused with what to do', ([name, ...args], message) => {
  expect(() => read(name, ...args)).toThrow(message)
  expect(() => read(name, ...args)).toThrow(`"ipvs ${name} --help"`)
  expect(() => read(name, ...args)).toThrow(expect.objectContaining({ status: 2 }))
})

test('the words of another program are left to it', () => {
  const lab: Command = {
    line: '',
    words: [{ name: 'COMMAND', rest: true }],
    options: { kernel: { line: '', value: 'VERSION' } },
    examples: [],
    exits: { 0: '', 1: '' },
  }
  expect(parse('lab', lab, ['--kernel', '7.2', '--', 'vitest', '--run', '-x'])).toEqual({
    words: ['vitest', '--run', '-x'],
    options: { kernel: '7.2' },
  })
})
