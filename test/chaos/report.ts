// The findings for whoever reads them at three in the morning.

import { busySentence } from '../../lab/command.js'
import type { DriverEntry } from './logs.js'
import { type Findings, LIMIT_MS, seconds } from './verdict.js'

type Begin = DriverEntry & { event: 'begin' }

/** One that comes again and again, such as a controller that does not start, is not to hide the rest. */
const MOST_TROUBLES = 5

export function formatReport(findings: Findings, begin: Begin | undefined, folder: string): string {
  const { verdict, divergence, missing, lost } = findings
  const {
    outcome,
    missing: stolen,
    minutes,
    actions,
    kills,
    divergences,
    missingHealthyMs,
    lostAfterFlip,
  } = verdict
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
    `chaos: ${{ held: 'all held', failed: 'it did NOT hold', busy: 'nobody can tell' }[outcome]} (${how})`,
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
    `  the witness looked every 20 ms, ${Math.round(findings.longestGapMs)} ms apart at most; ${Math.round(100 * stolen)} % of the time was not given to the guest, and is not counted`,
    ...(outcome === 'busy' ? [busySentence(stolen)] : []),
    `Raw logs: ${folder}`,
  ].join('\n')
}
