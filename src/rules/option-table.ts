// The options of a rule.

/** An option by the one name that this program uses for it: the short one where there is one. */
export type OptionName = keyof typeof OPTIONS

export interface Option {
  readonly long: string
  readonly value: 'none' | 'required' | 'optional'
  /** The commands that have it. */
  readonly of: readonly Command[]
  /** Of several options with one of these only one may be given. */
  readonly choice?: string
}

/** What a rule adds: a service or a server. */
export type Command = '-A' | '-a'

const BOTH: readonly Command[] = ['-A', '-a']
const SERVICE: readonly Command[] = ['-A']
const SERVER: readonly Command[] = ['-a']

// ipvsadm.c: options_table and commands_v_options.
export const OPTIONS = {
  '-A': { long: '--add-service', value: 'none', of: SERVICE, choice: 'command' },
  '-a': { long: '--add-server', value: 'none', of: SERVER, choice: 'command' },
  '-t': { long: '--tcp-service', value: 'required', of: BOTH, choice: 'service' },
  '-u': { long: '--udp-service', value: 'required', of: BOTH, choice: 'service' },
  '--sctp-service': { long: '--sctp-service', value: 'required', of: BOTH, choice: 'service' },
  '-f': { long: '--fwmark-service', value: 'required', of: BOTH, choice: 'service' },
  '-6': { long: '--ipv6', value: 'none', of: BOTH },
  '-s': { long: '--scheduler', value: 'required', of: SERVICE },
  '-p': { long: '--persistent', value: 'optional', of: SERVICE },
  '-M': { long: '--netmask', value: 'required', of: SERVICE },
  '--pe': { long: '--pe', value: 'required', of: SERVICE },
  '-o': { long: '--ops', value: 'none', of: SERVICE },
  '-b': { long: '--sched-flags', value: 'required', of: SERVICE },
  '-r': { long: '--real-server', value: 'required', of: SERVER },
  '-g': { long: '--gatewaying', value: 'none', of: SERVER, choice: 'forwarding' },
  '-i': { long: '--ipip', value: 'none', of: SERVER, choice: 'forwarding' },
  '-m': { long: '--masquerading', value: 'none', of: SERVER, choice: 'forwarding' },
  '-w': { long: '--weight', value: 'required', of: SERVER },
  '-x': { long: '--u-threshold', value: 'required', of: SERVER },
  '-y': { long: '--l-threshold', value: 'required', of: SERVER },
  '--tun-type': { long: '--tun-type', value: 'required', of: SERVER },
  '--tun-port': { long: '--tun-port', value: 'required', of: SERVER },
  '--tun-nocsum': { long: '--tun-nocsum', value: 'none', of: SERVER, choice: 'checksum' },
  '--tun-csum': { long: '--tun-csum', value: 'none', of: SERVER, choice: 'checksum' },
  '--tun-remcsum': { long: '--tun-remcsum', value: 'none', of: SERVER, choice: 'checksum' },
  // Ours, for what ipvsadm has no word for: it refuses such a line.
  '--local': { long: '--local', value: 'none', of: SERVER },
  '--method': { long: '--method', value: 'required', of: SERVER, choice: 'forwarding' },
  '--tun-flags': { long: '--tun-flags', value: 'required', of: SERVER, choice: 'checksum' },
} as const satisfies Record<string, Option>

/** The options by both their spellings. */
export const BY_SPELLING: ReadonlyMap<string, OptionName> = new Map(
  (Object.keys(OPTIONS) as OptionName[]).flatMap((name) => [
    [name, name],
    [OPTIONS[name].long, name],
  ]),
)

/** Options that name a service. */
export const SERVICE_OPTIONS = ['-t', '-u', '--sctp-service', '-f'] as const
