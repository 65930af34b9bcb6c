// `--help`, made from the table of commands.
import { commands } from './commands.js'
import { type Command, exitLines, type Options, optionsOf, wordText } from './spec.js'

const WIDTH = 80

/** Of all commands. */
export function helpAll(): string {
  const rows = Object.entries<Command>(commands).map(([name, command]) => [
    [name, ...(command.words ?? []).map(wordText)].join(' '),
    command.line,
  ])
  return `ipvs COMMAND: see, compare, change and explain IPVS, the kernel's load balancer.

${columns(rows)}
  --version  the version of this package
  --help     "ipvs COMMAND --help" says more of one

Exit status:
${columns(Object.entries({ 0: 'done', 1: 'it did not work, or there is something to tell', ...exitLines }))}`
}

export function helpOf(name: string, command: Command): string {
  const { words = [], about = [], examples, exits } = command
  const paragraphs = [
    `ipvs ${[name, ...words.map(wordText)].join(' ')} [OPTION...]`,
    wrap(`${command.line[0]!.toUpperCase()}${command.line.slice(1)}.`),
    ...about.map((text) => wrap(text)),
  ]
  const statuses = Object.entries({ ...exits, ...exitLines })
  return `${paragraphs.join('\n\n')}

Options:
${columns(optionRows(optionsOf(command)))}
${examples.length === 1 ? 'Example' : 'Examples'}:
${examples.map((one) => `  ${one.command}\n      ${one.line}\n`).join('')}
Exit status:
${columns(statuses)}`
}

export function optionText(name: string, value: string | undefined): string {
  return value === undefined ? `--${name}` : `--${name} ${value}`
}

function optionRows(options: Options): string[][] {
  return Object.entries(options).map(([name, { value, line }]) => [optionText(name, value), line])
}

/** Two columns, the second one wrapped. */
function columns(rows: readonly (readonly string[])[]): string {
  const width = Math.max(...rows.map(([first]) => first!.length))
  const lines = rows.map(([first, second]) => {
    const text = wrap(second!, WIDTH - width - 4).replaceAll('\n', `\n${''.padEnd(width + 4)}`)
    return `  ${first!.padEnd(width)}  ${text}\n`
  })
  return lines.join('')
}

/** In lines of at most so many letters. */
export function wrap(text: string, width = WIDTH): string {
  const lines: string[] = []
  let line = ''
  for (const word of text.split(' ')) {
    if (line !== '' && line.length + 1 + word.length > width) {
      lines.push(line)
      line = word
    } else line = line === '' ? word : `${line} ${word}`
  }
  return [...lines, line].join('\n')
}
