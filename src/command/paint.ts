// Colours, where they are wanted: the terminal's own sixteen, so that they can be read on light and on dark.
import { isatty } from 'node:tty'
import type { Call } from './spec.js'

const CODES = {
  bold: [1, 22],
  dim: [2, 22],
  red: [31, 39],
  green: [32, 39],
  yellow: [33, 39],
} as const

export type Paint = (style: keyof typeof CODES, text: string) => string

export function painter({ options }: Call): Paint {
  return isWanted(options) ? painted : (_, text) => text
}

function painted(style: keyof typeof CODES, text: string): string {
  const [on, off] = CODES[style]
  return `\x1b[${on}m${text}\x1b[${off}m`
}

function isWanted(options: Call['options']): boolean {
  const { NO_COLOR, FORCE_COLOR, TERM } = process.env
  if (options['no-color'] || NO_COLOR) return false
  if (FORCE_COLOR !== undefined) return FORCE_COLOR !== '0'
  return isatty(1) && TERM !== 'dumb'
}
