// What a terminal shows, as a picture: SVG, for light and dark pages.
import type { Window } from './tmux.js'

export interface Screenshot {
  readonly window: Window
  /** As tmux gives it, with its colours. */
  readonly styled: string
  readonly title: string
  /** The same in words. */
  readonly description: string
}

interface Style {
  readonly bold?: boolean
  readonly dim?: boolean
  readonly reverse?: boolean
  readonly colour?: keyof typeof colours | undefined
}

interface Run {
  /** In letters from the left. */
  readonly at: number
  readonly text: string
  readonly style: Style
}

const colours = { 31: 'red', 32: 'green', 33: 'yellow' } as const

/** In pixels. */
const letter = 8.4
const line = 19
const margin = 14

const css = `
text{font:14px ui-monospace,'DejaVu Sans Mono','Cascadia Mono',Menlo,Consolas,monospace}
.back{fill:#ffffff}.ink{fill:#1b2129}.bold{font-weight:bold}.dim{opacity:.65}.red{fill:#b3261e}.green{fill:#1a7f37}.yellow{fill:#8a5a00}
@media (prefers-color-scheme:dark){.back{fill:#10151c}.ink{fill:#e6ebf1}.red{fill:#ff8a80}.green{fill:#6fdd8b}.yellow{fill:#f0c060}}
`

export function terminalPicture({ window, styled, title, description }: Screenshot): string {
  const width = Math.ceil(window.columns * letter + 2 * margin)
  const height = window.rows * line + 2 * margin
  const drawn = runsOf(styled)
    .slice(0, window.rows)
    .flatMap((runs, row) => runs.map((run) => drawRun(run, margin + row * line)))
  return `<svg xmlns="http://www.w3.org/2000/svg" role="img" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}">
<title>${escaped(title)}</title>
<desc>${escaped(description)}</desc>
<style>${css}</style>
<rect class="back" width="${width}" height="${height}" rx="8"/>
${drawn.join('')}</svg>
`
}

function drawRun({ at, text, style }: Run, top: number): string {
  const { bold, dim, reverse, colour } = style
  const left = (letters: number) => (margin + letters * letter).toFixed(1)
  const box = reverse
    ? `<rect class="${colours[colour!] ?? 'ink'}" x="${left(at)}" y="${top}" width="${(text.length * letter).toFixed(1)}" height="${line}"/>\n`
    : ''
  const names = [reverse ? 'back' : (colours[colour!] ?? 'ink'), bold && 'bold', dim && 'dim']
  // By its place, whatever the width of a reader's letters.
  const words = [...text.matchAll(/\S+(?: \S+)*/g)].map(({ 0: word, index }) => {
    const size = (word.length * letter).toFixed(1)
    return `<text class="${names.filter(Boolean).join(' ')}" x="${left(at + index)}" y="${top + 14}" textLength="${size}" lengthAdjust="spacingAndGlyphs">${escaped(word)}</text>\n`
  })
  return box + words.join('')
}

/** Each line in pieces of one style. A style holds until another one comes. */
function runsOf(styled: string): Run[][] {
  let style: Style = {}
  return styled.split('\n').map((text) => {
    const runs: Run[] = []
    let at = 0
    for (const [index, piece] of text.split('\x1b[').entries()) {
      const [codes, plain] = index === 0 ? [undefined, piece] : piece.split(/m(.*)/s)
      if (codes !== undefined) style = (codes || '0').split(';').reduce(changed, style)
      if (!plain) continue
      runs.push({ at, text: plain, style })
      at += plain.length
    }
    return runs
  })
}

function changed(style: Style, code: string): Style {
  const number = Number(code)
  if (number === 0) return {}
  if (number === 1) return { ...style, bold: true }
  if (number === 2) return { ...style, dim: true }
  if (number === 7) return { ...style, reverse: true }
  if (number === 22) return { ...style, bold: false, dim: false }
  if (number === 27) return { ...style, reverse: false }
  if (number === 39) return { ...style, colour: undefined }
  if (Object.hasOwn(colours, number)) return { ...style, colour: number as keyof typeof colours }
  return style
}

function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')
}
