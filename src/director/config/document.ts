// YAML or JSON as plain values, and where each of them stands.
import { isCollection, isMap, isNode, LineCounter, type Node, parseDocument } from 'yaml'
import { type ConfigMistake, type Path, pathText } from './mistakes.js'

/** A file that was read. */
export interface ConfigDocument {
  readonly value: unknown
  /** A mistake about what is at a path, or about what is nearest to it. */
  mistake(path: Path, message: string): ConfigMistake
}

/** @returns what cannot be parsed, in place of the document */
export function parseConfig(text: string): ConfigDocument | readonly ConfigMistake[] {
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
  return {
    // Parts that many pools share are no bomb, whatever their number.
    value: document.toJS({ maxAliasCount: -1 }),
    mistake: (path, message) => placed(placeOf(document.contents, path), pathText(path), message),
  }
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
