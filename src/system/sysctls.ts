// The settings in /proc/sys/net/ipv4/vs: which there are and what they take.
import { rangeError, typeError } from '../errors.js'
import { didYouMean } from '../validate/spelling.js'

const BOOL = [0, 1] as const
const INT = [0, 2_147_483_647] as const

/**
 * Ranges by name, both ends included; `text` for those that are not one number. Kernel 6.1 to 7.2
 * (ip_vs_ctl.c: vs_vars); which of them there are depends on the kernel.
 */
const SETTINGS: ReadonlyMap<string, readonly [number, number] | RegExp> = new Map<
  string,
  readonly [number, number] | RegExp
>([
  ['am_droprate', INT],
  ['amemthresh', INT],
  ['backup_only', BOOL],
  ['cache_bypass', BOOL],
  ['conn_lfactor', [-8, 8]],
  ['conn_max', INT],
  ['conn_reuse_mode', [0, 3]],
  ['conntrack', BOOL],
  ['debug_level', INT],
  ['drop_entry', [0, 3]],
  ['drop_packet', [0, 3]],
  ['est_cpulist', /^[0-9,-]*$/],
  ['est_nice', [-20, 19]],
  ['expire_nodest_conn', BOOL],
  ['expire_quiescent_template', BOOL],
  ['ignore_tunneled', BOOL],
  ['nat_icmp_send', BOOL],
  ['pmtu_disc', BOOL],
  ['run_estimation', BOOL],
  ['schedule_icmp', BOOL],
  ['secure_tcp', [0, 3]],
  ['sloppy_sctp', BOOL],
  ['sloppy_tcp', BOOL],
  ['snat_reroute', BOOL],
  ['svc_lfactor', [-8, 8]],
  ['sync_persist_mode', BOOL],
  ['sync_ports', [1, 64]],
  ['sync_qlen_max', INT],
  ['sync_refresh_period', INT],
  ['sync_retries', [0, 3]],
  ['sync_sock_size', INT],
  ['sync_threshold', /^\d+[ \t]\d+$/],
  ['sync_version', BOOL],
])

/** Checks a setting and returns it as the kernel reads it. @throws TypeError, RangeError */
export function checkSysctl(name: unknown, value: unknown): string {
  const names = [...SETTINGS.keys()]
  if (typeof name !== 'string') throw typeError('name', 'the name of an IPVS setting', name)
  const rule = SETTINGS.get(name)
  if (rule === undefined) {
    throw rangeError('name', `the name of an IPVS setting${didYouMean(name, names)}`, name)
  }
  if (rule instanceof RegExp) {
    if (typeof value !== 'string') throw typeError('value', `text for ${name}`, value)
    if (!rule.test(value) || value.length > 200)
      throw rangeError('value', `text as ${name} shows it`, value)
    return value
  }
  const [min, max] = rule
  const number = typeof value === 'string' && /^-?\d+$/.test(value) ? Number(value) : value
  if (typeof number !== 'number') throw typeError('value', `a number from ${min} to ${max}`, value)
  if (!Number.isInteger(number) || number < min || number > max) {
    throw rangeError('value', `an integer from ${min} to ${max} for ${name}`, value)
  }
  return String(number)
}
