// Services with their destinations to rules.
import { type AddressBytes, AF_INET, AF_INET6, formatAddress, formatNetmask } from '../address.js'
import { rangeError, typeError } from '../errors.js'
import type { DestinationSetting, ServiceSetting } from '../fields.js'
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
  schedulerFlagsOf,
  TUNNEL_TYPES,
  tunnelName,
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
  [METHODS.get('local'), '-g'],
])
const LOCAL = METHODS.get('local')
const TUNNEL = METHODS.get('tunnel')
const CHECKSUM_OPTIONS = ['--tun-nocsum', '--tun-csum', '--tun-remcsum']

const EVERY_CLIENT = { [AF_INET]: 0xffffffff, [AF_INET6]: 128 } as const

/**
 * Writes services and their destinations as `ipvsadm-save -n` does, for `ipvsadm --restore` and {@link parseRules}:
 * one line each, in the order given. A snapshot that is not `verified` may lack some: look before you keep it.
 *
 * What the kernel was seen to hold can always be written, whoever put it there, also what this library would not write
 * into the kernel; `parseRules` refuses that again. What ipvsadm has no word for has one of ours, so that `ipvsadm
 * --restore` refuses the line and does not carry out something else: `--local` behind a `local` destination, which
 * ipvsadm-save shows as a directly routed one; `--method 5`, `--tun-type type-3`, `--tun-flags 4`, `--protocol-47` for
 * what has only a number.
 *
 * Where ipvsadm-save writes what cannot be restored, this differs from it: thresholds are written (`-x`, `-y`), and
 * large firewall marks are not negative. `ipvsadm --restore` itself refuses a persistence above 31 days.
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
    const service = checkService(tree, option, undefined, 'seen')
    once(keys, checkedServiceKey(service), option, 'services')
    text += `-A ${serviceWords(service)}${settingWords(SERVICE_WORDS, service)}\n`
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
    const checked = checkDestination(destination, at, service, 'seen')
    once(keys, checkedDestinationKey(checked), at, `${option}.destinations`)
    const { af, address, port } = checked
    const words = settingWords(DESTINATION_WORDS, checked)
    text += `-a ${serviceWords(service)} -r ${endpoint(af, address, port)}${words}`
    text += checked.method === LOCAL ? ' --local\n' : '\n'
  }
  return text
}

/** A second one would fail halfway through `ipvsadm --restore`. */
function once(keys: Set<string>, key: string, option: string, list: string): void {
  if (keys.has(key)) throw rangeError(option, `listed once in ${list}`, key)
  keys.add(key)
}

function isKnownTunnel(type: number): boolean {
  return TUNNEL_TYPES.has(tunnelName(type))
}

function serviceWords({ af, protocol, fwmark, address, port }: CheckedService): string {
  if (address === undefined) return `-f ${fwmark}${af === AF_INET6 ? ' -6' : ''}`
  return `${SERVICE_OPTIONS.get(protocol) ?? `--protocol-${protocol}`} ${endpoint(af, address, port)}`
}

type Words<Setting extends string, Checked> = Readonly<Record<Setting, (of: Checked) => string>>

/** In the order in which ipvsadm-save writes them. */
const SERVICE_WORDS: Words<ServiceSetting, CheckedService> = {
  scheduler: ({ scheduler }) => ` -s ${scheduler}`,
  persistence: ({ af, flags, timeoutSeconds, netmask }) => {
    if ((flags & SERVICE_FLAGS.persistent) === 0) return ''
    const mask = ` -M ${af === AF_INET ? formatNetmask(netmask) : netmask}`
    return ` -p ${timeoutSeconds}${netmask === EVERY_CLIENT[af] ? '' : mask}`
  },
  persistenceEngine: ({ engine }) => (engine === '' ? '' : ` --pe ${engine}`),
  onePacket: ({ flags }) => ((flags & SERVICE_FLAGS.onePacket) === 0 ? '' : ' -o'),
  schedulerFlags: ({ scheduler, flags }) => {
    const names = schedulerFlagsOf(scheduler, flags)
    return names.length === 0 ? '' : ` -b ${names.join(',')}`
  },
}

const DESTINATION_WORDS: Words<DestinationSetting, CheckedDestination> = {
  forwarding: ({ method }) => ` ${METHOD_OPTIONS.get(method) ?? `--method ${method}`}`,
  weight: ({ weight }) => ` -w ${weight}`,
  tunnel: ({ method, tunnelType, tunnelPort, tunnelFlags }) => {
    if (method !== TUNNEL) return ''
    const type = tunnelName(tunnelType)
    const isKnown = isKnownTunnel(tunnelType)
    const port = type === 'gue' || (!isKnown && tunnelPort !== 0) ? ` --tun-port ${tunnelPort}` : ''
    const checksum = CHECKSUM_OPTIONS[tunnelFlags] ?? `--tun-flags ${tunnelFlags}`
    return ` --tun-type ${type}${port}${type === 'ipip' ? '' : ` ${checksum}`}`
  },
  upperThreshold: ({ upperThreshold }) => (upperThreshold === 0 ? '' : ` -x ${upperThreshold}`),
  lowerThreshold: ({ lowerThreshold }) => (lowerThreshold === 0 ? '' : ` -y ${lowerThreshold}`),
}

function settingWords<Checked>(words: Words<string, Checked>, of: Checked): string {
  let text = ''
  for (const name in words) text += words[name]!(of)
  return text
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
