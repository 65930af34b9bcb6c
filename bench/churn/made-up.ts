// Results that nobody measured.
import type { Report, Result } from './results.js'

export function result(driver: string, medianUs: number, more: Partial<Result> = {}): Result {
  return {
    case: 'flip-weight',
    driver,
    n: 3000,
    medianUs,
    p99Us: medianUs * 2,
    minUs: medianUs / 2,
    maxUs: medianUs * 4,
    perChangeUs: medianUs / 2,
    ratioToFloor: medianUs / 10,
    syscallsPerOp: 2,
    ...more,
  }
}

export function report(results: readonly Result[], more: Partial<Report> = {}): Report {
  return {
    kernel: '6.1.176',
    node: 'v20.20.2',
    machine: 'a CPU, 2 cores, user-mode Linux guest pinned to one CPU',
    date: '2026-11-23T03:30:12.345Z',
    results,
    ...more,
  }
}
