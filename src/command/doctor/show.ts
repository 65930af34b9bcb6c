// The report for people: at most 80 columns, the worst first.
import { type Finding, type Severity, sysctlCommand } from './finding.js'
import { countText, type Report } from './report.js'

export type Paint = (style: 'bold' | 'dim' | 'red' | 'green' | 'yellow', text: string) => string

const STYLES = { error: 'red', warning: 'yellow', note: 'bold' } as const satisfies Record<
  Severity,
  string
>

/** Below the severity, and the objects below what is said of them. */
const INDENT = '         '
/** So many services or servers are named. */
const MOST_NAMED = 6

export function show(report: Report, paint: Paint, columns = 80): string {
  const width = Math.min(columns, 100)
  const parts = [
    headline(report, paint),
    ...report.findings.map((finding) => showFinding(finding, paint, width)),
    notLookedAt(report, paint, width),
    ending(report, paint),
  ]
  return `${parts.filter((part) => part !== '').join('\n\n')}\n`
}

function headline({ kernel, table }: Report, paint: Paint): string {
  const counted = (count: number, what: string) => `${count} ${what}${count === 1 ? '' : 's'}`
  const where =
    table === null
      ? 'no table of IPVS'
      : `${counted(table.services, 'service')}, ${counted(table.servers, 'server')}${table.from === 'netlink' ? '' : ` (${table.from})`}`
  const system = kernel.platform === 'linux' ? 'Linux' : kernel.platform
  return paint('dim', `${system} ${kernel.release}, ${where}`)
}

function showFinding(finding: Finding, paint: Paint, width: number): string {
  const { severity, what, about, why, commands, fix, source } = finding
  const named = about.slice(0, MOST_NAMED)
  const more = about.length - named.length
  const [first, ...rest] = wrap(what, width - INDENT.length)
  const lines = [
    `${paint(STYLES[severity], severity.padEnd(INDENT.length))}${paint('bold', first!)}`,
    ...rest.map((line) => INDENT + paint('bold', line)),
    ...named.map((name) => `${INDENT}  ${name}`),
    ...(more > 0 ? [`${INDENT}  and ${more} more`] : []),
    ...wrap(why, width - INDENT.length).map((line) => INDENT + line),
    ...(source === undefined ? [] : [INDENT + paint('dim', source)]),
    // Not broken: they are to be copied.
    ...commands.slice(0, MOST_NAMED).map((command) => `${INDENT}${paint('green', '$')} ${command}`),
    ...(commands.length > MOST_NAMED
      ? [`${INDENT}and ${commands.length - MOST_NAMED} more, with --json`]
      : []),
  ]
  if (fix !== undefined) lines[lines.length - 1] += paint('dim', '   (or --fix)')
  return lines.join('\n')
}

function notLookedAt({ notLookedAt: all }: Report, paint: Paint, width: number): string {
  if (all.length === 0) return ''
  const reasons = [...new Set(all.map(({ because }) => because))]
  const lines = reasons.flatMap((reason) => {
    const what = all.filter(({ because }) => because === reason).map((one) => one.what)
    return wrap(`${what.join(', ')}: ${reason}`, width - 4).map(
      (line, index) => (index === 0 ? '  ' : '    ') + line,
    )
  })
  return paint('dim', ['Could not be looked at:', ...lines].join('\n'))
}

function ending({ findings, fixed }: Report, paint: Paint): string {
  const done = fixed.length === 0 ? [] : [keep(fixed)]
  if (findings.length === 0) return [...done, paint('green', 'Nothing is wrong.')].join('\n\n')
  const fixes = findings.filter(({ fix }) => fix !== undefined).length
  const hint = fixes === 0 ? '' : ` "ipvs doctor --fix" mends ${fixes} of them; it asks before.`
  return [...done, `${countText(findings)}.${hint}`].join('\n\n')
}

/** `sysctl -w` lasts until the machine starts anew. */
export function keep(fixed: Report['fixed']): string {
  const lines = fixed.map(({ name, value }) => `${name} = ${value}`)
  return `${fixed.map((change) => `done: ${sysctlCommand(change)}`).join('\n')}\n\nUntil the next boot. To keep it, /etc/sysctl.d/60-ipvs.conf needs\n\n${lines.map((line) => `    ${line}`).join('\n')}\n\nand /etc/modules-load.d/ip_vs.conf the line ip_vs, or these names do not exist yet.`
}

function wrap(text: string, width: number): string[] {
  const lines: string[] = []
  for (const word of text.split(' ')) {
    const line = lines.at(-1)
    if (line !== undefined && line.length + 1 + word.length <= width)
      lines[lines.length - 1] = `${line} ${word}`
    else lines.push(word)
  }
  return lines
}
