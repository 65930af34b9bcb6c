// What a service and a destination consist of beside their identity: one entry for each setting, said here and nowhere
// else. Comparing, copying, records, patches and the errors of rules follow from the entries. What has a form of its own for
// a setting (checking it, showing it, its words in a rule) is typed by them, and does not compile where one is forgotten.
import type { Layout } from './kernel/addon.js'
import type { OptionName } from './rules/option-table.js'
import type {
  Destination,
  DestinationId,
  Persistence,
  Service,
  ServiceSettings,
  Tunnel,
} from './types.js'
import { schedulerFlagBits } from './validate/scheduler-flags.js'

export type DestinationSetting = Exclude<keyof Destination, keyof DestinationId>
export type ServiceSetting = keyof ServiceSettings

/** How wide a number is in a record, and where the addon's table of offsets has it. */
export type Column = readonly [width: 'u16' | 'u32' | 'name', place: keyof Layout]

export interface Field<Owner> {
  /** What it is in the kernel: one column of the record, or several. */
  readonly record: Readonly<Record<string, Column>>
  /** The option of a rule that sets it, or each part of it; none where every value has an option of its own. */
  readonly rule?: OptionName | Readonly<Record<string, OptionName>>
  /** Its value with its default filled in; `undefined` for none. */
  readonly full: (owner: Owner) => unknown
  /** Where values that are written differently can be the same. */
  readonly isSame?: (a: never, b: never) => boolean
}

/** Weights and thresholds are ints to the kernel (ip_vs_ctl.c: ip_vs_genl_parse_dest). */
export const MOST_COUNT = 0x7fffffff
/** What they are where they are left out. */
export const COUNTS = { weight: 1, upperThreshold: 0, lowerThreshold: 0 } as const

export const DESTINATION_FIELDS = {
  forwarding: {
    record: { method: ['u32', 'destinationMethod'] },
    full: ({ forwarding }) => forwarding,
  },
  weight: {
    record: { weight: ['u32', 'destinationWeight'] },
    rule: '-w',
    full: ({ weight }) => weight ?? COUNTS.weight,
  },
  upperThreshold: {
    record: { upperThreshold: ['u32', 'destinationUpper'] },
    rule: '-x',
    full: ({ upperThreshold }) => upperThreshold ?? COUNTS.upperThreshold,
  },
  lowerThreshold: {
    record: { lowerThreshold: ['u32', 'destinationLower'] },
    rule: '-y',
    full: ({ lowerThreshold }) => lowerThreshold ?? COUNTS.lowerThreshold,
  },
  tunnel: {
    record: {
      tunnelType: ['u16', 'destinationTunnelType'],
      tunnelPort: ['u16', 'destinationTunnelPort'],
      tunnelFlags: ['u16', 'destinationTunnelFlags'],
    },
    rule: { type: '--tun-type', port: '--tun-port' },
    full: fullTunnel,
  },
} as const satisfies Readonly<Record<DestinationSetting, Field<Destination>>>

export const SERVICE_FIELDS = {
  scheduler: {
    record: { scheduler: ['name', 'serviceScheduler'] },
    rule: '-s',
    full: ({ scheduler }) => scheduler,
  },
  onePacket: {
    record: { flags: ['u32', 'serviceFlags'] },
    rule: '-o',
    full: ({ onePacket }) => onePacket === true,
  },
  persistence: {
    record: {
      flags: ['u32', 'serviceFlags'],
      timeoutSeconds: ['u32', 'serviceTimeout'],
      netmask: ['u32', 'serviceNetmask'],
    },
    rule: { timeoutSeconds: '-p', netmask: '-M' },
    full: fullPersistence,
  },
  schedulerFlags: {
    record: { flags: ['u32', 'serviceFlags'] },
    rule: '-b',
    full: ({ schedulerFlags }) => schedulerFlags ?? [],
    // As bits: `sh-fallback` and `flag-1` are one.
    isSame: (a: readonly string[], b: readonly string[]) =>
      schedulerFlagBits(a) === schedulerFlagBits(b),
  },
  persistenceEngine: {
    record: { engine: ['name', 'serviceEngine'] },
    rule: '--pe',
    full: ({ persistenceEngine }) => persistenceEngine || undefined,
  },
} as const satisfies Readonly<Record<ServiceSetting, Field<Service>>>

export const DESTINATION_SETTINGS = Object.keys(DESTINATION_FIELDS) as DestinationSetting[]
export const SERVICE_SETTINGS = Object.keys(SERVICE_FIELDS) as ServiceSetting[]

type Columns<Fields extends Readonly<Record<string, Field<never>>>> = {
  readonly [K in keyof Fields]: Fields[K]['record']
}[keyof Fields]
type KeysOf<Union> = Union extends unknown ? keyof Union : never
type Value<Union, Name> = Union extends { readonly [K in Name & string]: infer C }
  ? C extends readonly ['name', unknown]
    ? string
    : number
  : never

/** The settings as the kernel has them: what validation makes of them, and what records carry. */
export type DestinationRecord = {
  readonly [Name in KeysOf<Columns<typeof DESTINATION_FIELDS>>]: Value<
    Columns<typeof DESTINATION_FIELDS>,
    Name
  >
}
export type ServiceRecord = {
  readonly [Name in KeysOf<Columns<typeof SERVICE_FIELDS>>]: Value<
    Columns<typeof SERVICE_FIELDS>,
    Name
  >
}

/** Every setting, given or not: for literals that may forget none. */
export type Every<Settings> = { readonly [K in keyof Settings]-?: Settings[K] | undefined }

/** The fields among `names` that are given: a copy, whatever becomes of what it was made from. */
export function pick<T>(from: T, names: readonly (keyof T)[]): T {
  const picked: Partial<T> = {}
  for (const name of names) {
    const value = from[name]
    if (value !== undefined) picked[name] = typeof value === 'object' ? copyOf(value) : value
  }
  return picked as T
}

/** Of a list of names, or of a flat object. */
function copyOf<V>(value: V): V {
  return (Array.isArray(value) ? [...value] : { ...value }) as V
}

/** An identity and every setting of a destination, without what only the kernel knows of it. */
export function pickDestination(from: Destination): Destination {
  return pick(from, DESTINATION_NAMES)
}

const DESTINATION_NAMES: readonly (keyof Destination)[] = [
  'address',
  'port',
  ...DESTINATION_SETTINGS,
]

const PLAIN: Tunnel = { type: 'ipip', checksum: 'none' }

/** The kernel keeps tunnel fields with every method; they mean nothing with the others. */
function fullTunnel({ forwarding, tunnel }: Destination): Tunnel | undefined {
  if (forwarding !== 'tunnel') return undefined
  return tunnel === undefined ? PLAIN : { ...tunnel, checksum: tunnel.checksum ?? 'none' }
}

function fullPersistence(service: Service): Persistence | undefined {
  if (service.persistence === undefined) return undefined
  const { timeoutSeconds, netmask } = service.persistence
  return { timeoutSeconds, netmask: netmask ?? (isIPv6(service) ? 128 : '255.255.255.255') }
}

function isIPv6(service: Service): boolean {
  return service.address === undefined ? service.family === 'ipv6' : service.address.includes(':')
}
