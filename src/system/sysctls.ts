// The settings in /proc/sys/net/ipv4/vs: which there are and what they take.
import { rangeError, typeError } from '../errors.js'
import { didYouMean } from '../validate/spelling.js'

const BOOL = [0, 1] as const
const INT = [0, 2_147_483_647] as const
/** Seconds that the kernel keeps as jiffies in an int; HZ is 1000 at most (proc_dointvec_jiffies). */
const SECONDS = [0, 2_147_483] as const

/** Ranges by name, both ends included. Kernel 6.1 to 7.2 (ip_vs_ctl.c: vs_vars). */
const NUMBERS = {
  am_droprate: INT,
  amemthresh: INT,
  backup_only: BOOL,
  cache_bypass: BOOL,
  conn_lfactor: [-8, 8],
  conn_max: INT,
  conn_reuse_mode: [0, 3],
  conntrack: BOOL,
  debug_level: INT,
  drop_entry: [0, 3],
  drop_packet: [0, 3],
  est_nice: [-20, 19],
  expire_nodest_conn: BOOL,
  expire_quiescent_template: BOOL,
  ignore_tunneled: BOOL,
  // These two come with the schedulers' modules.
  lblc_expiration: SECONDS,
  lblcr_expiration: SECONDS,
  nat_icmp_send: BOOL,
  pmtu_disc: BOOL,
  run_estimation: BOOL,
  schedule_icmp: BOOL,
  secure_tcp: [0, 3],
  sloppy_sctp: BOOL,
  sloppy_tcp: BOOL,
  snat_reroute: BOOL,
  svc_lfactor: [-8, 8],
  sync_persist_mode: BOOL,
  sync_ports: [1, 64],
  // An unsigned long to the kernel, as far as a number is exact.
  sync_qlen_max: [0, Number.MAX_SAFE_INTEGER],
  sync_refresh_period: INT,
  sync_retries: [0, 3],
  sync_sock_size: INT,
  sync_version: BOOL,
} as const satisfies Record<string, readonly [number, number]>

/** Those that are not one number. */
const TEXTS = {
  est_cpulist: /^[0-9,-]*$/,
  sync_threshold: /^\d+[ \t]\d+$/,
} as const satisfies Record<string, RegExp>

type NumberSetting = keyof typeof NUMBERS
type TextSetting = keyof typeof TEXTS

/**
 * IPVS settings by their name in /proc/sys/net/ipv4/vs; which there are depends on the kernel. Two are text:
 * `sync_threshold` (`'3\t50'`) and `est_cpulist`; so is one that this library does not know.
 */
export type Sysctls = {
  readonly [N in NumberSetting]?: number
} & { readonly [N in TextSetting]?: string }

/** The name of an IPVS setting. */
export type SysctlName = keyof Sysctls

/** Takes the kernel's text as values. */
export function readSysctls(texts: Readonly<Record<string, string>>): Sysctls {
  return Object.fromEntries(
    Object.entries(texts).map(([name, text]) => [
      name,
      Object.hasOwn(NUMBERS, name) && /^-?\d+$/.test(text) ? Number(text) : text,
    ]),
  )
}

export const SYSCTL_NAMES = [...Object.keys(NUMBERS), ...Object.keys(TEXTS)] as SysctlName[]

/** Checks a setting and returns it as the kernel reads it. @throws TypeError, RangeError */
export function checkSysctl(name: unknown, value: unknown, option = 'value'): string {
  if (typeof name !== 'string') throw typeError('name', 'the name of an IPVS setting', name)
  if (!SYSCTL_NAMES.includes(name as SysctlName)) {
    throw rangeError('name', `the name of an IPVS setting${didYouMean(name, SYSCTL_NAMES)}`, name)
  }
  if (Object.hasOwn(TEXTS, name)) {
    if (typeof value !== 'string') throw typeError(option, `text for ${name}`, value)
    if (!TEXTS[name as TextSetting].test(value) || value.length > 200)
      throw rangeError(option, `text as ${name} shows it`, value)
    return value
  }
  const [min, max] = NUMBERS[name as NumberSetting]
  const number = typeof value === 'string' && /^-?\d+$/.test(value) ? Number(value) : value
  if (typeof number !== 'number') throw typeError(option, `a number from ${min} to ${max}`, value)
  if (!Number.isInteger(number) || number < min || number > max) {
    throw rangeError(option, `an integer from ${min} to ${max} for ${name}`, value)
  }
  return String(number)
}
