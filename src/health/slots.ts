// How many checks may run at the same time: first come, first served.

/** Gives its slot back; further calls do nothing. */
export type Release = () => void

export class Slots {
  #free: number
  /** A Set keeps the order of arrival, and whoever gives up leaves it at once. */
  readonly #waiting = new Set<() => void>()

  constructor(count: number) {
    this.#free = count
  }

  /** Resolves with `undefined` if `signal` is aborted first. */
  take(signal: AbortSignal): Promise<Release | undefined> {
    return new Promise((resolve) => {
      if (signal.aborted) return resolve(undefined)
      if (this.#free > 0) return resolve(this.#grant())
      const giveUp = () => {
        this.#waiting.delete(next)
        resolve(undefined)
      }
      const next = () => {
        signal.removeEventListener('abort', giveUp)
        resolve(this.#grant())
      }
      this.#waiting.add(next)
      signal.addEventListener('abort', giveUp, { once: true })
    })
  }

  #grant(): Release {
    this.#free--
    let held = true
    return () => {
      if (!held) return
      held = false
      this.#free++
      for (const next of this.#waiting) {
        this.#waiting.delete(next)
        next()
        break
      }
    }
  }
}
