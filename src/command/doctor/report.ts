// What the doctor has found, as one value: `--json` prints it (schema/doctor.schema.json), people get it as text.
import { type Facts, known } from './facts.js'
import { type Finding, type SysctlChange, severities } from './finding.js'
import { judge } from './rules/index.js'

export interface Report {
  readonly kernel: Facts['kernel']
  /** Where the table was read; `null`: nowhere. */
  readonly table: {
    readonly from: string
    readonly services: number
    readonly servers: number
  } | null
  /** The worst first. */
  readonly findings: readonly Finding[]
  /** What nobody has looked at, and why not. */
  readonly notLookedAt: readonly { readonly what: string; readonly because: string }[]
  /** By --fix. */
  readonly fixed: readonly SysctlChange[]
}

export function report(facts: Facts, fixed: readonly SysctlChange[] = []): Report {
  const table = known(facts.table)
  const notLookedAt: { what: string; because: string }[] = Object.entries(LOOKED_AT).flatMap(
    ([name, what]) => {
      const fact = facts[name as keyof typeof LOOKED_AT]
      return fact !== undefined && 'because' in fact ? [{ what, because: fact.because }] : []
    },
  )
  for (const lacks of table?.lacks ?? [])
    notLookedAt.push({ what: lacks, because: `${table!.from} does not have it` })
  return {
    kernel: facts.kernel,
    table: table
      ? {
          from: table.from,
          services: table.services.length,
          servers: table.services.reduce((sum, { destinations }) => sum + destinations.length, 0),
        }
      : null,
    findings: judge(facts),
    notLookedAt,
    fixed,
  }
}

/** What people call the facts. */
const LOOKED_AT = {
  table: 'services and servers',
  schedulers: 'schedulers of the file',
  settings: 'settings of the kernel',
  timeouts: 'timeouts',
  syncRoles: 'sync daemons',
  hash: 'size of the connection table',
  idleTcp: 'idle TCP connections',
  devices: 'network devices',
  addresses: 'addresses of this machine',
  routes: 'routes',
  filtered: 'packets that were filtered',
  processes: 'processes',
  sets: 'sets of the firewall',
  chains: 'chains of the firewall',
  probes: 'the virtual address on the servers',
} as const satisfies Partial<Record<keyof Facts, string>>

/** How many of each severity: `2 errors, 1 note`. */
export function countText(findings: readonly Finding[]): string {
  const counts = severities.flatMap((severity) => {
    const count = findings.filter((one) => one.severity === severity).length
    return count === 0 ? [] : [`${count} ${severity}${count === 1 ? '' : 's'}`]
  })
  return counts.join(', ')
}
