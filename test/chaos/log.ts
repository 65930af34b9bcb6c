// A raw log, one JSON object a line.
import { closeSync, openSync, writeSync } from 'node:fs'
import { now } from '../../lab/traffic/messages.js'

type WithoutTime<T> = T extends unknown ? Omit<T, 'at'> : never

export class Log<Entry extends { readonly at: number }> {
  readonly #file: number
  /** Entries that are written together: a write to the host's disk stops the guest for a moment. */
  #lines: string[] = []

  constructor(file: string) {
    this.#file = openSync(file, 'w')
  }

  /** Under the time at which it is called. */
  write(entry: WithoutTime<Entry>): void {
    this.add({ at: Math.round(now() * 1e3) / 1e3, ...entry } as unknown as Entry)
  }

  add(entry: Entry): void {
    this.#lines.push(`${JSON.stringify(entry)}\n`)
  }

  flush(): void {
    writeSync(this.#file, this.#lines.join(''))
    this.#lines = []
  }

  close(): void {
    this.flush()
    closeSync(this.#file)
  }
}
