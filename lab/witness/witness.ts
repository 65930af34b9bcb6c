// Who sees from outside what a scenario does: witness.c, in the namespace whose table counts.
import { setTimeout as sleep } from 'node:timers/promises'
import { compiled } from '../checkout.js'
import { Program } from '../network/program.js'
import { now } from '../traffic/messages.js'
import type { EndEntry, TableEntry, WitnessEntry } from './entries.js'
import { stolenTimes } from './entries.js'
import { Steal } from './steal.js'
import { readTable, type SeenTable } from './table.js'

/** Where nothing moves any more, waiting for time to have been given ends after so many times as long. */
const patience = 10

export class Witness {
  readonly #program: Program
  readonly tables: TableEntry[] = []
  readonly steal = new Steal()
  #table: SeenTable = new Map()
  #end: EndEntry | undefined

  /**
   * @param namespace whose table it looks at; ours if left out
   * @param tableMs how often it looks at the table, 0: never
   * @param tickMs how often it looks at the clock: each time costs a tenth of a millisecond or more of the guest's one CPU
   */
  constructor(
    namespace: string | undefined,
    looks: { readonly tableMs: number; readonly tickMs: number },
    heard: (entry: WitnessEntry) => void = () => {},
  ) {
    const command = [compiled('witness'), String(looks.tableMs), String(looks.tickMs)]
    this.#program = new Program(namespace, command, (line) => {
      const entry = JSON.parse(line) as WitnessEntry
      if ('table' in entry) {
        this.tables.push(entry)
        this.#table = readTable(entry.table)
      } else if ('end' in entry) this.#end = entry
      for (const stolen of stolenTimes([entry])) this.steal.add(stolen)
      heard(entry)
    })
  }

  get ready(): Promise<void> {
    return this.#program.ready
  }

  get failure(): Promise<never> {
    return this.#program.failure
  }

  /** As it is now. */
  get table(): SeenTable {
    return this.#table
  }

  /** Its last word. */
  async stop(): Promise<EndEntry> {
    await this.#program.end()
    if (this.#end === undefined) throw new Error('The witness has ended without its last word.')
    return this.#end
  }

  /** Waits until the guest has had so much time, or until ten times as long has passed. */
  async time(ms: number): Promise<void> {
    await this.until(() => false, ms)
  }

  /** Whether it has come true before the guest has had so much time. */
  async until(isTrue: () => boolean, ms: number): Promise<boolean> {
    const start = now()
    for (;;) {
      if (isTrue()) return true
      const left = ms - this.steal.ran(start, now())
      if (left <= 0 || now() - start > ms * patience) return false
      await sleep(Math.min(20, Math.max(1, left)))
    }
  }
}
