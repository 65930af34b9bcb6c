// What the table in memory holds.
import type { CheckedDestination, CheckedService } from '../validate.js'
import type { Counters } from './memory-stats.js'

export interface MemoryService {
  fields: CheckedService
  readonly counters: Counters
  /** Oldest first; the kernel's lists are newest first. */
  readonly destinations: Map<string, MemoryDestination>
}

export interface MemoryDestination {
  fields: CheckedDestination
  readonly counters: Counters
  /** The one it belongs to, or belonged to. */
  service: MemoryService
  active: number
  inactive: number
  persistent: number
}
