// The pool's options: defaults, and the refusal of what nothing good can come of.
import { rangeError, typeError } from '../../errors.js'
import { readServer, type ServerSpec } from '../../servers.js'
import type {
  ForwardingMethod,
  Persistence,
  SchedulerFlag,
  Service,
  ServiceSettings,
  Tunnel,
} from '../../types.js'
import {
  checkBoolean,
  checkInteger,
  checkName,
  checkOptions,
  checkService,
  METHODS,
} from '../../validate.js'
import type { DownAction, MirroredPoolOptions, PoolRole } from '../api.js'
import { carries, type FrontId, type FrontSpec, readFronts } from './fronts.js'
import { type Rules, readRules } from './rules.js'

/** What is done about what others have changed. */
export type DriftPolicy = 'repair' | 'report'

export interface NamespaceSettings {
  /** False: nothing is set. */
  readonly apply: boolean
  readonly udpTimeoutSeconds: number | undefined
}

type Fields = Readonly<Record<string, unknown>>

export type Initial = NonNullable<MirroredPoolOptions['initial']>

/** The options, read. */
export interface Settings {
  readonly name: string
  readonly fronts: readonly FrontSpec[]
  /** Port of servers without one, in their key and for checks: that of the first address front. */
  readonly port: number
  readonly forwarding: ForwardingMethod
  readonly tunnel: Tunnel | undefined
  readonly servers: readonly ServerSpec[]
  readonly backup: readonly ServerSpec[]
  readonly rules: Rules
  readonly drift: DriftPolicy
  /** 0: none. `undefined`: as often as it costs little. */
  readonly reconcileIntervalMs: number | undefined
  readonly namespace: NamespaceSettings
  readonly initial: Initial
  /** False: a service that exists keeps its one-packet setting. */
  readonly onePacketGiven: boolean
  readonly role: PoolRole
}

const INITIALS = new Map((['up', 'adopt', 'down'] as const).map((name) => [name, name]))
const DRIFT_POLICIES = new Map((['repair', 'report'] as const).map((name) => [name, name]))
const SYSCTLS = new Map((['report', 'apply'] as const).map((name) => [name, name]))
export const POOL_ROLES = new Map((['active', 'standby'] as const).map((name) => [name, name]))
const DOWN_ACTIONS = new Map((['remove', 'quiesce'] as const).map((name) => [name, name]))

/** @throws TypeError, RangeError naming the option */
export function readOptions(options: unknown): Settings {
  const fields = checkOptions(options ?? null, 'options', [
    'name',
    'address',
    'port',
    'protocols',
    'fronts',
    'scheduler',
    'forwarding',
    'servers',
    'persistence',
    'schedulerFlags',
    'onePacket',
    'tunnel',
    'initial',
    'onDown',
    'role',
    'backup',
    'quorum',
    'panic',
    'slowStart',
    'maxChangesPerMinute',
    'reconcileIntervalMs',
    'drift',
    'sysctls',
    'udpTimeoutSeconds',
  ])
  const { name, tunnel, initial, drift = 'repair', role = 'active' } = fields
  const ids = readFronts(fields)
  checkName(fields.forwarding, 'options.forwarding', METHODS)
  const forwarding = fields.forwarding as ForwardingMethod
  const down = readDownActions(fields.onDown)
  const onePacket = readOnePacket(fields.onePacket, ids, forwarding)
  const settings = serviceSettings(fields)
  return {
    name: name === undefined ? ids.map(({ key }) => key).join(', ') : readName(name),
    fronts: ids.map((id): FrontSpec => {
      const service = { ...id.id, ...settings } as Service
      checkService(service, 'options')
      const one = onePacket === undefined ? onePacketByDefault(service, forwarding) : onePacket
      return {
        ...id,
        onDown: downAction(id, down),
        service: one && carries(id, 'udp') ? { ...service, onePacket: true } : service,
      }
    }),
    port: ids.find(({ id }) => id.port !== undefined)?.id.port ?? 0,
    forwarding,
    // Its own copy: the caller's may change.
    tunnel: typeof tunnel === 'object' ? { ...(tunnel as Tunnel) } : (tunnel as undefined),
    servers: readServers(fields.servers, 'options.servers'),
    backup: readServers(fields.backup ?? [], 'options.backup'),
    rules: readRules(fields, fields.scheduler),
    drift: checkName(drift, 'options.drift', DRIFT_POLICIES),
    reconcileIntervalMs: readInterval(fields.reconcileIntervalMs),
    namespace: readNamespace(fields),
    initial: initial === undefined ? 'up' : checkName(initial, 'options.initial', INITIALS),
    onePacketGiven: onePacket !== undefined,
    role: checkName(role, 'options.role', POOL_ROLES),
  }
}

/** @throws TypeError, RangeError naming the place in the list */
export function readServers(value: unknown, option: string): ServerSpec[] {
  if (!Array.isArray(value)) {
    throw typeError(option, "an array such as ['10.1.0.1', '10.1.0.2']", value)
  }
  // By index: a hole must not pass.
  return Array.from(value, (server, index) => readServer(server, `${option}[${index}]`))
}

function readInterval(value: unknown): number | undefined {
  if (value === undefined) return undefined
  const interval = checkInteger(value, 'options.reconcileIntervalMs', 0, 0x7fffffff)
  if (interval !== 0 && interval < 100) {
    throw rangeError('options.reconcileIntervalMs', '0 for never, or at least 100', value)
  }
  return interval
}

function readNamespace({ sysctls = 'report', udpTimeoutSeconds }: Fields): NamespaceSettings {
  const apply = checkName(sysctls, 'options.sysctls', SYSCTLS) === 'apply'
  if (udpTimeoutSeconds === undefined) return { apply, udpTimeoutSeconds }
  if (!apply) {
    const rule = "left out without sysctls: 'apply': it is a setting of the whole network namespace"
    throw typeError('options.udpTimeoutSeconds', rule, udpTimeoutSeconds)
  }
  const seconds = checkInteger(udpTimeoutSeconds, 'options.udpTimeoutSeconds', 1, 2_147_483)
  return { apply, udpTimeoutSeconds: seconds }
}

function readName(name: unknown): string {
  if (typeof name !== 'string') throw typeError('options.name', 'a string', name)
  if (name === '') throw rangeError('options.name', 'some name, or left out', name)
  return name
}

/** Unchecked, but for what decides about a default; without what is absent. */
function serviceSettings(fields: Fields): ServiceSettings {
  const { scheduler, persistence, schedulerFlags } = fields
  const flags = schedulerFlags ?? fallbackFlags(scheduler)
  return {
    scheduler: scheduler as string,
    ...(persistence === undefined ? {} : { persistence: own(persistence) as Persistence }),
    ...(flags === undefined ? {} : { schedulerFlags: own(flags) as SchedulerFlag[] }),
  }
}

/** The caller's object may change later. */
function own(value: unknown): unknown {
  if (Array.isArray(value)) return [...value]
  return Object.prototype.toString.call(value) === '[object Object]'
    ? { ...(value as object) }
    : value
}

/** Without it, clients that are hashed to a server with weight 0 are refused (ip_vs_sh.c, ip_vs_mh.c). */
function fallbackFlags(scheduler: unknown): SchedulerFlag[] | undefined {
  if (scheduler === 'sh') return ['sh-fallback']
  return scheduler === 'mh' ? ['mh-fallback'] : undefined
}

function readOnePacket(
  value: unknown,
  fronts: readonly FrontId[],
  forwarding: ForwardingMethod,
): boolean | undefined {
  if (value === undefined) return undefined
  const onePacket = checkBoolean(value, 'options.onePacket')
  if (onePacket && forwarding === 'masquerade') {
    const rule =
      'false or left out with forwarding "masquerade": the kernel does not translate the replies of one-packet services, so clients would get none'
    throw rangeError('options.onePacket', rule, value)
  }
  if (onePacket && !fronts.some((front) => carries(front, 'udp'))) {
    const rule = 'false or left out: no front carries UDP'
    throw rangeError('options.onePacket', rule, value)
  }
  return onePacket
}

/** DNS over UDP is one packet each way; here nothing else stands in the way of treating it so. */
function onePacketByDefault(service: Service, forwarding: ForwardingMethod): boolean {
  return (
    service.protocol === 'udp' &&
    service.port === 53 &&
    (forwarding === 'direct' || forwarding === 'tunnel') &&
    ['rr', 'wrr', 'mh', 'sh'].includes(service.scheduler) &&
    service.persistence === undefined
  )
}

interface DownActions {
  readonly tcp: DownAction
  readonly udp: DownAction
  readonly sctp: DownAction
}

function readDownActions(value: unknown): DownActions {
  if (value === undefined || typeof value === 'string') {
    const action = value === undefined ? 'remove' : checkName(value, 'options.onDown', DOWN_ACTIONS)
    return { tcp: action, udp: action, sctp: action }
  }
  const { tcp, udp } = checkOptions(value, 'options.onDown', ['tcp', 'udp'])
  return {
    tcp: tcp === undefined ? 'remove' : checkName(tcp, 'options.onDown.tcp', DOWN_ACTIONS),
    udp: udp === undefined ? 'remove' : checkName(udp, 'options.onDown.udp', DOWN_ACTIONS),
    sctp: 'remove',
  }
}

function downAction({ id }: FrontId, { tcp, udp, sctp }: DownActions): DownAction {
  if (id.fwmark === undefined) return { tcp, udp, sctp }[id.protocol]
  return tcp === 'quiesce' && udp === 'quiesce' ? 'quiesce' : 'remove'
}
