// What a server sent, for a reason that is read at three in the morning: printable, on one line, short.

const longest = 80
const longestBinary = 24

/** Text in quotes, anything else as hexadecimal digits. */
export function show(received: Uint8Array): string {
  const bytes = Buffer.from(received.buffer, received.byteOffset, received.byteLength)
  // Whole characters only, and no more work for a megabyte than for what is shown of it.
  const text = bytes.toString('utf8', 0, 4 * longest)
  if (bytes.length <= 4 * longest ? !isBinary(text) : !isBinary(text.slice(0, longest)))
    return showText(text)
  const digits = bytes.toString('hex', 0, longestBinary)
  return `bytes ${digits}${bytes.length > longestBinary ? `… (${bytes.length})` : ''}`
}

/** In quotes, shortened; what would not show, or would change how the rest shows, as an escape. */
export function showText(text: string): string {
  const characters = [...text.slice(0, 2 * longest)]
  const short =
    characters.length > longest ? `${characters.slice(0, longest).join('')}…` : characters.join('')
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
