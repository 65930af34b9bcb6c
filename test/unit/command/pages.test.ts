// Help, completions and the man page: all of the table of commands, and right for those who read them.
import { spawnSync } from 'node:child_process'
import { describe, expect, test } from 'vitest'
import { commands } from '../../../src/command/commands.js'
import { completionOf } from '../../../src/command/completion.js'
import { helpAll, helpOf } from '../../../src/command/help.js'
import { manPage } from '../../../src/command/man.js'
import { type Command, optionsOf } from '../../../src/command/spec.js'

const all = Object.entries<Command>(commands)
const longLines = (text: string) => text.split('\n').filter((line) => line.length > 80)

test('help lists every command in 80 columns', () => {
  for (const [name, { line }] of all) {
    expect(helpAll()).toContain(`  ${name}`)
    expect(line).not.toMatch(/^[A-Z]|\.$/)
  }
  expect(longLines(helpAll())).toEqual([])
})

test.each(all)(
  'ipvs %s --help has an example, its options and its exit statuses',
  (name, command) => {
    const help = helpOf(name, command)
    expect(longLines(help)).toEqual([])
    for (const option of Object.keys(optionsOf(command))) expect(help).toContain(`--${option}`)
    for (const status of [0, 1, 2, 3]) expect(help).toMatch(new RegExp(`^  ${status}  \\S`, 'm'))
    expect(command.examples.length).toBeGreaterThan(0)
    for (const { command: example } of command.examples) {
      expect(help).toContain(example)
      expect(example).toMatch(new RegExp(`ipvs ${name}\\b`))
    }
  },
)

test('the man page has every command and option', () => {
  const page = manPage('1.2.3')
  for (const [name, command] of all) {
    expect(page).toContain(`.SS ipvs ${name.replaceAll('-', '\\-')}`)
    for (const option of Object.keys(optionsOf(command))) {
      expect(page).toContain(`.B \\-\\-${option.replaceAll('-', '\\-')}`)
    }
  }
})

const has = (program: string) => spawnSync(program, ['--version']).error === undefined

test.skipIf(!has('groff'))('the man page is right for groff (skipped without it)', () => {
  const { stdout, stderr } = spawnSync('groff', ['-man', '-Tutf8', '-ww', '-z'], {
    input: manPage('1.2.3'),
    encoding: 'utf8',
  })
  expect([stdout, stderr]).toEqual(['', ''])
})

describe.skipIf(!has('bash'))('in bash (skipped without it)', () => {
  /** What is offered for the last of the words. */
  function complete(...words: string[]): string[] {
    const script = `${completionOf('bash')}
COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _ipvs; printf '%s\\n' "\${COMPREPLY[@]}"`
    const { stdout, stderr } = spawnSync('bash', ['-c', script, 'bash', 'ipvs', ...words], {
      encoding: 'utf8',
    })
    expect(stderr).toBe('')
    return stdout.split('\n').filter(Boolean)
  }

  test('commands, options, values and files are offered', () => {
    expect(complete('')).toEqual([...Object.keys(commands), '--help', '--version'])
    expect(complete('di')).toEqual(['diff'])
    expect(complete('apply', '--d')).toEqual(['--dry-run'])
    expect(complete('completion', '')).toEqual(['bash', 'zsh', 'fish'])
    expect(complete('diff', 'package.js')).toEqual(['package.json'])
    expect(complete('list', '--from', 'package.js')).toEqual(['package.json'])
    expect(complete('apply', '--if', '')).toEqual([])
    expect(complete('nosuch', '')).toEqual([])
  })
})

test.each(['zsh', 'fish'] as const)('%s has every command and option', (shell) => {
  const text = completionOf(shell)
  for (const [name, command] of all) {
    expect(text).toContain(name)
    for (const option of Object.keys(optionsOf(command))) expect(text).toContain(option)
  }
  if (has(shell)) {
    const { stderr } = spawnSync(shell, ['-n', '/dev/stdin'], { input: text, encoding: 'utf8' })
    expect(stderr).toBe('')
  }
})
