// Waits until every member of the start has a verdict that was delivered, but not for ever.
import type { Announce } from './announce.js'
import type { Watched } from './watched.js'

export class FirstRound {
  readonly #undecided: Set<Watched>
  readonly #announce: Announce
  #timer: NodeJS.Timeout | undefined

  /** Without members it is complete at once. */
  constructor(members: Iterable<Watched>, limitMs: number, announce: Announce) {
    this.#undecided = new Set(members)
    this.#announce = announce
    this.#timer = setTimeout(() => this.#giveUp(limitMs), limitMs)
    this.#look()
  }

  /** Its verdict is delivered, or nobody wants one any more. */
  settle(watched: Watched): void {
    if (this.#undecided.delete(watched)) this.#look()
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
    const left = [...this.#undecided].map((watched) => watched.member.key)
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
