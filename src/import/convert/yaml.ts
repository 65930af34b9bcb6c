// YAML of a document, with comments. What it writes is the same in YAML 1.1 and 1.2, but for the key `on`.
import type { Comments, Json, JsonMap } from './document.js'

const WIDTH = 100

export function writeYaml(document: JsonMap, comments: Comments, head: readonly string[]): string {
  const map = Object.keys(document).length === 0 ? ['{}'] : mapLines(document, comments, 0)
  const lines = [...head.map(comment), ...map]
  return `${lines.join('\n')}\n`
}

function comment(text: string): string {
  return text === '' ? '#' : `# ${text.replace(/[^\x20-\x7e\xa0-\ud7ff]/g, ' ')}`
}

function mapLines(map: JsonMap, comments: Comments, depth: number): string[] {
  const indent = '  '.repeat(depth)
  return Object.entries(map).flatMap(([key, value]) => [
    ...comments.at(map, key).map((line) => indent + comment(line)),
    ...entryLines(`${indent}${writeKey(key)}:`, value, comments, depth),
  ])
}

function entryLines(start: string, value: Json, comments: Comments, depth: number): string[] {
  if (typeof value !== 'object' || value === null) return [`${start} ${writeScalar(value)}`]
  const flow = `${start} ${writeFlow(value)}`
  const empty = Object.keys(value).length === 0
  if (empty || (depth > 0 && flow.length <= WIDTH && !comments.within(value))) return [flow]
  if (!Array.isArray(value)) return [start, ...mapLines(value as JsonMap, comments, depth + 1)]
  if (value.every((item) => typeof item === 'number'))
    return [start, ...numberLines(value, depth + 1)]
  return [start, ...value.flatMap((item) => itemLines(item, comments, depth + 1))]
}

/** Hundreds of them, in lines of a readable length. */
function numberLines(numbers: readonly number[], depth: number): string[] {
  const indent = '  '.repeat(depth)
  return `[${numbers.join(', ')}]`
    .match(/.{1,80}(?:,|$) ?/g)!
    .map((line) => indent + line.trimEnd())
}

function itemLines(item: Json, comments: Comments, depth: number): string[] {
  const indent = '  '.repeat(depth)
  const flow = `${indent}- ${writeFlow(item)}`
  const plain = typeof item !== 'object' || item === null || Array.isArray(item)
  if (plain || (flow.length <= WIDTH && !comments.within(item))) return [flow]
  const lines = mapLines(item as JsonMap, comments, depth + 1)
  const first = lines.findIndex((line) => !line.trimStart().startsWith('#'))
  // The dash stands before the first key, and comments of that above it.
  return [
    ...lines.slice(0, first).map((line) => line.slice(2)),
    `${indent}- ${lines[first]!.slice(indent.length + 2)}`,
    ...lines.slice(first + 1),
  ]
}

function writeFlow(value: Json): string {
  if (typeof value !== 'object' || value === null) return writeScalar(value)
  if (Array.isArray(value)) return `[${value.map(writeFlow).join(', ')}]`
  const entries = Object.entries(value)
  if (entries.length === 0) return '{}'
  return `{ ${entries.map(([key, one]) => `${writeKey(key)}: ${writeFlow(one)}`).join(', ')} }`
}

/** What the director reads is YAML 1.2, where the key `on` of hooks is no truth. */
function writeKey(key: string): string {
  return key === 'on' ? key : writeText(key)
}

function writeScalar(value: string | number | boolean | null): string {
  return typeof value === 'string' ? writeText(value) : String(value)
}

/** Words that mean something else to one YAML or another. */
const TAKEN = /^(true|false|yes|no|on|off|y|n|null|nan|inf)$/i
/** A word, or a number with a unit. */
const PLAIN = /^[A-Za-z_][A-Za-z0-9_.-]*$|^\d+(ms|s|m|h|d)$/

function writeText(text: string): string {
  if (PLAIN.test(text) && !TAKEN.test(text)) return text
  if (/^[\x20-\x7e]*$/.test(text)) return `'${text.replaceAll("'", "''")}'`
  // JSON's own escapes are YAML's, for what may not stand there as it is.
  return JSON.stringify(text).replace(
    /[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]/g,
    (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
}
