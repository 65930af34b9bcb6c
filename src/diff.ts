// What differs between an object as it is wanted and as the kernel shows it, however either is spelt.
import type { Destination, Persistence, SchedulerFlag, Service, Tunnel } from './types.js'
import { schedulerFlagNames } from './validate.js'

/** One property that differs. Values are as you would write them, with every default filled in. */
export interface FieldDifference {
  /** Name of the property: `weight`, `scheduler`, `persistence`... */
  readonly field: string
  /** As the kernel has it; `undefined` for none. */
  readonly was: unknown
  /** As it is wanted; `undefined` for none. */
  readonly now: unknown
}

/** The settings in which two services of one identity differ. Empty: nothing is to be changed. */
export function serviceDiff(wanted: Service, seen: Service): FieldDifference[] {
  const differences: FieldDifference[] = []
  compare(differences, 'scheduler', seen.scheduler, wanted.scheduler)
  compare(differences, 'onePacket', seen.onePacket === true, wanted.onePacket === true)
  const was = fullPersistence(seen)
  const now = fullPersistence(wanted)
  if (was?.timeoutSeconds !== now?.timeoutSeconds || was?.netmask !== now?.netmask) {
    differences.push({ field: 'persistence', was, now })
  }
  const flagsWere = seen.schedulerFlags ?? []
  const flagsNow = wanted.schedulerFlags ?? []
  // As bits: `sh-fallback` and `flag-1` are one.
  if (flagBits(flagsWere) !== flagBits(flagsNow)) {
    differences.push({ field: 'schedulerFlags', was: flagsWere, now: flagsNow })
  }
  const engineWas = seen.persistenceEngine || undefined
  compare(differences, 'persistenceEngine', engineWas, wanted.persistenceEngine || undefined)
  return differences
}

/** Whether {@link destinationDiff} has nothing to tell; of ten thousand destinations most are the same. */
export function isSameDestination(wanted: Destination, seen: Destination): boolean {
  return (
    wanted.forwarding === seen.forwarding &&
    (wanted.weight ?? 1) === (seen.weight ?? 1) &&
    (wanted.upperThreshold ?? 0) === (seen.upperThreshold ?? 0) &&
    (wanted.lowerThreshold ?? 0) === (seen.lowerThreshold ?? 0) &&
    isSameTunnel(fullTunnel(wanted), fullTunnel(seen))
  )
}

/** The fields in which two destinations of one identity differ. Empty: nothing is to be changed. */
export function destinationDiff(wanted: Destination, seen: Destination): FieldDifference[] {
  const differences: FieldDifference[] = []
  compare(differences, 'forwarding', seen.forwarding, wanted.forwarding)
  compare(differences, 'weight', seen.weight ?? 1, wanted.weight ?? 1)
  compare(differences, 'upperThreshold', seen.upperThreshold ?? 0, wanted.upperThreshold ?? 0)
  compare(differences, 'lowerThreshold', seen.lowerThreshold ?? 0, wanted.lowerThreshold ?? 0)
  const was = fullTunnel(seen)
  const now = fullTunnel(wanted)
  if (!isSameTunnel(was, now)) differences.push({ field: 'tunnel', was, now })
  return differences
}

function isSameTunnel(a: Tunnel | undefined, b: Tunnel | undefined): boolean {
  return a?.type === b?.type && a?.port === b?.port && a?.checksum === b?.checksum
}

function compare(differences: FieldDifference[], field: string, was: unknown, now: unknown): void {
  if (was !== now) differences.push({ field, was, now })
}

function fullPersistence(service: Service): Persistence | undefined {
  if (service.persistence === undefined) return undefined
  const { timeoutSeconds, netmask } = service.persistence
  return { timeoutSeconds, netmask: netmask ?? (isIPv6(service) ? 128 : '255.255.255.255') }
}

function isIPv6(service: Service): boolean {
  return service.address === undefined ? service.family === 'ipv6' : service.address.includes(':')
}

const PLAIN: Tunnel = { type: 'ipip', checksum: 'none' }

/** The kernel keeps tunnel fields with every method; they mean nothing with the others. */
function fullTunnel({ forwarding, tunnel }: Destination): Tunnel | undefined {
  if (forwarding !== 'tunnel') return undefined
  return tunnel === undefined ? PLAIN : { ...tunnel, checksum: tunnel.checksum ?? 'none' }
}

const FLAG_BITS: ReadonlyMap<string, number> = new Map(
  ['', 'sh', 'mh'].flatMap((scheduler) => [...schedulerFlagNames(scheduler)]),
)

function flagBits(flags: readonly SchedulerFlag[]): number {
  return flags.reduce((bits, flag) => bits | (FLAG_BITS.get(flag) ?? 0), 0)
}
