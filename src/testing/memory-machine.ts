// What all clients of one kernel in memory share, and how a batch runs in it.
import { OUTCOME } from '../kernel/addon.js'
import type { CheckedChange } from '../validate.js'
import { commandOf, type Outcome, runChange } from './memory-commands.js'
import { Faults } from './memory-faults.js'
import type { BatchResult } from './memory-queue.js'
import { MemorySystem } from './memory-system.js'
import { MemoryTable } from './memory-table.js'

export interface MachineOptions {
  readonly schedulers: readonly string[]
  readonly engines: readonly string[]
  readonly sysctls: Readonly<Record<string, string | number>>
  readonly clock: () => number
}

let machines = 0

export class Machine {
  readonly namespace = `memory:${++machines}`
  readonly system: MemorySystem
  readonly table: MemoryTable
  readonly faults = new Faults()

  constructor({ sysctls, ...table }: MachineOptions) {
    this.system = new MemorySystem(sysctls)
    this.table = new MemoryTable({
      ...table,
      isEstimating: () => this.system.sysctls.run_estimation !== '0',
      isSyncing: () => this.system.isSyncing,
    })
  }

  /** One change after the other, as the kernel walks a buffer: a failure does not stop the rest. */
  run(changes: readonly CheckedChange[]): BatchResult {
    const outcomes: Outcome[] = []
    const overdue = new Set<number>()
    let lost = false
    for (const [index, change] of changes.entries()) {
      const fault = this.faults.next('change')
      if (typeof fault === 'number') {
        outcomes.push({ code: fault, command: commandOf(change) })
        continue
      }
      const outcome = runChange(this.table, change)
      lost ||= fault === 'lost'
      if (fault === 'unknown') overdue.add(index)
      outcomes.push(fault === 'unknown' ? unanswered(change) : outcome)
    }
    return { outcomes: lost ? changes.map(unanswered) : outcomes, overdue }
  }
}

function unanswered(change: CheckedChange): Outcome {
  return { code: OUTCOME.unknown, command: commandOf(change) }
}
