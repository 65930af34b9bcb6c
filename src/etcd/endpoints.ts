// Several endpoints, of which any may be away: the one that has answered last is asked first.
import { Slots } from '../slots.js'
import { EtcdError, isEndpointError } from './errors.js'

/** Asked at a time: of very many at once, each would be answered too late. */
const MOST_AT_ONCE = 16

export class Endpoints {
  readonly #all: readonly URL[]
  /** Index of the one that is asked first. */
  #first = 0
  readonly #slots = new Slots(MOST_AT_ONCE)

  /** @param all one at least */
  constructor(all: readonly URL[]) {
    this.#all = all
  }

  /**
   * What the first of them gives that can.
   *
   * @throws EtcdError (rejects) `ERR_ETCD_UNAVAILABLE` when none could; what is not the endpoint's fault as it is
   */
  ask<T>(signal: AbortSignal | undefined, one: (endpoint: URL) => Promise<T>): Promise<T> {
    return this.#slots.run(() => this.#ask(signal, one), signal)
  }

  /** As {@link ask}. */
  async #ask<T>(signal: AbortSignal | undefined, one: (endpoint: URL) => Promise<T>): Promise<T> {
    const first = this.#first
    const failures: Error[] = []
    for (let i = 0; i < this.#all.length; i++) {
      const at = (first + i) % this.#all.length
      try {
        const answer = await one(this.#all[at]!)
        this.#first = at
        return answer
      } catch (error) {
        if (!isEndpointError(error) || signal?.aborted) throw error
        failures.push(error)
      }
    }
    const text = failures.map(({ message }) => message).join('; ')
    throw new EtcdError('ERR_ETCD_UNAVAILABLE', `etcd is away: ${text}`, { cause: failures[0] })
  }

  /** It is asked last. */
  avoid(endpoint: URL): void {
    if (this.#all[this.#first] === endpoint) this.#first = (this.#first + 1) % this.#all.length
  }
}
