// Words of a line, as keepalived splits them: white space separates, "…" is one word.

/** Takes out a comment, and the white space around what is left. A `\` at the end, which continues a definition, stays. */
export function withoutComment(text: string): string {
  let quoted = false
  let out = ''
  let continued = false
  for (let at = 0; at < text.length; at++) {
    const char = text[at]!
    if (char === '"') quoted = !quoted
    if (char === '\\') {
      const next = text[at + 1]
      if (next === undefined) {
        continued = true
        break
      }
      // Outside of quotes, \# and \! are the characters themselves.
      out += !quoted && (next === '#' || next === '!') ? next : char + next
      at++
      continue
    }
    if (!quoted && (char === '!' || char === '#')) break
    out += char
  }
  const trimmed = out.replace(/^[ \t]+/, '').trimEnd()
  return continued ? `${trimmed}\\` : trimmed
}

/** The words, and what is lost because a quote is not closed. */
export function splitWords(text: string): { readonly words: string[]; readonly lost?: string } {
  const words: string[] = []
  let at = 0
  for (;;) {
    while (at < text.length && isSpace(text[at]!)) at++
    if (at >= text.length) return { words }
    if (text[at] === '"') {
      const end = text.indexOf('"', at + 1)
      if (end < 0) return { words, lost: text.slice(at) }
      words.push(text.slice(at + 1, end))
      at = end + 1
      continue
    }
    const start = at
    while (at < text.length && !isSpace(text[at]!) && text[at] !== '"') at++
    words.push(text.slice(start, at))
  }
}

/**
 * The other way of splitting, for scripts and regular expressions: '…' groups as "…" does, anywhere in a word, and `\` takes
 * the meaning from what follows; in scripts it stays for the second splitting.
 *
 * @returns `undefined` if a quote is not closed
 */
export function splitQuoted(text: string, escapes: 'read' | 'keep'): string[] | undefined {
  const words: string[] = []
  let word: string | undefined
  let quote = ''
  for (let at = 0; at < text.length; at++) {
    const char = text[at]!
    if (char === '\\' && at + 1 < text.length) {
      const [value, length] =
        escapes === 'keep' ? [text.slice(at, at + 2), 2] : readEscape(text.slice(at, at + 4))
      word = (word ?? '') + value
      at += length - 1
    } else if (quote !== '') {
      if (char === quote) quote = ''
      else word = (word ?? '') + char
    } else if (char === '"' || char === "'") {
      quote = char
      word ??= ''
    } else if (isSpace(char)) {
      if (word !== undefined) words.push(word)
      word = undefined
    } else {
      word = (word ?? '') + char
    }
  }
  if (quote !== '') return undefined
  if (word !== undefined) words.push(word)
  return words
}

const LETTERS: Readonly<Record<string, string>> = {
  a: '\x07',
  b: '\b',
  E: '\x1b',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
  v: '\v',
}

/** What a text that begins with `\` stands for, and how long that was. */
function readEscape(text: string): readonly [value: string, length: number] {
  const hex = /^\\x([0-9A-Fa-f]{1,2})/.exec(text)
  if (hex !== null) return [String.fromCharCode(Number.parseInt(hex[1]!, 16)), hex[0].length]
  const octal = /^\\([0-7]{1,3})/.exec(text)
  if (octal !== null)
    return [String.fromCharCode(Number.parseInt(octal[1]!, 8) & 255), octal[0].length]
  if (text[1] === 'c' && text.length > 2) return [String.fromCharCode(text.charCodeAt(2) & 31), 3]
  return [LETTERS[text[1]!] ?? text[1]!, 2]
}

/** A script and its parameters: white space separates, '…' groups, `\` takes the meaning from what follows. No shell. */
export function splitCommand(text: string): string[] {
  const words: string[] = []
  let word: string | undefined
  let quoted = false
  for (let at = 0; at < text.length; at++) {
    const char = text[at]!
    if (char === '\\' && at + 1 < text.length) word = (word ?? '') + text[++at]
    else if (char === "'") {
      quoted = !quoted
      word ??= ''
    } else if (isSpace(char) && !quoted) {
      if (word !== undefined) words.push(word)
      word = undefined
    } else word = (word ?? '') + char
  }
  if (word !== undefined) words.push(word)
  return words
}

function isSpace(char: string): boolean {
  return (
    char === ' ' ||
    char === '\t' ||
    char === '\f' ||
    char === '\v' ||
    char === '\r' ||
    char === '\n'
  )
}
