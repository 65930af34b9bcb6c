// Waits until every member of the start has a verdict that was delivered, but not for ever.
import type { Announce } from './announce.js'
import type { MemberMonitor } from './member-monitor.js'

export class FirstRound {
  readonly #undecided: Set<MemberMonitor>
  readonly #announce: Announce
  #timer: NodeJS.Timeout | undefined

  /** Without members it is complete at once. */
  constructor(members: Iterable<MemberMonitor>, limitMs: number, announce: Announce) {
    this.#undecided = new Set(members)
    this.#announce = announce
    this.#timer = setTimeout(() => this.#giveUp(limitMs), limitMs).unref()
    this.#look()
  }

  /** Its verdict is delivered, or nobody wants one any more. */
  settle(monitor: MemberMonitor): void {
    if (this.#undecided.delete(monitor)) this.#look()
  }

  stop(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
  }

  #look(): void {
    if (this.#timer === undefined || this.#undecided.size > 0) return
    this.stop()
    this.#announce.ready()
  }

  #giveUp(limitMs: number): void {
    const left = [...this.#undecided].map((monitor) => monitor.member.key)
    const more = left.length > 5 ? ` and ${left.length - 5} more` : ''
    const names = `${left.slice(0, 5).join(', ')}${more}`
    this.#undecided.clear()
    this.#announce.warning(
      'undecided',
      `${limitMs} ms after the start there is no verdict, or none delivered, on ${names}: ready without`,
    )
    this.#look()
  }
}
