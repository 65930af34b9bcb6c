// A table in YAML or JSON: `services`, in the library's words. Every mistake has its line, its column and its path.
import { isCollection, isMap, isNode, LineCounter, type Node, parseDocument } from 'yaml'
import type { ArgumentError } from '../../errors.js'
import { findMistakes } from '../../reconcile/mistakes.js'
import { formatRules } from '../../rules/format.js'
import { parseRules } from '../../rules/parse.js'
import type { ServiceTree } from '../../types.js'
import { didYouMean } from '../../validate/spelling.js'
import { type Mistake, mistakes } from './mistakes.js'

const KEYS = ['services', '$schema']
const COUNTERS = ['stats', 'activeConnections', 'inactiveConnections', 'persistentConnections']

/** @throws CommandError with all that is wrong with it */
export function readDocument(text: string, file: string): ServiceTree[] {
  const lines = new LineCounter()
  // A table that many services share parts of is no bomb, whatever their number.
  const document = parseDocument(text, { lineCounter: lines, merge: true })
  const broken = [...document.errors, ...document.warnings]
  if (broken.length > 0) {
    throw mistakes(
      file,
      broken.map(({ message, pos: [at] }) =>
        placed(lines, at, message.replace(/ at line .*/s, '')),
      ),
    )
  }
  const value: unknown = document.toJS({ maxAliasCount: -1 })
  const at = (option: string) => placeOf(document.contents, option)
  const found = problemsOf(value).map(({ option, message }) => placed(lines, at(option), message))
  if (found.length > 0) throw mistakes(file, found)
  // Every default filled in, and addresses as the kernel spells them.
  return parseRules(formatRules((value as { services: ServiceTree[] }).services))
}

type Problem = Pick<ArgumentError, 'option' | 'message'>

function problemsOf(value: unknown): Problem[] {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    return [{ option: '', message: 'a table is a map with the key "services"' }]
  }
  const unknown = Object.keys(value)
    .filter((key) => !KEYS.includes(key))
    .map((key) => {
      const message = `${key} must be left out: there is no such key, only "services"${didYouMean(key, KEYS)}`
      return { option: key, message }
    })
  if (unknown.length > 0 && !('services' in value)) return unknown
  const { services } = value as { readonly services?: unknown }
  return [...unknown, ...findMistakes(services), ...countersIn(services, 'services')]
}

/** The library takes what was seen, and leaves them behind. In a file somebody may think that they say something. */
function countersIn(list: unknown, option: string): Problem[] {
  if (!Array.isArray(list)) return []
  return list.flatMap((one: unknown, index) => {
    if (typeof one !== 'object' || one === null) return []
    const at = `${option}[${index}]`
    const counted = COUNTERS.filter((name) => name in one).map((name) => ({
      option: `${at}.${name}`,
      message: `${at}.${name} must be left out: the kernel counts it, and nobody sets it`,
    }))
    const { destinations } = one as { readonly destinations?: unknown }
    return [...counted, ...countersIn(destinations, `${at}.destinations`)]
  })
}

function placed(lines: LineCounter, offset: number, text: string): Mistake {
  const { line, col } = lines.linePos(offset)
  return { line: Math.max(line, 1), column: Math.max(col, 1), text }
}

/** Of `services[3].destinations[1].weight`: where that key stands, or else what is around it. */
function placeOf(contents: Node | null, option: string): number {
  let node: unknown = contents
  let offset = contents?.range?.[0] ?? 0
  for (const part of option.match(/[^.[\]]+/g) ?? []) {
    if (!isCollection(node)) break
    const pair = isMap(node)
      ? node.items.find(({ key }) => String((key as { value?: unknown }).value) === part)
      : undefined
    const next: unknown = pair === undefined ? node.get(Number(part), true) : pair.value
    const shown = pair === undefined ? next : pair.key
    if (!isNode(shown)) break
    offset = shown.range?.[0] ?? offset
    node = next
  }
  return offset
}
