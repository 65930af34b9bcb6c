// What `ipvsadm -Ln` prints and the kernel shows in /proc/net/ip_vs, to services with their destinations. Both can be read
// without privilege, or come from somebody else's screen.
import { isArgumentError, rangeError, typeError } from '../errors.js'
import { serviceKey } from '../identity.js'
import type { ServiceId } from '../types.js'
import { checkInteger, checkOptions, checkService, checkServiceId } from '../validate.js'
import { lineError } from './line-error.js'
import type { ListedDestination, ListedService, ListedSettings } from './listed.js'
import { type Heading, headings, readColumns, type Shows } from './listing-columns.js'
import { type Dialect, dialects } from './listing-dialects.js'
import { readService } from './listing-lines.js'

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
  const { writer, shows, services, lacks } = readListing(text, options)
  return { writer, shows, services: [...services], lacks }
}

/**
 * {@link parseListing}, service by service, so that those of a large listing need not be in memory at once.
 *
 * @returns what the listing is, and its services, which can be iterated once. The iteration throws what `parseListing` throws because
 *   of a line, when it comes to that line
 * @throws TypeError if `text` is not a string
 * @throws RangeError with code `ERR_IPVS_ARGUMENT`: no heading
 */
export function readListing(
  text: string,
  options?: ListingOptions,
): Omit<Listing, 'services'> & { readonly services: Iterable<ListedService> } {
  if (typeof text !== 'string') {
    throw typeError('text', 'what "ipvsadm -Ln" prints or /proc/net/ip_vs holds, as a string', text)
  }
  const hz = readHz(options)
  const lines = new Lines(text)
  let heading: Heading | undefined
  while (heading === undefined) {
    const line = lines.next()
    if (line === undefined) {
      const rule =
        'a listing with its heading, "Prot LocalAddress:Port ...", as "ipvsadm -Ln" prints it'
      throw rangeError('text', rule, text.slice(0, 80))
    }
    heading = headings.get(headingOf(line))
  }
  const { dialect, writer } = dialectOf(lines.next()?.trimEnd() ?? '')
  const ticks = writer === 'kernel' && hz === undefined ? ['how long persistence lasts'] : []
  const lacks = [...heading.lacks, ...dialect.lacks, ...ticks]
  const services = servicesOf(lines, new Table(heading, dialect, hz))
  return { writer, shows: heading.shows, services, lacks }
}

function* servicesOf(lines: Lines, table: Table): Generator<ListedService> {
  for (let line = lines.next(); line !== undefined; line = lines.next()) {
    let complete: ListedService | undefined
    try {
      complete = table.add(line)
    } catch (error) {
      throw isArgumentError(error) ? lineError(lines.number, error) : error
    }
    if (complete !== undefined) yield withFamily(complete)
  }
  if (table.last !== undefined) yield withFamily(table.last)
}

/** The lines of a text, one after the other. */
class Lines {
  /** Of the line that came last; the first is 1. */
  number = 0
  readonly #text: string
  #at = 0

  constructor(text: string) {
    this.#text = text
  }

  next(): string | undefined {
    if (this.#at > this.#text.length) return undefined
    const found = this.#text.indexOf('\n', this.#at)
    const end = found < 0 ? this.#text.length : found
    const line = this.#text.slice(this.#at, end)
    this.#at = end + 1
    this.number++
    return line
  }
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
  /** Its servers may still come. */
  last: (ListedService & { readonly destinations: ListedDestination[] }) | undefined
  readonly #heading: Heading
  readonly #dialect: Dialect
  readonly #hz: number | undefined
  readonly #keys = new Set<string>()
  /** Of the last service. */
  readonly #servers = new Set<string>()
  /** Servers without their addresses, by the text of their columns. */
  readonly #rows = new Map<string, ListedDestination>()

  constructor(heading: Heading, dialect: Dialect, hz: number | undefined) {
    this.#heading = heading
    this.#dialect = dialect
    this.#hz = hz
  }

  /** @returns the service that this line shows to be complete */
  add(line: string): ListedService | undefined {
    const server = SERVER.exec(line)
    if (server === null) return this.#addService(line)
    this.#addDestination(server[1] ?? '', server[2] ?? '')
    return undefined
  }

  #addService(line: string): ListedService | undefined {
    const words = line.match(/\S+/g)
    if (words === null) return undefined
    const { id, settings } = readService(words, this.#heading, this.#dialect, this.#hz)
    checkRest(id, settings)
    // The same mark of both families: the kernel's listing has it twice.
    if (id.fwmark === undefined || id.family !== undefined) {
      const { protocol, address, port, fwmark, family } = id
      const key = fwmark === undefined ? `${protocol} ${address} ${port}` : `${fwmark} ${family}`
      if (this.#keys.has(key)) throw rangeError('service', 'listed once', serviceKey(id))
      this.#keys.add(key)
    }
    const { last } = this
    this.#servers.clear()
    this.last = { ...id, ...settings, destinations: [] }
    return last
  }

  /** Tens of thousands of them, in a program that has just started: few steps and few objects for each. */
  #addDestination(endpoint: string, columns: string): void {
    if (this.last === undefined) {
      throw rangeError('the service of a server', 'listed in a line above', endpoint)
    }
    const { address, port } = this.#dialect.endpoint(endpoint, 'a server')
    const key = `${address} ${port}`
    if (this.#servers.has(key)) throw rangeError('server', 'listed once', endpoint)
    this.#servers.add(key)
    this.last.destinations.push({ ...this.#rowOf(columns), address, port })
  }

  /** Most servers have the same columns as others, but for what was counted of them. */
  #rowOf(columns: string): ListedDestination {
    const known = this.#rows.get(columns)
    if (known !== undefined) return known
    const words = columns.match(/\S+/g) ?? []
    const row = { ...WITHOUT_COLUMNS, ...readColumns(words, this.#heading) }
    if (!this.#heading.areStats) this.#rows.set(columns, row)
    return row
  }
}

/** The address behind the arrow, and its columns; the line may end in CR. */
const SERVER = /^\s*->(?:\s+(\S+)(.*))?\s*$/s

/** What reading its words has not shown to be of the right form, which is all that the kernel was seen to hold has to have. */
function checkRest(id: ServiceId, settings: ListedSettings): void {
  const { persistence, schedulerFlags } = settings
  if (persistence !== undefined || schedulerFlags !== undefined) {
    const whole = persistence && { persistence: { timeoutSeconds: 0, ...persistence } }
    checkService({ ...id, ...settings, ...whole }, 'service', undefined, 'seen')
  } else if (id.fwmark !== undefined) checkServiceId(id, 'service')
}

/** Its keys come first. */
const WITHOUT_COLUMNS: ListedDestination = { address: '', port: 0 }
