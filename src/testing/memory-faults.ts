// Planned faults: what goes wrong with the n-th change from now, and who interferes between two changes.
import { constants } from 'node:os'
import { rangeError, typeError } from '../errors.js'
import { quoted } from '../validate/spelling.js'
import { checkInteger, readFields } from '../validate.js'

export interface Fault {
  /** Which change, counted from this call on over all clients: 1 is the next. Default 1. */
  readonly nth?: number
  /**
   * An errno, as a name (`'ENOMEM'`) or a number of either sign: the change is not made, and the kernel says why.
   * `'lost'`: it is made, with its whole batch, whose answers are all lost; the client then settles by reading.
   * `'unknown'`: it is made, but the deadline passes before the kernel answers, so that its outcome stays unknown.
   */
  readonly errno: string | number
}

export type Effect = number | 'lost' | 'unknown'

export class Faults {
  #planned: { left: number; readonly effect: Effect }[] = []
  #between: (() => void) | undefined
  #isFirst = true
  #interferes = false

  plan(fault: Fault): void {
    const absent: unknown = undefined
    const fields = readFields(
      fault,
      'fault',
      { nth: absent, errno: absent },
      "{ nth: 1, errno: 'ENOMEM' }",
    )
    const nth = fields.nth === undefined ? 1 : checkInteger(fields.nth, 'fault.nth', 1, 2 ** 31)
    this.#planned.push({ left: nth, effect: checkEffect(fields.errno) })
  }

  interfere(between: (() => void) | undefined): void {
    if (between !== undefined && typeof between !== 'function') {
      throw typeError('between', 'a function, or undefined for none', between)
    }
    this.#between = between
    this.#isFirst = true
  }

  /** To be called before every change: the fault planned for it. */
  next(): Effect | undefined {
    this.#runBetween()
    let effect: Effect | undefined
    for (const plan of this.#planned) {
      plan.left--
      if (plan.left === 0) effect ??= plan.effect
    }
    this.#planned = this.#planned.filter(({ left }) => left > 0)
    return effect
  }

  #runBetween(): void {
    // What the function itself changes is not interfered with.
    if (this.#between === undefined || this.#interferes) return
    if (this.#isFirst) {
      this.#isFirst = false
      return
    }
    this.#interferes = true
    try {
      this.#between()
    } finally {
      this.#interferes = false
    }
  }
}

function checkEffect(value: unknown): Effect {
  if (value === 'lost' || value === 'unknown') return value
  const { errno } = constants
  if (typeof value === 'number') {
    const positive = Math.abs(value)
    if (Object.values(errno).includes(positive)) return positive
    throw rangeError('fault.errno', 'an error number of this system', value)
  }
  const rule = `an errno such as "ENOMEM", or one of ${quoted(['lost', 'unknown'])}`
  if (typeof value !== 'string') throw typeError('fault.errno', rule, value)
  if (!Object.hasOwn(errno, value)) throw rangeError('fault.errno', rule, value)
  return errno[value as keyof typeof errno]
}
