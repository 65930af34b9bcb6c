// Tables for a terminal and for Markdown. Cells are text; how figures are written is the caller's affair.

export interface TableOptions {
  /** Columns of text; figures stand on the right. */
  readonly left?: readonly number[]
}

/** Lines for a terminal, the head first; the last column is not padded where it is one of text. */
export function textTable(
  head: readonly string[],
  rows: readonly (readonly string[])[],
  { left = [0] }: TableOptions = {},
): string[] {
  const widths = head.map((cell, i) => Math.max(cell.length, ...rows.map((row) => row[i]!.length)))
  return [head, ...rows].map((row) =>
    row
      .map((cell, i) => (left.includes(i) ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!)))
      .join('  ')
      .trimEnd(),
  )
}

/** Lines of Markdown. */
export function markdownTable(
  head: readonly string[],
  rows: readonly (readonly string[])[],
): string[] {
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`
  return [line(head), `|${'---|'.repeat(head.length)}`, ...rows.map(line)]
}

const marker = (command: string) => `<!-- measured: ${command} -->`
const end = '<!-- end of what was measured -->'

/** The page with this text in place of what the command has measured before. */
export function renewMeasured(page: string, command: string, lines: readonly string[]): string {
  const begin = marker(command)
  const from = page.indexOf(begin)
  const to = page.indexOf(end)
  if (from < 0 || to < from) throw new Error(`The page has no lines "${begin}" and "${end}".`)
  return `${page.slice(0, from + begin.length)}\n\n${lines.join('\n')}\n${page.slice(to)}`
}
