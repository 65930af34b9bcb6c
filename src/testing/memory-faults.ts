// Planned faults: what goes wrong with the n-th change or read from now, and who interferes between two changes.
import { constants } from 'node:os'
import { rangeError, typeError } from '../errors.js'
import { quoted } from '../validate/spelling.js'
import { checkInteger, checkName, readFields } from '../validate.js'

/** What is to fail, and how. */
export interface Fault {
  /** What goes wrong. Default `'change'`; `'read'`: reading services or destinations. */
  readonly of?: 'change' | 'read'
  /** Which of the changes or reads, counted from this call on over all clients: 1 is the next. Default 1. */
  readonly nth?: number
  /**
   * An errno, as a name (`'ENOMEM'`) or a number of either sign: it is not made, and the kernel says why.
   *
   * Of a change, `'lost'`: it is made, with its whole batch, whose answers are all lost; the client then settles by reading.
   * `'unknown'`: it is made, but the deadline passes before the kernel answers, so that its outcome stays unknown.
   *
   * Of a read, `'late'`: its answer comes some turns of the event loop later, and is old if something has changed meanwhile.
   */
  readonly errno: string | number
}

type Of = 'change' | 'read'
type Effects = { readonly change: 'lost' | 'unknown'; readonly read: 'late' }
const KINDS = new Map((['change', 'read'] as const).map((name) => [name, name]))
const EFFECTS = { change: ['lost', 'unknown'], read: ['late'] } as const

interface Plan {
  readonly of: Of
  left: number
  readonly effect: number | Effects[Of]
}

export class Faults {
  #planned: Plan[] = []
  #between: (() => void) | undefined
  #isFirst = true
  #interferes = false

  plan(fault: Fault): void {
    const absent: unknown = undefined
    const fields = readFields(
      fault,
      'fault',
      { of: absent, nth: absent, errno: absent },
      "{ nth: 1, errno: 'ENOMEM' }",
    )
    const of = fields.of === undefined ? 'change' : checkName(fields.of, 'fault.of', KINDS)
    const nth = fields.nth === undefined ? 1 : checkInteger(fields.nth, 'fault.nth', 1, 2 ** 31)
    this.#planned.push({ of, left: nth, effect: checkEffect(fields.errno, EFFECTS[of]) })
  }

  interfere(between: (() => void) | undefined): void {
    if (between !== undefined && typeof between !== 'function') {
      throw typeError('between', 'a function, or undefined for none', between)
    }
    this.#between = between
    this.#isFirst = true
  }

  /** To be called before every change or read: the fault planned for it. */
  next<K extends Of>(of: K): number | Effects[K] | undefined {
    if (of === 'change') this.#runBetween()
    let effect: Plan['effect'] | undefined
    for (const plan of this.#planned) {
      if (plan.of !== of) continue
      plan.left--
      if (plan.left === 0) effect ??= plan.effect
    }
    this.#planned = this.#planned.filter(({ left }) => left > 0)
    return effect as number | Effects[K] | undefined
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

function checkEffect<E extends string>(value: unknown, effects: readonly E[]): number | E {
  const named = effects.find((name) => name === value)
  if (named !== undefined) return named
  const { errno } = constants
  if (typeof value === 'number') {
    const positive = Math.abs(value)
    if (Object.values(errno).includes(positive)) return positive
    throw rangeError('fault.errno', 'an error number of this system', value)
  }
  const rule = `an errno such as "ENOMEM", or ${quoted(effects)}`
  if (typeof value !== 'string') throw typeError('fault.errno', rule, value)
  if (!Object.hasOwn(errno, value)) throw rangeError('fault.errno', rule, value)
  return errno[value as keyof typeof errno]
}
