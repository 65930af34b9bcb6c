// The words that were typed, read by the table of commands.
import { parseArgs } from 'node:util'
import { didYouMean } from '../validate/spelling.js'
import { usageError } from './errors.js'
import { type Call, type Command, type Option, optionsOf, wordText } from './spec.js'

/** @throws CommandError that says what is wrong with it */
export function parse(name: string, command: Command, args: readonly string[]): Call {
  const known = optionsOf(command)
  const { tokens } = parseArgs({
    args: [...args],
    strict: false,
    tokens: true,
    options: Object.fromEntries(
      Object.entries(known).map(([option, { value }]) => [
        option,
        { type: value === undefined ? ('boolean' as const) : ('string' as const) },
      ]),
    ),
  })
  const options: Record<string, string | true> = {}
  const words: string[] = []
  for (const token of tokens) {
    if (token.kind === 'positional') words.push(token.value)
    if (token.kind !== 'option') continue
    const { rawName, value, inlineValue } = token
    // Help has a short name, and nothing else has.
    const option = rawName === '-h' ? 'help' : token.name
    if (!rawName.startsWith('--') && rawName !== '-h') throw unknown(name, rawName, known)
    if (!Object.hasOwn(known, option)) throw unknown(name, rawName, known)
    options[option] = readValue(name, option, known[option]!, value, inlineValue)
  }
  if (options.help === undefined) checkWords(name, command, words)
  return { words, options }
}

function readValue(
  name: string,
  option: string,
  { value: placeholder, values }: Option,
  value: string | undefined,
  inline: boolean | undefined,
): string | true {
  if (placeholder === undefined) {
    if (inline) throw usageError(`--${option} takes no value. ${seeHelp(name)}`)
    return true
  }
  // "-" is stdin; "--netns --json" has forgotten something.
  if (value === undefined || value === '' || (!inline && /^-./.test(value))) {
    throw usageError(`--${option} needs its value: --${option} ${placeholder}. ${seeHelp(name)}`)
  }
  if (values === undefined || values.includes(value)) return value
  throw usageError(
    `--${option} ${value}: it can be ${values.join(', ')}${didYouMean(value, values)}. ${seeHelp(name)}`,
  )
}

function unknown(name: string, typed: string, known: object): Error {
  const all = Object.keys(known).map((option) => `--${option}`)
  return usageError(`there is no option ${typed}${didYouMean(typed, all)}. ${seeHelp(name)}`)
}

function checkWords(name: string, { words: wanted = [] }: Command, words: readonly string[]): void {
  const usage = ['ipvs', name, ...wanted.map(wordText)].join(' ')
  const missing = wanted[words.length]
  if (missing !== undefined && !missing.optional) {
    throw usageError(`${missing.name} is missing: ${usage}. ${seeHelp(name)}`)
  }
  const last = wanted.at(-1)
  if (words.length > wanted.length && !last?.rest) {
    throw usageError(`"${words[wanted.length]}" is one word too many: ${usage}. ${seeHelp(name)}`)
  }
  for (const [index, word] of words.entries()) {
    const { values, name: what } = wanted[index] ?? {}
    if (values === undefined || values.includes(word)) continue
    throw usageError(
      `"${word}" is no ${what}: ${values.join(', ')}${didYouMean(word, values)}. ${seeHelp(name)}`,
    )
  }
}

export function seeHelp(name: string): string {
  return `"ipvs ${name} --help" shows how it is used.`
}
