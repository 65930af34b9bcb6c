// Services with their destinations to rules.
import { type AddressBytes, AF_INET, AF_INET6, formatAddress, formatNetmask } from '../address.js'
import { rangeError, typeError } from '../errors.js'
import { checkedDestinationKey, checkedServiceKey } from '../identity.js'
import type { ServiceTree, Snapshot } from '../types.js'
import {
  type CheckedDestination,
  type CheckedService,
  checkDestination,
  checkService,
  METHODS,
  PROTOCOLS,
  SERVICE_FLAGS,
  schedulerFlagNames,
  TUNNEL_TYPES,
} from '../validate.js'

// Kernel numbers to the words of ipvsadm.
const SERVICE_OPTIONS = new Map([
  [PROTOCOLS.get('tcp'), '-t'],
  [PROTOCOLS.get('udp'), '-u'],
  [PROTOCOLS.get('sctp'), '--sctp-service'],
])
const METHOD_OPTIONS = new Map([
  [METHODS.get('masquerade'), '-m'],
  [METHODS.get('tunnel'), '-i'],
  [METHODS.get('direct'), '-g'],
])
const TUNNEL_NAMES = new Map([...TUNNEL_TYPES].map(([name, number]) => [number, name]))
const CHECKSUM_OPTIONS = ['--tun-nocsum', '--tun-csum', '--tun-remcsum']

const EVERY_CLIENT = { [AF_INET]: 0xffffffff, [AF_INET6]: 128 } as const

/**
 * Writes services and their destinations as `ipvsadm-save -n` does, for `ipvsadm --restore` and {@link parseRules}:
 * one line each, in the order given. A snapshot that is not `verified` may lack some: look before you keep it.
 *
 * Where ipvsadm-save writes what cannot be restored, this differs from it: thresholds are written (`-x`, `-y`),
 * large firewall marks are not negative, and a `local` destination, for which there is no word, is refused rather
 * than saved as a directly routed one. `ipvsadm --restore` itself refuses a persistence above 31 days.
 *
 * @throws TypeError, RangeError with code `ERR_IPVS_ARGUMENT` and `option` such as
 *   `services[0].destinations[2].forwarding`
 */
export function formatRules(services: Snapshot | Iterable<ServiceTree>): string {
  const keys = new Set<string>()
  let text = ''
  let index = 0
  for (const tree of treesOf(services)) {
    const option = `services[${index++}]`
    const service = checkService(tree, option)
    once(keys, checkedServiceKey(service), option, 'services')
    text += `-A ${serviceWords(service)} -s ${service.scheduler}${settingWords(service)}\n`
    text += destinationLines(tree, option, service)
  }
  return text
}

function treesOf(services: Snapshot | Iterable<ServiceTree>): Iterable<ServiceTree> {
  const trees: unknown =
    typeof services === 'object' && services !== null && 'services' in services
      ? services.services
      : services
  if (typeof trees === 'object' && trees !== null && Symbol.iterator in trees) {
    return trees as Iterable<ServiceTree>
  }
  throw typeError('services', 'a snapshot, or an iterable of services with destinations', services)
}

function destinationLines(tree: ServiceTree, option: string, service: CheckedService): string {
  const { destinations } = tree
  if (!Array.isArray(destinations)) {
    throw typeError(`${option}.destinations`, 'an array of destinations', destinations)
  }
  const keys = new Set<string>()
  let text = ''
  for (const [index, destination] of destinations.entries()) {
    const at = `${option}.destinations[${index}]`
    const checked = checkDestination(destination, at, service)
    once(keys, checkedDestinationKey(checked), at, `${option}.destinations`)
    text += `-a ${serviceWords(service)} ${destinationWords(checked, at)}\n`
  }
  return text
}

/** A second one would fail halfway through `ipvsadm --restore`. */
function once(keys: Set<string>, key: string, option: string, list: string): void {
  if (keys.has(key)) throw rangeError(option, `listed once in ${list}`, key)
  keys.add(key)
}

function serviceWords({ af, protocol, fwmark, address, port }: CheckedService): string {
  if (address === undefined) return `-f ${fwmark}${af === AF_INET6 ? ' -6' : ''}`
  return `${SERVICE_OPTIONS.get(protocol)} ${endpoint(af, address, port)}`
}

function settingWords({ af, flags, timeoutSeconds, netmask, engine, scheduler }: CheckedService) {
  let words = ''
  if ((flags & SERVICE_FLAGS.persistent) !== 0) {
    words += ` -p ${timeoutSeconds}`
    if (netmask !== EVERY_CLIENT[af]) {
      words += ` -M ${af === AF_INET ? formatNetmask(netmask) : netmask}`
    }
  }
  if (engine !== '') words += ` --pe ${engine}`
  if ((flags & SERVICE_FLAGS.onePacket) !== 0) words += ' -o'
  const names = [...schedulerFlagNames(scheduler)]
    .filter(([, bit]) => (flags & bit) !== 0)
    .map(([name]) => name)
  if (names.length > 0) words += ` -b ${names.join(',')}`
  return words
}

function destinationWords(destination: CheckedDestination, option: string): string {
  const { af, address, port, weight, upperThreshold, lowerThreshold } = destination
  const method = METHOD_OPTIONS.get(destination.method)
  if (method === undefined) {
    const rule =
      'other than "local": ipvsadm has no word for it, and the "-g" of ipvsadm-save is restored as "direct"'
    throw rangeError(`${option}.forwarding`, rule, 'local')
  }
  let words = `-r ${endpoint(af, address, port)} ${method} -w ${weight}`
  if (method === '-i') words += tunnelWords(destination)
  if (upperThreshold !== 0) words += ` -x ${upperThreshold}`
  if (lowerThreshold !== 0) words += ` -y ${lowerThreshold}`
  return words
}

function tunnelWords({ tunnelType, tunnelPort, tunnelFlags }: CheckedDestination): string {
  const type = TUNNEL_NAMES.get(tunnelType)
  const port = type === 'gue' ? ` --tun-port ${tunnelPort}` : ''
  const checksum = type === 'ipip' ? '' : ` ${CHECKSUM_OPTIONS[tunnelFlags]}`
  return ` --tun-type ${type}${port}${checksum}`
}

function endpoint(af: number, address: AddressBytes, port: number): string {
  return af === AF_INET6
    ? `[${ipv6(address)}]:${port}`
    : `${formatAddress(AF_INET, address)}:${port}`
}

/** As inet_ntop(3): addresses of ::/96 have a dotted end, `::1` and the other 65534 of ::/112 do not. */
function ipv6(address: AddressBytes): string {
  const compatible = Array.from(address).findIndex((byte) => byte !== 0) >= 12
  return compatible && (address[12] !== 0 || address[13] !== 0)
    ? `::${formatAddress(AF_INET, address, 12)}`
    : formatAddress(AF_INET6, address)
}
