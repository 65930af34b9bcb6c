// The tables of a result: for a terminal, and for docs/failover.md.
import type { Verdict } from './verdict.js'

/** A line for each client of a trial, for people who watch. */
export function describe({ rows, timeline }: Verdict): string[] {
  const [{ detectMs, skewMs }] = rows as [Verdict['rows'][number]]
  return [
    `found after ${detectMs ?? 'never'} ms, ${timeline.splitFlips} of ${timeline.flips} flips split, ${skewMs} ms in all`,
    ...rows.map(({ client, lostBefore, lostAfter }) => {
      const asked = timeline.asked[client]
      return `${client.padEnd(14)} lost ${lostBefore} before, ${lostAfter ?? '–'} after, of ${asked}`
    }),
  ]
}
