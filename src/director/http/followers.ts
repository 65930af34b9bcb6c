// Events as they come (server-sent events), for readers that read.
import type { ServerResponse } from 'node:http'
import type { Director } from '../director.js'
import type { DirectorEvent } from '../events.js'

/** Who leaves so much unread is dropped. Bytes. */
const MOST_UNREAD = 256 * 1024
/** So that a dead connection is noticed, and no proxy in between takes us for dead. */
const BEAT_MS = 15_000
/** At the same time. */
const MOST = 32

export class Followers {
  readonly #director: Director
  /** With how much each had not read at the last beat. */
  readonly #unread = new Map<ServerResponse, number>()
  readonly #beat: NodeJS.Timeout

  constructor(director: Director) {
    this.#director = director
    director.on('event', this.#tell)
    this.#beat = setInterval(() => this.#beatAll(), BEAT_MS).unref()
  }

  get isFull(): boolean {
    return this.#unread.size >= MOST
  }

  /**
   * Its headers are there; the events after `lastId` that are still known come first. One that is ahead of us heard them of
   * another director before this one.
   */
  add(response: ServerResponse, lastId: number | undefined): void {
    this.#unread.set(response, 0)
    response.once('close', () => this.#unread.delete(response))
    response.socket?.setTimeout(0)
    const { changes } = this.#director
    const newest = changes.at(-1)?.sequence ?? 0
    const after = lastId === undefined ? newest : lastId > newest ? 0 : lastId
    const missed = changes.filter(({ sequence }) => sequence > after)
    response.write(`retry: 2000\n\n${missed.map(asText).join('')}`)
  }

  close(): void {
    this.#director.off('event', this.#tell)
    clearInterval(this.#beat)
    for (const response of this.#unread.keys()) response.end()
  }

  readonly #tell = (event: DirectorEvent): void => {
    if (this.#unread.size === 0) return
    const text = asText(event)
    for (const response of this.#unread.keys()) {
      response.write(text)
      if (response.writableLength > MOST_UNREAD) response.destroy()
    }
  }

  #beatAll(): void {
    for (const [response, before] of this.#unread) {
      const unread = response.writableLength
      if (before > 0 && unread >= before) response.destroy()
      else this.#unread.set(response, unread)
      response.write(':\n\n')
    }
  }
}

const asText = (event: DirectorEvent) => `id: ${event.sequence}\ndata: ${JSON.stringify(event)}\n\n`
