// The namespace's connection timeouts.
import { rangeError, typeError } from '../errors.js'
import { checkInteger, checkOptions } from '../validate.js'

/** How long the kernel keeps an idle connection, in seconds, by protocol; of the whole network namespace. */
export interface Timeouts {
  /** Established TCP. Default of the kernel 900. */
  readonly tcpSeconds: number
  /** TCP after a FIN. Default of the kernel 120. */
  readonly tcpFinSeconds: number
  /** UDP, since the last datagram. Default of the kernel 300. */
  readonly udpSeconds: number
}

// The kernel takes up to INT_MAX / HZ (ip_vs_ctl.c: ip_vs_set_timeout); HZ is 1000 at most.
const LONGEST = 2_147_483

/** Seconds by protocol; 0 for those that stay. */
export interface CheckedTimeouts {
  readonly tcp: number
  readonly tcpFin: number
  readonly udp: number
}

/** @throws TypeError, RangeError; 0 is refused: the kernel reads it as "unchanged" */
export function checkTimeouts(value: unknown): CheckedTimeouts {
  if (value === undefined) throw typeError('timeouts', 'an object with the timeouts to set', value)
  const fields = checkOptions(value, 'timeouts', ['tcpSeconds', 'tcpFinSeconds', 'udpSeconds'])
  const seconds = (name: keyof typeof fields): number =>
    fields[name] === undefined ? 0 : checkInteger(fields[name], `timeouts.${name}`, 1, LONGEST)
  const checked = {
    tcp: seconds('tcpSeconds'),
    tcpFin: seconds('tcpFinSeconds'),
    udp: seconds('udpSeconds'),
  }
  if (checked.tcp + checked.tcpFin + checked.udp > 0) return checked
  throw rangeError('timeouts', 'at least one timeout to set', value)
}
