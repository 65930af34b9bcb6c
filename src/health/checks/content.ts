// The rule on what a server has sent: a datagram, a body.
import { typeError } from '../../errors.js'
import { show } from './show.js'

/**
 * - a text or bytes: they must occur in it;
 * - a regular expression: it must match, what was sent being read as UTF-8;
 * - a function of the bytes: true if they are right; false, or a text that says what is wrong.
 */
export type ContentRule = string | Uint8Array | RegExp | ((content: Buffer) => boolean | string)

export interface ContentCheck {
  /** What is wrong with the whole, or `undefined`. */
  readonly judge: (content: Buffer) => string | undefined
  /** For whoever reads piece by piece: where these bytes occur, nothing that follows matters. */
  readonly needle?: Buffer | undefined
}

/** @throws ArgumentError */
export function readContentRule(rule: unknown, option: string): ContentCheck {
  if (rule instanceof RegExp) {
    // A copy of our own: with flags g or y it remembers where it has been.
    const expression = new RegExp(rule)
    return {
      judge: (content) => {
        expression.lastIndex = 0
        const fine = expression.test(content.toString())
        return fine ? undefined : `${expression} does not match ${showAnswer(content)}`
      },
    }
  }
  if (typeof rule === 'function') return { judge: (content) => said(rule(content)) }
  if ((typeof rule !== 'string' && !(rule instanceof Uint8Array)) || rule.length === 0) {
    throw typeError(option, 'a text or bytes, not empty, a regular expression or a function', rule)
  }
  const needle = Buffer.from(rule)
  return {
    needle,
    judge: (content) =>
      content.includes(needle) ? undefined : `no ${show(needle)} in ${showAnswer(content)}`,
  }
}

function showAnswer(content: Buffer): string {
  return content.length === 0 ? 'an empty answer' : show(content)
}

function said(answer: unknown): string | undefined {
  if (answer === true) return undefined
  return typeof answer === 'string' ? answer : 'not what is expected'
}
