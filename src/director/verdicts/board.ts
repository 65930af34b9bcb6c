// What all directors say of all servers, and which of them are blind.
import type { Word } from './judge.js'

const NOBODY: ReadonlyMap<string, Word> = new Map()

export class Board {
  /** By server, then by director. */
  readonly #servers = new Map<string, Map<string, Word>>()
  /** By director: its servers, and how many of them it says to be up. */
  readonly #directors = new Map<string, { readonly servers: Set<string>; ups: number }>()
  #blind: ReadonlySet<string> | undefined

  /** @param word `undefined`: it says nothing any more */
  set(server: string, director: string, word: Word | undefined): void {
    const words = this.#servers.get(server)
    const before = words?.get(director)
    if (before === word) return
    this.#blind = undefined
    const of = this.#directors.get(director) ?? { servers: new Set(), ups: 0 }
    this.#directors.set(director, of)
    of.ups += Number(word === 'up') - Number(before === 'up')
    if (word !== undefined) {
      of.servers.add(server)
      if (words === undefined) this.#servers.set(server, new Map([[director, word]]))
      else words.set(director, word)
      return
    }
    of.servers.delete(server)
    if (of.servers.size === 0) this.#directors.delete(director)
    words!.delete(director)
    if (words!.size === 0) this.#servers.delete(server)
  }

  /** By director. */
  on(server: string): ReadonlyMap<string, Word> {
    return this.#servers.get(server) ?? NOBODY
  }

  get servers(): Iterable<string> {
    return this.#servers.keys()
  }

  get directors(): Iterable<string> {
    return this.#directors.keys()
  }

  /** Those that see nobody, while another one sees a server that they call down. */
  get blind(): ReadonlySet<string> {
    this.#blind ??= new Set(
      [...this.#directors]
        .filter(
          ([, { servers, ups }]) => ups === 0 && [...servers].some((one) => this.#isSeen(one)),
        )
        .map(([director]) => director),
    )
    return this.#blind
  }

  #isSeen(server: string): boolean {
    return [...this.on(server).values()].includes('up')
  }
}
