// What the doctor says.

/** `error`: packets are lost or refused now. `warning`: they will be, some day. `note`: to be known. */
export type Severity = 'error' | 'warning' | 'note'

export const severities: readonly Severity[] = ['error', 'warning', 'note']

/** A setting of the kernel that mends a finding. */
export interface SysctlChange {
  /** As `sysctl` spells it: a dot in the name of a device is a slash. */
  readonly name: string
  readonly value: number
}

export interface Finding {
  /** Of the rule. It stays the same over versions, for programs that look for one. */
  readonly rule: string
  readonly severity: Severity
  /** What is the case. */
  readonly what: string
  /** The services, servers or devices it is about. Empty: the whole namespace. */
  readonly about: readonly string[]
  /** What comes of it. */
  readonly why: string
  /** What mends it, in order. Words in CAPITALS are to be filled in. */
  readonly commands: readonly string[]
  /** The same, where it is a setting that `--fix` may make. */
  readonly fix?: readonly SysctlChange[]
  /** Where the claim comes from. */
  readonly source?: string
}

/** The commands of settings, and that `--fix` may make them. */
export function bySysctl(...fix: readonly SysctlChange[]): Pick<Finding, 'commands' | 'fix'> {
  return { commands: fix.map(sysctlCommand), fix }
}

export function sysctlCommand({ name, value }: SysctlChange): string {
  return `sysctl -w ${name}=${value}`
}
