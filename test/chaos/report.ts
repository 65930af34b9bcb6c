// The findings for whoever reads them at three in the morning.
import type { DriverEntry } from './logs.js'
import { type Findings, LIMIT_MS, seconds } from './verdict.js'

type Begin = DriverEntry & { event: 'begin' }

/** One that comes again and again, such as a controller that does not start, is not to hide the rest. */
const MOST_TROUBLES = 5

export function formatReport(findings: Findings, begin: Begin | undefined, folder: string): string {
  const { verdict, divergence, missing, lost } = findings
  const { ok, minutes, actions, kills, divergences, missingHealthyMs, lostAfterFlip } = verdict
  const when = (at: number) => seconds(at, begin)
  const rows = [
    ['', 'found', 'allowed', ''],
    ['actions', actions, '', `${findings.wishes} changes, ${findings.meddled} by the meddler`],
    ['kills', kills, findings.killsWanted, 'SIGKILL'],
    ['divergences', divergences, 0, `after ${findings.quiets} quiet times`],
    [
      'missingHealthyMs',
      missingHealthyMs,
      LIMIT_MS,
      missing === undefined
        ? ''
        : `longest: ${missing.what}, from ${when(missing.from)} to ${when(missing.to)}`,
    ],
    [
      'lostAfterFlip',
      lostAfterFlip ?? 'unknown',
      0,
      `of ${findings.telling} queries sent after a flip; ${findings.delivered} of ${findings.queries} delivered in all`,
    ],
  ]
  const text = rows.map(([name, found, allowed, note]) =>
    `  ${String(name).padEnd(18)}${String(found).padStart(8)}${String(allowed).padStart(9)}   ${note}`.trimEnd(),
  )
  const how = `${minutes} min, seed ${begin?.seed ?? 'unknown'}, Linux ${begin?.kernel ?? 'unknown'}`
  const troubles = findings.troubles.slice(0, MOST_TROUBLES).map((it) => `  FAILED ${it}`)
  const more = findings.troubles.length - MOST_TROUBLES
  if (more > 0) troubles.push(`  FAILED ${more} times more: driver.jsonl, "trouble"`)
  return [
    `chaos: ${ok ? 'all held' : 'it did NOT hold'} (${how})`,
    ...text,
    ...troubles,
    ...(divergence === undefined
      ? []
      : [
          `The first divergence, at ${when(divergence.at)}:`,
          ...divergence.lines.map((line) => `  ${line}`),
        ]),
    ...(lost === undefined
      ? []
      : [`The first lost query: sent at ${when(lost.sent)}, to ${lost.server}`]),
    `  the witness looked every 20 ms, ${Math.round(findings.longestGapMs)} ms apart at most; for ${(findings.stoodMs / 1000).toFixed(1)} s in all the guest got no CPU, which is not counted`,
    `Raw logs: ${folder}`,
  ].join('\n')
}
