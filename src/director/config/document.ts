// YAML or JSON as plain values, and where each of them stands.
import { isCollection, isMap, isNode, LineCounter, type Node, parseDocument } from 'yaml'
import { type ConfigMistake, type Path, pathText } from './mistakes.js'

/** A file that was read. */
export interface ConfigDocument {
  readonly value: unknown
  /** A mistake about what is at a path, or about what is nearest to it. */
  mistake(path: Path, message: string): ConfigMistake
}

/** Values of a file, with all that aliases stand for: ten times what the biggest one has that we know of. */
const MOST_VALUES = 5_000_000

/** @returns what cannot be parsed, in place of the document */
export function parseConfig(text: string): ConfigDocument | readonly ConfigMistake[] {
  const json = parseJson(text)
  if (json === undefined) return parseYaml(text)
  let slow: ReturnType<typeof parseYaml> | undefined
  return {
    value: json,
    mistake(path, message) {
      slow ??= parseYaml(text)
      return 'length' in slow
        ? { line: 1, column: 1, path: '', message }
        : slow.mistake(path, message)
    },
  }
}

/** A hundred times as fast as YAML, which it is too. Not, if something in it does not count: a key that is there twice. */
function parseJson(text: string): unknown {
  if (!/^\s*\{/.test(text)) return undefined
  try {
    const value: unknown = JSON.parse(text)
    const compact = text.replace(/("(?:[^"\\]|\\.)*")|\s+/g, '$1')
    return JSON.stringify(value) === compact ? value : undefined
  } catch {
    return undefined
  }
}

function parseYaml(text: string): ConfigDocument | readonly ConfigMistake[] {
  const lines = new LineCounter()
  const document = parseDocument(text, { lineCounter: lines, merge: true })
  const placed = (offset: number, path: string, message: string): ConfigMistake => {
    const { line, col } = lines.linePos(offset)
    return { line: Math.max(line, 1), column: Math.max(col, 1), path, message }
  }
  const broken = [...document.errors, ...document.warnings]
  if (broken.length > 0) {
    return broken.map(({ message, pos: [at] }) =>
      placed(at, '', message.replace(/ at line .*/s, '')),
    )
  }
  // Parts that many pools share are no bomb, whatever their number; parts of parts of parts may be one.
  const value: unknown = document.toJS({ maxAliasCount: -1 })
  if (!isSmall(value)) {
    return [
      placed(0, '', `it stands for more than ${MOST_VALUES} values: its aliases stand for aliases`),
    ]
  }
  return {
    value,
    mistake: (path, message) => placed(placeOf(document.contents, path), pathText(path), message),
  }
}

function isSmall(value: unknown): boolean {
  let left = MOST_VALUES
  const count = (one: unknown): boolean => {
    if (--left < 0) return false
    return typeof one !== 'object' || one === null || Object.values(one).every(count)
  }
  return count(value)
}

/** Where the key stands, or else what is around it. */
function placeOf(contents: Node | null, path: Path): number {
  let node: unknown = contents
  let offset = contents?.range?.[0] ?? 0
  for (const part of path) {
    if (!isCollection(node)) break
    const pair = isMap(node)
      ? node.items.find(({ key }) => String((key as { value?: unknown }).value) === String(part))
      : undefined
    const next: unknown = pair === undefined ? node.get(part, true) : pair.value
    const shown = pair === undefined ? next : pair.key
    if (!isNode(shown)) break
    offset = shown.range?.[0] ?? offset
    node = next
  }
  return offset
}
