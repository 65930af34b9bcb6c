// The driver's raw log.
import { closeSync, openSync, writeSync } from 'node:fs'
import type { DriverEntry } from './logs.js'

type WithoutTime<T> = T extends unknown ? Omit<T, 'at'> : never

export class Log {
  readonly #file: number
  /** Entries that are written together: a write to the host's disk stops the guest for a moment. */
  #lines: string[] = []

  constructor(file: string) {
    this.#file = openSync(file, 'w')
  }

  /** Under the time at which it is called, unless it is known better. */
  write(entry: WithoutTime<DriverEntry>, at = now()): void {
    this.#lines.push(`${JSON.stringify({ at, ...entry })}\n`)
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

/** Milliseconds of CLOCK_MONOTONIC. */
export function now(): number {
  return Math.round(Number(process.hrtime.bigint()) / 1e3) / 1e3
}
