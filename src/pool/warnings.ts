// Settings that will hurt clients some day, explained while there is time.
import type { Sysctls } from '../system/sysctls.js'
import type { PoolPanic, PoolWarning } from './api.js'
import { carries, type FrontSpec } from './config/fronts.js'
import type { Settings } from './config/options.js'

/** Schedulers that compare connection counts, which one-packet scheduling leaves at 0. */
const COUNTING = new Set(['lc', 'wlc', 'sed', 'nq'])

/** The warnings that hold at present. */
export class Warnings {
  #settings: readonly PoolWarning[] = []
  /** About a change that was made: it cannot be told from the settings any more. */
  readonly #past: PoolWarning[] = []
  readonly #present = new Map<PoolWarning['code'], PoolWarning>()

  get all(): readonly PoolWarning[] {
    return [...this.#settings, ...this.#past, ...this.#present.values()]
  }

  /** A warning that holds from now on, or no more. True if it is news. */
  set(code: PoolWarning['code'], message: string | undefined): message is string {
    if (message === undefined) this.#present.delete(code)
    const news = message !== undefined && this.#present.get(code)?.message !== message
    if (news) this.#present.set(code, { code, message })
    return news
  }

  /** Judges the settings anew, and returns what was not there the last time. */
  judge(...about: Parameters<typeof settingsWarnings>): PoolWarning[] {
    const known = new Set(this.#settings.map(({ code }) => code))
    this.#settings = settingsWarnings(...about)
    return this.#settings.filter(({ code }) => !known.has(code))
  }

  add(warning: PoolWarning): void {
    this.#past.push(warning)
  }
}

/**
 * What there is to warn about.
 *
 * @param sysctls of the namespace; an absent one is not judged
 * @param draining some server has weight 0 by the administrator's word
 */
export function settingsWarnings(
  { fronts, forwarding }: Pick<Settings, 'fronts' | 'forwarding'>,
  sysctls: Sysctls,
  draining: boolean,
): PoolWarning[] {
  const warnings: PoolWarning[] = []
  const warn = (code: PoolWarning['code'], about: readonly FrontSpec[], message: string) => {
    if (about.length === 0) return
    warnings.push({ code, message: `${about.map(({ key }) => key).join(', ')}: ${message}` })
  }

  const udp = fronts.filter((front) => carries(front, 'udp'))
  const { expire_nodest_conn: expireNodest, expire_quiescent_template: expireTemplate } = sysctls
  warn(
    'udp-black-hole',
    expireNodest === 0 ? udp.filter(({ service }) => service.onePacket !== true) : [],
    'when a server is removed, its UDP clients lose their packets for up to 300 s; run `sysctl -w net.ipv4.vs.expire_nodest_conn=1` in this network namespace',
  )
  warn(
    'udp-conntrack',
    sysctls.conntrack === 1 && forwarding === 'masquerade' ? udp : [],
    'with masquerading and net.ipv4.vs.conntrack=1, UDP clients of a removed server lose what they send within one tick of the kernel’s clock (1 to 10 ms) of the failover; run `sysctl -w net.ipv4.vs.conntrack=0` in this network namespace unless netfilter rules need it',
  )
  warn(
    'udp-quiesce',
    udp.filter(({ service, onDown }) => onDown === 'quiesce' && service.onePacket !== true),
    "weight 0 is no failover for UDP: a client that keeps its port stays on the dead server; use onDown: { udp: 'remove' }",
  )
  warn(
    'persistent-quiesce',
    expireTemplate === 0
      ? fronts.filter(
          ({ service, onDown }) =>
            service.persistence !== undefined && (draining || onDown === 'quiesce'),
        )
      : [],
    'persistence keeps sending new connections to a server with weight 0; run `sysctl -w net.ipv4.vs.expire_quiescent_template=1` in this network namespace',
  )
  warn(
    'one-packet-scheduler',
    udp.filter(({ service }) => service.onePacket === true && COUNTING.has(service.scheduler)),
    'with one-packet scheduling this scheduler sends everything to one server, because connections count as 0; use rr, wrr, mh or sh',
  )
  warn(
    'hash-refuses',
    fronts.filter(({ service: { scheduler, schedulerFlags = [] } }) => {
      if (scheduler !== 'sh' && scheduler !== 'mh') return false
      return !schedulerFlags.some((flag) => flag.endsWith('-fallback'))
    }),
    'clients of a server with weight 0 (a drain, say) are refused, not moved; add sh-fallback or mh-fallback to schedulerFlags, or leave schedulerFlags out',
  )
  return warnings
}

export function panicText({ minHealthyPercent }: PoolPanic): string {
  return `fewer than ${minHealthyPercent} % of the servers are healthy: the checks are not believed, and servers that fail them serve; are the checks right, or is it this machine's own network?`
}

export function contestedText(keys: readonly string[]): string | undefined {
  if (keys.length === 0) return undefined
  return `${keys.join(', ')}: another program keeps changing what this pool owns, always to the same; the pool repairs it less and less often. Let one of the two own the service`
}
