// What passes between the host, which plans and reports, and the guest, which measures.
import { CASES, type Case, HOST_CASES } from './cases.js'

/** One start of one driver. */
export interface Run {
  readonly case: string
  readonly driver: string
}

export interface Plan {
  readonly runs: readonly Run[]
  /** Drivers drop every tenth change: the suite must notice. */
  readonly sabotage: boolean
  /** Folder for workloads and raw results. */
  readonly folder: string
}

/** The first line of the guest's file. */
export interface Header {
  readonly kernel: string
  /** What one reading of the clock costs there; it is taken off samples of one operation. */
  readonly clockUs: number
}

/** What a driver printed, and what was counted. One line of the guest's file each. */
export interface Raw extends Run {
  readonly times: readonly number[]
  /** Changes of all its operations. */
  readonly changes: number
  readonly extra?: Readonly<Record<string, number>>
  readonly syscallsPerOp?: number
  readonly instructionsPerOp?: number
  /** Why there are no times. */
  readonly problem?: string
}

export const DEFAULT_ROUNDS = 5

export function findCase(name: string): Case {
  return [...CASES, ...HOST_CASES].find((one) => one.name === name)!
}

/** Every round backwards from the one before, so that no driver always has the same neighbour. */
export function planRuns(
  cases: readonly string[],
  driver: string | undefined,
  rounds: number,
): Run[] {
  const runs: Run[] = []
  for (let round = 0; round < rounds; round++) {
    for (const name of cases) {
      const { drivers, floor, rounds: most = rounds } = findCase(name)
      if (round >= most) continue
      // The floor runs beside any driver: a time alone says nothing.
      const picked = drivers.filter(
        (one) => driver === undefined || one === driver || one === floor,
      )
      const ordered = round % 2 === 0 ? picked : picked.toReversed()
      runs.push(...ordered.map((one) => ({ case: name, driver: one })))
    }
  }
  return runs
}
