// Times have a unit in a file: `interval: 500ms` is `intervalMs: 500` of the library, `udpTimeout: 30s` its `udpTimeoutSeconds: 30`.

const UNITS: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
}

/** What the library's name ends in. */
export type Unit = 'Ms' | 'Seconds'

/** Which keys are times, by the library's options without their ending. */
export interface Times {
  readonly [key: string]: Unit | Times
}

/** `500ms`, `1.5s`, `2m`, `1h`, `1d` in milliseconds; `undefined` for anything else. */
export function parseDuration(text: unknown): number | undefined {
  if (typeof text !== 'string') return undefined
  const [, number, unit] = /^(\d{1,12}(?:\.\d{1,6})?)(ms|s|m|h|d)$/.exec(text) ?? []
  return unit === undefined ? undefined : Number(number) * UNITS[unit]!
}
