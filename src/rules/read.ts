// From the options of a rule to a service or a destination: not yet checked, but with every default filled in.
import { isIPv6 } from 'node:net'
import { rangeError } from '../errors.js'
import {
  COUNTS,
  DESTINATION_FIELDS,
  type Every,
  pick,
  pickDestination,
  SERVICE_SETTINGS,
} from '../fields.js'
import type {
  Destination,
  ForwardingMethod,
  Persistence,
  Protocol,
  SchedulerFlag,
  Service,
  ServiceId,
  ServiceSettings,
  Tunnel,
} from '../types.js'
import { schedulerFlagNames } from '../validate.js'
import { SERVICE_OPTIONS } from './option-table.js'
import { readEndpoint, readFwmark, readNumber } from './values.js'
import type { RuleOptions } from './words.js'

// ipvsadm.c: DEF_SCHED. libipvs.h: IPVS_SVC_PERSISTENT_TIMEOUT, which the manual page calls 300.
const SCHEDULER = 'wlc'
const TIMEOUT_SECONDS = 360

const PROTOCOLS: Readonly<Record<'-t' | '-u' | '--sctp-service', Protocol>> = {
  '-t': 'tcp',
  '-u': 'udp',
  '--sctp-service': 'sctp',
}

const CHECKSUMS = {
  '--tun-nocsum': 'none',
  '--tun-csum': 'standard',
  '--tun-remcsum': 'remote',
} as const

/** The option that names the service. */
function serviceOption(options: RuleOptions): (typeof SERVICE_OPTIONS)[number] {
  const name = SERVICE_OPTIONS.find((option) => options.has(option))
  if (name !== undefined) return name
  throw rangeError('a rule', 'of one service: -t, -u, --sctp-service or -f', textOf(options))
}

/** @throws RangeError */
export function readServiceId(options: RuleOptions): ServiceId {
  const option = serviceOption(options)
  const value = options.get(option)!
  if (option === '-f') {
    const family = options.has('-6') ? 'ipv6' : 'ipv4'
    return { fwmark: readFwmark(value, option), family }
  }
  if (options.has('-6')) {
    throw rangeError('-6', 'left out: it is for firewall marks (-f) only', textOf(options))
  }
  const { address, port = 0 } = readEndpoint(value, option)
  return { protocol: PROTOCOLS[option], address, port }
}

/** @throws RangeError */
export function readService(options: RuleOptions): Service {
  const id = readServiceId(options)
  const scheduler = options.get('-s') ?? SCHEDULER
  const schedulerFlags = readFlags(options.get('-b'), scheduler)
  for (const option of ['-M', '--pe'] as const) {
    if (options.has(option) && !options.has('-p')) {
      throw rangeError(option, 'left out of a service without -p', textOf(options))
    }
  }
  const settings: Every<ServiceSettings> = {
    scheduler,
    onePacket: options.has('-o'),
    persistence: options.has('-p') ? readPersistence(options, id) : undefined,
    schedulerFlags: schedulerFlags.length > 0 ? schedulerFlags : undefined,
    persistenceEngine: options.get('--pe'),
  }
  return { ...id, ...pick(settings as ServiceSettings, SERVICE_SETTINGS) }
}

/** @throws RangeError */
export function readDestination(options: RuleOptions, service: ServiceId): Destination {
  const server = options.get('-r')
  if (server === undefined) {
    throw rangeError('a server (-a)', 'given with -r and its address', textOf(options))
  }
  const { address, port = service.port ?? 0 } = readEndpoint(server, '-r')
  const forwarding = readForwarding(options)
  const tunnel = readTunnel(options, forwarding)
  const count = (name: keyof typeof COUNTS): number => {
    const { rule } = DESTINATION_FIELDS[name]
    const text = options.get(rule)
    return text === undefined ? COUNTS[name] : readNumber(text, rule)
  }
  const destination: Every<Destination> = {
    address,
    port,
    forwarding,
    weight: count('weight'),
    upperThreshold: count('upperThreshold'),
    lowerThreshold: count('lowerThreshold'),
    tunnel,
  }
  return pickDestination(destination as Destination)
}

function readPersistence(options: RuleOptions, id: ServiceId): Persistence {
  const timeout = options.get('-p')
  const ipv6 = id.fwmark === undefined ? isIPv6(id.address) : id.family === 'ipv6'
  return {
    timeoutSeconds: timeout === undefined ? TIMEOUT_SECONDS : readNumber(timeout, '-p'),
    netmask: ipv6
      ? readPrefixLength(options.get('-M') ?? '128')
      : (options.get('-M') ?? '255.255.255.255'),
  }
}

function readPrefixLength(text: string): number {
  if (/^\d+$/.test(text)) return Number(text)
  throw rangeError('-M', 'a prefix length, 1 to 128, for IPv6', text)
}

/** The flags in the order of their bits. `flag-1` and `flag-2` of `sh` and `mh` are other words for theirs. */
function readFlags(text: string | undefined, scheduler: string): SchedulerFlag[] {
  if (text === undefined) return []
  const own = [...schedulerFlagNames(scheduler).keys()] as SchedulerFlag[]
  const given = text
    .split(',')
    .filter((flag) => flag !== '')
    .map((flag) => own[['flag-1', 'flag-2', 'flag-3'].indexOf(flag)] ?? (flag as SchedulerFlag))
  const unknown = given.filter((flag) => !own.includes(flag))
  return [...own.filter((flag) => given.includes(flag)), ...unknown]
}

function readForwarding(options: RuleOptions): ForwardingMethod {
  const method = options.get('--method')
  if (options.has('--local') && !options.has('-g')) {
    throw rangeError('--local', 'given with -g, which is how ipvsadm shows it', textOf(options))
  }
  if (method !== undefined) return `method-${readNumber(method, '--method')}` as ForwardingMethod
  if (options.has('-m')) return 'masquerade'
  if (options.has('-i')) return 'tunnel'
  return options.has('--local') ? 'local' : 'direct'
}

function readTunnel(options: RuleOptions, forwarding: ForwardingMethod): Tunnel | undefined {
  if (forwarding !== 'tunnel') {
    const stray = [...options.keys()].find((option) => option.startsWith('--tun-'))
    if (stray === undefined) return undefined
    throw rangeError(stray, 'left out unless packets are tunnelled (-i)', textOf(options))
  }
  const type = (options.get('--tun-type') ?? 'ipip') as Tunnel['type']
  const port = options.get('--tun-port')
  if (type === 'gue' && port === undefined) {
    throw rangeError('--tun-port', 'given with --tun-type gue', textOf(options))
  }
  const flag = (Object.keys(CHECKSUMS) as (keyof typeof CHECKSUMS)[]).find((option) =>
    options.has(option),
  )
  if (flag !== undefined && type === 'ipip') {
    throw rangeError(flag, 'left out: --tun-type ipip has no checksum', textOf(options))
  }
  if (flag === '--tun-remcsum' && type !== 'gue') {
    throw rangeError(flag, 'left out: only --tun-type gue has it', textOf(options))
  }
  const number = options.get('--tun-flags')
  const unknown = number === undefined ? 'none' : `checksum-${readNumber(number, '--tun-flags')}`
  const checksum = flag === undefined ? (unknown as 'none') : CHECKSUMS[flag]
  return {
    type,
    ...(port !== undefined && { port: readNumber(port, '--tun-port') }),
    ...(checksum !== 'none' && { checksum }),
  }
}

/** The rule again, for the error. */
function textOf(options: RuleOptions): string {
  return [...options]
    .map(([name, value]) => (value === undefined ? name : `${name} ${value}`))
    .join(' ')
}
