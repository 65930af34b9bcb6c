// Tables of services for people: aligned columns, short units.
import type { ListedDestination, ListedService, ListedStats } from '../../rules/listed.js'
import type { Destination } from '../../types.js'
import type { Paint } from '../paint.js'
import { endpoint, type SeenTable, serviceName } from './seen.js'

export type Column = 'stats' | 'rates' | 'thresholds'

interface Figure {
  readonly head: string
  readonly of: (one: ListedDestination) => string
  /** Of a service; most have none. */
  readonly ofService?: (one: ListedService) => string
}

const COUNTS: readonly Figure[] = [
  { head: 'WEIGHT', of: ({ weight }) => exact(weight) },
  { head: 'ACTIVE', of: ({ activeConnections }) => short(activeConnections) },
  { head: 'INACTIVE', of: ({ inactiveConnections }) => short(inactiveConnections) },
]

const stat = (head: string, name: keyof ListedStats): Figure => ({
  head,
  of: ({ stats }) => short(stats?.[name]),
  ofService: ({ stats }) => short(stats?.[name]),
})

const FIGURES: Readonly<Record<Column, readonly Figure[]>> = {
  thresholds: [
    { head: 'UPPER', of: ({ upperThreshold }) => exact(upperThreshold) },
    { head: 'LOWER', of: ({ lowerThreshold }) => exact(lowerThreshold) },
  ],
  stats: [
    stat('CONNS', 'connections'),
    stat('IN-PKTS', 'inPackets'),
    stat('OUT-PKTS', 'outPackets'),
    stat('IN-BYTES', 'inBytes'),
    stat('OUT-BYTES', 'outBytes'),
  ],
  rates: [
    stat('CONN/S', 'connectionRate'),
    stat('IN-PKT/S', 'inPacketRate'),
    stat('OUT-PKT/S', 'outPacketRate'),
    stat('IN-B/S', 'inByteRate'),
    stat('OUT-B/S', 'outByteRate'),
  ],
}

/** A table whose services are shown as they are read: a large one need not be in memory at once. */
export type Shown = Omit<SeenTable, 'services'> & { readonly services: Iterable<ListedService> }

export type Replacer = (key: string, value: unknown) => unknown

/** One document. */
export function jsonTable(
  { source, services, lacks }: Shown,
  replacer: Replacer | undefined,
): string {
  const texts: string[] = []
  for (const service of services) texts.push(JSON.stringify(service, replacer))
  const [head, tail] = [source, lacks].map((value) => JSON.stringify(value))
  return `{"source":${head},"services":[${texts.join(',')}],"lacks":${tail}}\n`
}

/** One line for each service and each destination. */
export function showTable(
  services: Iterable<ListedService>,
  columns: readonly Column[],
  paint: Paint,
): string {
  const figures = [...COUNTS, ...columns.flatMap((column) => FIGURES[column])]
  const ofService = figures.map((figure) => figure.ofService ?? (() => ''))
  const ofDestination = figures.map(({ of }) => of)
  const lines = new Lines()
  const heads = figures.map(
    ({ head }) =>
      () =>
        head,
  )
  lines.add('dim', 'SERVICE', cells('SCHEDULER', heads, undefined))
  for (const service of services) {
    lines.add('bold', serviceName(service), cells(settings(service), ofService, service))
    for (const one of service.destinations) {
      const style = one.weight === 0 ? 'yellow' : undefined
      lines.add(style, `  ${endpoint(one)}`, cells(method(one), ofDestination, one))
    }
  }
  return lines.aligned(paint)
}

const SEPARATOR = '\t'

/** What stands behind the name of a line: of what kind it is, and figures of it. */
export function cells<T>(kind: string, figures: readonly ((one: T) => string)[], one: T): string {
  let text = kind
  for (let i = 0; i < figures.length; i++) text += SEPARATOR + figures[i]!(one)
  return text
}

type Style = 'bold' | 'dim' | 'yellow' | undefined

/** So many names are kept as one text. */
const BLOCK = 100

/**
 * Tens of thousands of lines, in a program that has just started: few steps for each, and few objects that stay. Most have the same
 * cells behind their name as others, which are kept, and put into their columns, once.
 */
export class Lines {
  readonly #styles: Style[] = []
  /** Of each line: which of the different cells it has. */
  readonly #cells: number[] = []
  readonly #different = new Map<string, number>()
  readonly #blocks: string[] = []
  /** Those that are in no block yet. */
  #names: string[] = []
  #nameWidth = 0

  /** @param cells {@link cells} */
  add(style: Style, name: string, cells: string): void {
    let which = this.#different.get(cells)
    if (which === undefined) {
      which = this.#different.size
      this.#different.set(cells, which)
    }
    this.#cells.push(which)
    this.#styles.push(style)
    this.#names.push(name)
    if (name.length > this.#nameWidth) this.#nameWidth = name.length
    if (this.#names.length === BLOCK) this.#endBlock()
  }

  #endBlock(): void {
    this.#blocks.push(this.#names.join('\n'))
    this.#names = []
  }

  /** Names and kinds to the left, figures to the right. */
  aligned(paint: Paint): string {
    if (this.#names.length > 0) this.#endBlock()
    const cells = inColumns([...this.#different.keys()].map((text) => text.split(SEPARATOR)))
    let at = 0
    const lineOf = (name: string): string => {
      const line = name.padEnd(this.#nameWidth + 2) + cells[this.#cells[at]!]!
      const style = this.#styles[at++]
      return style === undefined ? line : `${paint(style, line.trimEnd())}\n`
    }
    return this.#blocks.map((block) => block.split('\n').map(lineOf).join('')).join('')
  }
}

/** Each a whole line's end. */
function inColumns(rows: readonly (readonly string[])[]): string[] {
  const widths: number[] = []
  for (const row of rows) {
    for (let i = 0; i < row.length; i++) widths[i] = Math.max(widths[i] ?? 0, row[i]!.length)
  }
  return rows.map(([kind, ...figures]) => {
    const ends = figures.map((figure, i) => figure.padStart(widths[i + 1]! + 2))
    return `${kind!.padEnd(widths[0]!)}${ends.join('')}\n`
  })
}

/** `wrr`, `sh ops persistent 300 s/24 sip (sh-port)` */
export function settings(service: Omit<ListedService, 'destinations'>): string {
  const { scheduler, onePacket, persistence, persistenceEngine, schedulerFlags } = service
  let text = scheduler ?? ''
  if (onePacket) text += ' ops'
  if (persistence !== undefined) {
    const { timeoutSeconds, netmask } = persistence
    text += ' persistent'
    if (timeoutSeconds !== undefined) text += ` ${timeoutSeconds}s`
    if (netmask !== undefined && netmask !== '255.255.255.255' && netmask !== 128) {
      text += ` mask ${netmask}`
    }
  }
  if (persistenceEngine !== undefined) text += ` pe ${persistenceEngine}`
  if (schedulerFlags !== undefined && schedulerFlags.length > 0) text += ` (${schedulerFlags})`
  return text
}

/** `masquerade`, `tunnel gue:6080 csum` */
export function method(one: ListedDestination): string {
  return one.forwarding === 'tunnel' ? tunnelText(one) : (one.forwarding ?? '')
}

/** A listing has none. */
function tunnelText({ tunnel }: ListedDestination & Partial<Pick<Destination, 'tunnel'>>): string {
  if (tunnel === undefined || tunnel.type === 'ipip') return 'tunnel'
  const { type, port, checksum = 'none' } = tunnel
  const end = port === undefined ? type : `${type}:${port}`
  return checksum === 'none' ? `tunnel ${end}` : `tunnel ${end} checksum ${checksum}`
}

function exact(number: number | undefined): string {
  return number === undefined ? '-' : String(number)
}

const UNITS = ['', 'k', 'M', 'G', 'T', 'P', 'E']

/** `9999`, `12.3k`, `456M`; `-` for what is not known. */
export function short(value: number | bigint | undefined): string {
  if (value === undefined) return '-'
  if (value < 10_000) return String(value)
  let number = Number(value)
  let unit = 0
  while (number >= 999.5 && unit < UNITS.length - 1) {
    number /= 1000
    unit++
  }
  return `${number >= 99.95 ? Math.round(number) : number.toFixed(1)}${UNITS[unit]}`
}
