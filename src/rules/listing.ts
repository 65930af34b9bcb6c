// What `ipvsadm -Ln` prints and the kernel shows in /proc/net/ip_vs, to services with their destinations. Both can be read
// without privilege, or come from somebody else's screen.
import { isArgumentError, rangeError, typeError } from '../errors.js'
import { checkedServiceKey } from '../identity.js'
import type { ServiceId } from '../types.js'
import {
  type CheckedServiceId,
  checkInteger,
  checkOptions,
  checkService,
  checkServiceId,
} from '../validate.js'
import { lineError } from './line-error.js'
import type { ListedDestination, ListedService, ListedSettings } from './listed.js'
import { type Dialect, dialects, type Heading, headings, type Shows } from './listing-dialects.js'
import { readColumns, readService } from './listing-lines.js'

export type { ListedDestination, ListedService, ListedStats } from './listed.js'

/** What a listing says. */
export interface Listing {
  /** Who has written it: `ipvsadm`, or the kernel in `/proc/net/ip_vs`. */
  readonly writer: 'ipvsadm' | 'kernel'
  readonly shows: Shows
  readonly services: readonly ListedService[]
  /** What such a listing says nothing about, for people: `thresholds`, `tunnel types`… */
  readonly lacks: readonly string[]
}

/** Options of {@link parseListing}. */
export interface ListingOptions {
  /**
   * Ticks a second of the kernel that has written `/proc/net/ip_vs` (CONFIG_HZ, often 250 or 1000; 1 to 10,000), in which it shows
   * how long persistence lasts (ip_vs_ctl.c: ip_vs_info_seq_show). Default: unknown, and so is that.
   */
  readonly hz?: number | undefined
}

/**
 * Reads a listing: what `ipvsadm -Ln` prints, also with `--stats`, `--rate`, `--thresholds`, `--persistent-conn`, `--exact` and
 * `--sort`, or the text of `/proc/net/ip_vs`. What stands before its heading, such as the prompt it was copied with, is skipped.
 *
 * @throws TypeError if `text` is not a string
 * @throws RangeError with code `ERR_IPVS_ARGUMENT`: no heading; or, with `option` such as `line 3`, a line that is none of a listing's,
 *   names instead of numbers (`ipvsadm -L` without `-n`), a server before its service, the same thing twice
 */
export function parseListing(text: string, options?: ListingOptions): Listing {
  if (typeof text !== 'string') {
    throw typeError('text', 'what "ipvsadm -Ln" prints or /proc/net/ip_vs holds, as a string', text)
  }
  const hz = readHz(options)
  const lines = text.split('\n')
  const first = lines.findIndex((line) => headings.has(headingOf(line)))
  if (first < 0) {
    const rule =
      'a listing with its heading, "Prot LocalAddress:Port ...", as "ipvsadm -Ln" prints it'
    throw rangeError('text', rule, text.slice(0, 80))
  }
  const heading = headings.get(headingOf(lines[first]!))!
  const { dialect, writer } = dialectOf(lines[first + 1]?.trimEnd() ?? '')
  const table = new Table(heading, dialect, hz)
  for (let index = first + 2; index < lines.length; index++) {
    try {
      table.add(lines[index]!)
    } catch (error) {
      throw isArgumentError(error) ? lineError(index + 1, error) : error
    }
  }
  const ticks = writer === 'kernel' && hz === undefined ? ['how long persistence lasts'] : []
  const lacks = [...heading.lacks, ...dialect.lacks, ...ticks]
  return { writer, shows: heading.shows, services: table.services.map(withFamily), lacks }
}

function withFamily(service: ListedService): ListedService {
  if (service.fwmark === undefined || service.family !== undefined) return service
  const plain = service.destinations.find(({ forwarding }) => forwarding !== 'tunnel')
  if (plain === undefined) return service
  return { ...service, family: plain.address.includes(':') ? 'ipv6' : 'ipv4' }
}

function readHz(options: ListingOptions | undefined): number | undefined {
  const { hz } = checkOptions(options, 'options', ['hz'])
  return hz === undefined ? undefined : checkInteger(hz, 'options.hz', 1, 10_000)
}

/** The words of a first line of heading behind those that all of them begin with. */
function headingOf(line: string): string {
  const [prot, local, ...rest] = line.trim().split(/\s+/)
  return prot === 'Prot' && local === 'LocalAddress:Port' ? rest.join(' ') : '-'
}

/** By the second line of the heading: ipvsadm leaves room for its columns, the kernel does not. */
function dialectOf(line: string): { dialect: Dialect; writer: Listing['writer'] } {
  const writer =
    line === '  -> RemoteAddress:Port Forward Weight ActiveConn InActConn' ? 'kernel' : 'ipvsadm'
  return { dialect: dialects[writer], writer }
}

/** What the lines so far have said. */
class Table {
  readonly services: ListedService[] = []
  readonly #heading: Heading
  readonly #dialect: Dialect
  readonly #hz: number | undefined
  readonly #keys = new Set<string>()
  /** Of the service whose servers come now. */
  #destinations: ListedDestination[] | undefined
  readonly #servers = new Set<string>()

  constructor(heading: Heading, dialect: Dialect, hz: number | undefined) {
    this.#heading = heading
    this.#dialect = dialect
    this.#hz = hz
  }

  add(line: string): void {
    const words = line.match(/\S+/g)
    if (words === null) return
    if (words[0] === '->') this.#addDestination(words)
    else this.#addService(words)
  }

  #addService(words: readonly string[]): void {
    const { id, settings } = readService(words, this.#heading, this.#dialect, this.#hz)
    const key = checkedServiceKey(this.#check(id, settings))
    // The same mark of both families: the kernel's listing has it twice.
    if (id.fwmark === undefined || id.family !== undefined) {
      if (this.#keys.has(key)) throw rangeError('service', 'listed once', key)
      this.#keys.add(key)
    }
    this.#destinations = []
    this.#servers.clear()
    this.services.push({ ...id, ...settings, destinations: this.#destinations })
  }

  /** What the kernel was seen to hold only has to have the right form. */
  #check(id: ServiceId, settings: ListedSettings): CheckedServiceId {
    if (this.#heading.areStats) return checkServiceId(id, 'service')
    const { stats: _, persistence, ...rest } = settings
    const whole = persistence && { persistence: { timeoutSeconds: 0, ...persistence } }
    return checkService({ ...id, ...rest, ...whole }, 'service', undefined, 'seen')
  }

  /** Tens of thousands of them, in a program that has just started: few steps and few objects for each. */
  #addDestination(words: readonly string[]): void {
    const endpoint = words[1]
    if (this.#destinations === undefined) {
      throw rangeError('the service of a server', 'listed in a line above', endpoint)
    }
    const destination = this.#dialect.endpoint(endpoint ?? '', 'a server')
    const key = `${destination.address} ${destination.port}`
    if (this.#servers.has(key)) throw rangeError('server', 'listed once', endpoint)
    this.#servers.add(key)
    this.#destinations.push(readColumns(destination, words, 2, this.#heading))
  }
}
