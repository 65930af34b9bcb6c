// A table as it was seen, by whatever way: what a way does not show is absent.
import { destinationKey } from '../../identity.js'
import type { ListedService } from '../../rules/listed.js'
import type { DestinationId, ServiceId } from '../../types.js'
import { CommandError, usageError } from '../errors.js'

/** The source of a table that was read over netlink, as a whole. */
export const KERNEL = 'kernel'

export interface SeenTable {
  /** {@link KERNEL}, or the file. */
  readonly source: string
  readonly services: readonly ListedService[]
  /** What this source says nothing about, for people. */
  readonly lacks: readonly string[]
}

/** As the library's keys, of anything that was seen, also what validation would refuse. */
export function serviceName(service: ServiceId): string {
  if (service.fwmark !== undefined) {
    return `fwmark ${service.fwmark}${service.family === undefined ? '' : ` ${service.family}`}`
  }
  return `${service.protocol} ${endpoint(service)}`
}

export function endpoint({ address, port }: DestinationId): string {
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`
}

/** @param count of the services that there are */
export function noSuchService(word: string, count: number): CommandError {
  return new CommandError(
    `there is no service ${word}; "ipvs list" shows the ${count} that there are.`,
  )
}

const FORMS = '192.0.2.53, 192.0.2.53:53, udp/192.0.2.53:53, [2001:db8::53]:53, fwmark/7'

/**
 * Who is meant by a word such as `192.0.2.53`, `udp/192.0.2.53:53` or `fwmark/7`.
 *
 * @throws CommandError
 */
export function selector(word: string): (service: ServiceId) => boolean {
  const [, mark, markFamily] = /^fwmark[/ ](\d+)(?:[/ ](ipv[46]))?$/.exec(word) ?? []
  if (mark !== undefined) {
    return ({ fwmark, family }) =>
      fwmark === Number(mark) && (markFamily === undefined || family === markFamily)
  }
  const [, protocol, place = ''] = /^(?:(tcp|udp|sctp)[/ ])?(.*)$/.exec(word) ?? []
  const [, v6, v4, port] = /^(?:\[([^\]]+)\]|([\d.]+))(?::(\d+))?$/.exec(place) ?? []
  const address = canonical(v6 ?? v4 ?? place)
  if (address === undefined || Number(port) > 65535) {
    throw usageError(`"${word}" is no service. Write it as one of these: ${FORMS}.`)
  }
  return (service) =>
    service.address === address &&
    (protocol === undefined || service.protocol === protocol) &&
    (port === undefined || service.port === Number(port))
}

/** As the kernel shows it. */
function canonical(address: string): string | undefined {
  try {
    const key = destinationKey({ address, port: 0 })
    return key.replace(/^\[?([^\]]*?)\]?:0$/, '$1')
  } catch {
    return undefined
  }
}
