// checks.expect: a dialogue of your own over one TCP connection, send and expect in turn.
import { inspect } from 'node:util'
import { rangeError, typeError } from '../../errors.js'
import { checkInteger, checkOptions } from '../../validate.js'
import { Inconclusive } from '../outcome.js'
import type { Check } from '../types.js'
import type { Progress, Step } from './dialogue.js'
import {
  type DialogueOptions,
  defaultMaxBytes,
  dialogueCheck,
  dialogueOptionNames,
} from './dialogue-check.js'
import { readLines } from './reply.js'
import { show } from './show.js'

/**
 * Judges the bytes that the server has sent since the step before, one at least: `'more'` if they are not all there yet, `true` if
 * they are right (they are then used up), or what is wrong, in words: `protocol 9, expected 10`. It must not depend
 * on how many bytes come at a time.
 */
export type ExpectRule = (received: Buffer) => 'more' | true | (string & {})

/** One step: sends `send`, if there is any, then waits for `expect`, if there is any. */
export interface ExpectStep {
  /** Text is sent as UTF-8, as it is: the line's end is yours to give (`'NOOP\r\n'`). Default: nothing. */
  readonly send?: string | Uint8Array | undefined
  /**
   * What must come. An answer is one line, or several (see `last`). A text: the last line begins with it. A regular
   * expression: the last line matches it, or all lines together, joined by `\n`. For anything that does not come in
   * lines: a function of the bytes. Default: nothing is waited for.
   */
  readonly expect?: string | RegExp | ExpectRule | undefined
  /**
   * Which line is the last one of the answer; the answer ends with the first line that matches. Default: every line.
   * `/^\d{3} /` for SMTP, where `250-` goes on and `250 ` ends; `/^a1 /` for IMAP's command tagged `a1`; `/^\.$/` for
   * POP3's lists.
   */
  readonly last?: RegExp | undefined
}

/** Options of `checks.expect`. */
export interface ExpectCheckOptions extends DialogueOptions {
  /** One step at least, in order. Steps without `send` wait for a server that speaks first. */
  readonly dialogue: readonly ExpectStep[]
  /**
   * An answer that is not complete after so many bytes is a failure; no more are kept. 1 to 1,048,576, default 16,384.
   */
  readonly maxBytes?: number | undefined
  /** What the check is called in reasons. Default `expect`. */
  readonly name?: string | undefined
}

/**
 * Healthy when the server has answered every step as expected, in time. The connection is closed with a reset right
 * after the last step: if that sends something (`{ send: 'QUIT\r\n' }`), nothing is waited for.
 *
 * A wrong answer fails at once and is shown, shortened: `expect 10.1.0.1:25: answered "554 no service", expected /^220 /`.
 * What is sent is never shown: it may be a password.
 *
 * @throws ArgumentError
 */
export function expect(options: ExpectCheckOptions): Check {
  const fields = checkOptions(options, 'options', [
    ...dialogueOptionNames,
    'dialogue',
    'maxBytes',
    'name',
  ])
  const steps = readDialogue(fields.dialogue)
  const { maxBytes: most = defaultMaxBytes } = fields
  const maxBytes = checkInteger(most, 'options.maxBytes', 1, 1_048_576)
  const { name = 'expect' } = fields
  if (typeof name !== 'string') throw typeError('options.name', 'a short text', name)

  return dialogueCheck(fields, {
    name,
    steps,
    maxBytes,
    detail: (said) => (said.length === 0 ? 'sent' : `answered ${said.at(-1)}`),
  })
}

function readDialogue(dialogue: unknown): readonly Step[] {
  if (!Array.isArray(dialogue) || dialogue.length === 0)
    throw typeError('options.dialogue', 'a list of steps such as { expect: /^220 / }', dialogue)
  return dialogue.map((step: unknown, index) => {
    const option = `options.dialogue[${index}]`
    const fields = checkOptions(step, option, ['send', 'expect', 'last'])
    const where = dialogue.length === 1 ? '' : ` in step ${index + 1}`
    const send = readSend(fields.send, `${option}.send`)
    const last = readPattern(fields.last, `${option}.last`)
    if (fields.expect === undefined) {
      if (send === undefined) throw typeError(option, 'a step that sends or expects', step)
      if (last !== undefined) throw typeError(`${option}.last`, 'left out without expect', last)
      return { send }
    }
    return { ...(send && { send }), ...readExpect(fields.expect, last, option, where) }
  })
}

function readSend(send: unknown, option: string): Uint8Array | undefined {
  if (send === undefined) return undefined
  // Copies: what the caller does with its bytes later is not sent.
  if (typeof send === 'string') return Buffer.from(send)
  if (send instanceof Uint8Array) return Buffer.from(send)
  throw typeError(option, 'a text or a Uint8Array', send)
}

/** A copy that remembers nothing from one test to the next. */
function readPattern(pattern: unknown, option: string): RegExp | undefined {
  if (pattern === undefined) return undefined
  if (!(pattern instanceof RegExp)) throw typeError(option, 'a regular expression', pattern)
  return new RegExp(pattern.source, pattern.flags.replace(/[gy]/g, ''))
}

function readExpect(
  expected: unknown,
  last: RegExp | undefined,
  option: string,
  where: string,
): Step & { readonly awaited: string } {
  if (isRule(expected)) {
    if (last !== undefined)
      throw typeError(`${option}.last`, 'left out: the function says when the answer ends', last)
    return {
      read: (received) => applyRule(expected, received, where),
      awaited: `the answer${where}`,
    }
  }
  const pattern = expected instanceof RegExp ? readPattern(expected, `${option}.expect`) : undefined
  const begin = typeof expected === 'string' ? expected : undefined
  if (pattern === undefined && begin === undefined)
    throw typeError(`${option}.expect`, 'a text, a regular expression or a function', expected)
  if (begin !== undefined && /^$|[\r\n]/.test(begin)) {
    throw rangeError(
      `${option}.expect`,
      'the beginning of a line, not empty (a regular expression can look at several lines)',
      expected,
    )
  }
  const words = pattern === undefined ? JSON.stringify(begin) : String(pattern)
  const fits = (reply: string) => {
    const line = reply.slice(reply.lastIndexOf('\n') + 1)
    if (pattern === undefined) return begin !== undefined && line.startsWith(begin)
    return pattern.test(line) || pattern.test(reply)
  }
  return {
    read: (received) =>
      readLines(received, last, (reply) =>
        fits(reply) ? undefined : { wrong: `${where}, expected ${words}` },
      ),
    awaited: `${words}${where}`,
  }
}

function isRule(value: unknown): value is ExpectRule {
  return typeof value === 'function'
}

function applyRule(rule: ExpectRule, received: Buffer, where: string): Progress {
  const said: unknown = rule(received)
  if (said === 'more') return undefined
  if (said === true) return { used: received.length, said: show(received) }
  if (typeof said === 'string') return { wrong: `answered ${show(received)}${where}: ${said}` }
  // The caller's mistake, not the server's.
  throw new Inconclusive(
    `the function of options.dialogue${where} returned ${inspect(said)}, not 'more', true or a text`,
  )
}
