// Whether the kernel counts at all: counters and rates move with its estimation only (ip_vs_est.c).
import type { Sysctls } from '../system/sysctls.js'
import type { Snapshot } from '../types.js'

/** Rates that are not 0 and do not change for so long: they are taken every 2 s, and lose a quarter where nothing comes. */
const STILL_MS = 10_000

export class Estimation {
  #seen = ''
  #since = 0

  /** Undefined where it cannot be told. */
  isRunning(table: Snapshot, sysctls: Sysctls): boolean | undefined {
    const { run_estimation: run, est_cpulist: cpus } = sysctls
    if (run === 0 || cpus === '') return false
    return this.#standsStill(table) ? false : run === 1 ? true : undefined
  }

  #standsStill({ services }: Snapshot): boolean {
    const sums = [0, 0, 0, 0, 0]
    for (const { stats } of services) {
      sums[0]! += stats.connectionRate
      sums[1]! += stats.inPacketRate
      sums[2]! += stats.inByteRate
      sums[3]! += Number(stats.inPackets)
      sums[4]! += Number(stats.inBytes)
    }
    const seen = sums.join(' ')
    const now = performance.now()
    if (seen !== this.#seen) {
      this.#seen = seen
      this.#since = now
    }
    const hasRates = sums.slice(0, 3).some((sum) => sum > 0)
    return hasRates && now - this.#since >= STILL_MS
  }
}
