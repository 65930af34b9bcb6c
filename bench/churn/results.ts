// What a run of the benchmarks measures, and how its numbers are written, in tables as in pictures.

export interface Result {
  readonly case: string
  readonly driver: string
  /** Samples. */
  readonly n: number
  /** This and the others in microseconds per operation. */
  readonly medianUs: number
  readonly p99Us: number
  readonly minUs: number
  readonly maxUs: number
  /** Microseconds per change, where an operation is made of changes. */
  readonly perChangeUs: number | null
  /** `medianUs` divided by that of the floor driver of the case. */
  readonly ratioToFloor: number | null
  readonly syscallsPerOp: number | null
  /** In the program itself, without the kernel's; of programs in C and C++ on the host. */
  readonly instructionsPerOp?: number
  /** More columns, of this case only; a name such as `bytesGrown` is shown as "bytes grown". */
  readonly extra?: Readonly<Record<string, number>>
}

export interface Report {
  readonly kernel: string
  readonly node: string
  readonly machine: string
  /** ISO 8601. */
  readonly date: string
  /** What has counted the instructions. */
  readonly counter?: string
  /** Of each case with a floor in C: how far apart two of its rounds are, as a part (bench/churn/noise.ts). */
  readonly noise?: Readonly<Record<string, number>>
  readonly results: readonly Result[]
}

/** Ours, the floor that nothing can be faster than, and everything else. */
export type Kind = 'ours' | 'floor' | 'other'

export function kindOf(driver: string): Kind {
  if (/^(apply|pool|snapshot|reconcile|addon|JavaScript)/.test(driver)) return 'ours'
  return driver.startsWith('c-') ? 'floor' : 'other'
}

/** What a case is called, and what one operation of it is: a flip, a change, a read, a call. */
export interface CaseText {
  readonly title: string
  readonly unit: string
}

const nothing = '–'

// Three significant digits. The limits are those of rounding: 9.996 is 10.0, not 10.00.
function digits(value: number): string {
  const size = Math.abs(value)
  return value.toFixed(size < 9.995 ? 2 : size < 99.95 ? 1 : 0)
}

type TimeUnit = 'µs' | 'ms' | 's'
const microseconds: Readonly<Record<TimeUnit, number>> = { µs: 1, ms: 1e3, s: 1e6 }

function timeUnit(us: number): TimeUnit {
  return us < 999.5 ? 'µs' : us < 999.5e3 ? 'ms' : 's'
}

/** `12.3 µs`, `1.20 ms`, `2.05 s`. */
export function formatTime(us: number | null): string {
  if (us === null || !Number.isFinite(us)) return nothing
  const unit = timeUnit(us)
  return `${digits(us / microseconds[unit])} ${unit}`
}

/** `11.0–14.2 µs`; with both units where they differ: `950 µs–1.20 ms`. */
export function formatSpread(from: number, to: number): string {
  const low = formatTime(from)
  const unit = ` ${timeUnit(to)}`
  const short = low.endsWith(unit) ? low.slice(0, -unit.length) : low
  return `${short}–${formatTime(to)}`
}

/** `1.43`, `12.0`, `1,250`. */
export function formatRatio(ratio: number | null): string {
  if (ratio === null || !Number.isFinite(ratio)) return nothing
  return ratio < 999.5 ? digits(ratio) : formatCount(ratio)
}

/** `2`, `64.5`, `10,000`; with so many decimals at most. */
export function formatCount(count: number | null, decimals = 0): string {
  if (count === null || !Number.isFinite(count)) return nothing
  return count.toLocaleString('en-US', { maximumFractionDigits: decimals })
}

/** Where the numbers come from, on one line. */
export function provenance(report: Report): string {
  return [
    `Linux ${report.kernel}`,
    `Node ${report.node}`,
    report.machine,
    ...(report.counter ? [`instructions counted by ${report.counter}`] : []),
    report.date.replace(/^(\S+)T(\d\d:\d\d)\S*$/, '$1 $2'),
  ].join(' · ')
}
