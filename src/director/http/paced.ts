// A value that is made when somebody asks for it, and not more often than it is worth.

/** The part of the time that may go into making it: a twentieth. */
const SHARE = 20
/** But so much is waited at most: it may have been waiting itself. */
const MOST_MS = 5000

export class Paced<T> {
  readonly #make: () => Promise<T>
  readonly #leastMs: number
  #last: { readonly value: T; readonly at: number; readonly tookMs: number } | undefined
  #running: Promise<T> | undefined

  /** @param leastMs from one to the next */
  constructor(make: () => Promise<T>, leastMs: number) {
    this.#make = make
    this.#leastMs = leastMs
  }

  /** For all who ask meanwhile the same one. */
  get(): Promise<T> {
    const last = this.#last
    const age = last === undefined ? Number.POSITIVE_INFINITY : performance.now() - last.at
    if (
      last !== undefined &&
      age < Math.max(this.#leastMs, Math.min(MOST_MS, SHARE * last.tookMs))
    ) {
      return Promise.resolve(last.value)
    }
    this.#running ??= this.#run().finally(() => {
      this.#running = undefined
    })
    return this.#running
  }

  async #run(): Promise<T> {
    const began = performance.now()
    const value = await this.#make()
    const at = performance.now()
    this.#last = { value, at, tookMs: at - began }
    return value
  }
}
