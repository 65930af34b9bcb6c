// What a server sent, for a reason that is read at three in the morning: printable, on one line, short.

const LONGEST = 80
const LONGEST_BINARY = 24

/** Text in quotes, anything else as hexadecimal digits. */
export function show(received: Uint8Array): string {
  const bytes = Buffer.from(received.buffer, received.byteOffset, received.byteLength)
  // Whole characters only, and no more work for a megabyte than for what is shown of it.
  const text = bytes.toString('utf8', 0, 4 * LONGEST)
  if (bytes.length <= 4 * LONGEST ? !isBinary(text) : !isBinary(text.slice(0, LONGEST)))
    return showText(text)
  const digits = bytes.toString('hex', 0, LONGEST_BINARY)
  return `bytes ${digits}${bytes.length > LONGEST_BINARY ? `… (${bytes.length})` : ''}`
}

/** In quotes, shortened; what would not show, or would change how the rest shows, as an escape. */
export function showText(text: string): string {
  const characters = [...text.slice(0, 2 * LONGEST)]
  const short =
    characters.length > LONGEST ? `${characters.slice(0, LONGEST).join('')}…` : characters.join('')
  return JSON.stringify(short).replace(
    /[\p{C}\p{Zl}\p{Zp}]/gu,
    (character) => `\\u{${character.codePointAt(0)?.toString(16)}}`,
  )
}

/** Not meant to be read: control characters other than white space, or bytes that are no UTF-8. */
function isBinary(text: string): boolean {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
  return /[\x00-\x08\x0e-\x1f\x7f\ufffd]/.test(text)
}
