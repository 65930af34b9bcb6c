// A watch is silent while nothing changes, and so is one whose etcd hangs or whose host is gone. While somebody watches
// there, the endpoint is asked now and then whether it still answers.

interface Watched {
  /** What ends each of its watches. */
  readonly ends: Set<(error: Error) => void>
  readonly timer: NodeJS.Timeout
}

export class Pulse {
  readonly #ask: (endpoint: URL) => Promise<unknown>
  readonly #everyMs: number
  readonly #watched = new Map<URL, Watched>()

  /** @param ask resolves if the endpoint answers; must not keep the process alive */
  constructor(ask: (endpoint: URL) => Promise<unknown>, everyMs: number) {
    this.#ask = ask
    this.#everyMs = everyMs
  }

  /** Calls `end` when the endpoint does not answer any more, unless what this returns is called before. */
  feel(endpoint: URL, end: (error: Error) => void): () => void {
    const { ends, timer } = this.#watched.get(endpoint) ?? this.#watch(endpoint)
    ends.add(end)
    return () => {
      ends.delete(end)
      if (ends.size > 0 || this.#watched.get(endpoint)?.ends !== ends) return
      clearInterval(timer)
      this.#watched.delete(endpoint)
    }
  }

  #watch(endpoint: URL): Watched {
    const ends = new Set<(error: Error) => void>()
    const look = () =>
      this.#ask(endpoint).catch((error: Error) => {
        for (const end of [...ends]) end(error)
      })
    const watched = { ends, timer: setInterval(look, this.#everyMs).unref() }
    this.#watched.set(endpoint, watched)
    return watched
  }
}
