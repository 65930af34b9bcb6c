// The director's log on stdout, a line each. Whoever does not read it holds nobody up.
import { constants, openSync, write } from 'node:fs'
import type { DirectorEvent } from '../../director/index.js'
import type { ImportNote } from '../../import/index.js'
import { painter } from '../paint.js'
import type { Call } from '../spec.js'
import { eventLine } from './event-line.js'

/** Characters that wait to be written; what comes then is left out. */
const MOST_WAITING = 1 << 20

export class Log {
  readonly #json: boolean
  readonly #paint: ReturnType<typeof painter>
  #waiting: string[] = []
  #size = 0
  #leftOut = 0
  #writing = false
  readonly #fd = openStdout()
  #idle = () => {}

  constructor(call: Call) {
    this.#json = call.options.log === 'json' || call.options.json === true
    this.#paint = painter(call)
  }

  event(event: DirectorEvent): void {
    this.#add(this.#json ? JSON.stringify(event) : eventLine(event, this.#paint))
  }

  /** What is no event of a pool. */
  line(event: string, text: string, data?: object): void {
    const time = Date.now()
    if (this.#json) this.#add(JSON.stringify({ time, event, text, ...data }))
    else {
      const more = data === undefined ? '' : ` ${JSON.stringify(data)}`
      this.#add(`${this.#paint('dim', new Date(time).toISOString())} ${event} ${text}${more}`)
    }
  }

  /** What of a keepalived.conf could not be carried over. */
  notes(notes: readonly ImportNote[]): void {
    for (const note of notes) {
      const { file, line, word, message, advice } = note
      this.line('warning', `${file}:${line}: ${word}: ${message}. ${advice}`)
    }
  }

  /** Resolves when all is written, or nobody reads it any more for a second. */
  async end(): Promise<void> {
    if (!this.#writing) return
    await Promise.race([
      new Promise<void>((resolve) => {
        this.#idle = resolve
      }),
      new Promise((resolve) => setTimeout(resolve, 1000).unref()),
    ])
  }

  #add(line: string): void {
    if (this.#size > MOST_WAITING) {
      this.#leftOut++
      return
    }
    if (this.#leftOut > 0) {
      const text = `${this.#leftOut} lines were left out: nobody read them`
      this.#leftOut = 0
      this.line('warning', text)
    }
    this.#waiting.push(line)
    this.#size += line.length
    this.#write()
  }

  #write(): void {
    if (this.#writing || this.#waiting.length === 0) return
    this.#writing = true
    this.#put(Buffer.from(`${this.#waiting.join('\n')}\n`))
    this.#waiting = []
    this.#size = 0
  }

  #put(bytes: Buffer): void {
    write(this.#fd, bytes, (error, written) => {
      const { code } = error ?? {}
      if (code === 'EAGAIN') {
        setTimeout(() => this.#put(bytes), 50).unref()
      } else if (error === null && written < bytes.length) {
        this.#put(bytes.subarray(written))
      } else {
        // A disk that is full, a reader that has gone: the director goes on.
        this.#writing = false
        this.#write()
        if (!this.#writing) this.#idle()
      }
    })
  }
}

/** Its own opening of it, which does not wait for who reads a pipe: that would hold a thread, and the end of the process. */
function openStdout(): number {
  try {
    return openSync(
      '/proc/self/fd/1',
      constants.O_WRONLY | constants.O_APPEND | constants.O_NONBLOCK,
    )
  } catch {
    // A socket, or nothing that can be opened again.
    return 1
  }
}
