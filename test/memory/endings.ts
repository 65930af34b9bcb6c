// How a check may end: the columns of the table.

export const endings = [
  'healthy',
  'refused',
  'wrong',
  'silent',
  'half',
  'half, closed',
  'endless',
  'aborted',
] as const

export type Ending = (typeof endings)[number]

/** After so many milliseconds a check is aborted; `undefined`: it ends by itself. */
export const abortAfterMs: Readonly<Record<Ending, number | undefined>> = {
  healthy: undefined,
  refused: undefined,
  wrong: 1000,
  silent: 20,
  half: 20,
  'half, closed': 1000,
  endless: 200,
  // Anywhere: at once, or after some turns of the event loop.
  aborted: 0,
}
