// Tables of services for people: aligned columns, short units.
import type { ListedDestination, ListedService, ListedStats } from '../../rules/listed.js'
import type { Destination } from '../../types.js'
import type { Paint } from '../paint.js'
import { endpoint, serviceName } from './seen.js'

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

/** One line for each service and each destination. */
export function showTable(
  services: readonly ListedService[],
  columns: readonly Column[],
  paint: Paint,
): string {
  const figures = [...COUNTS, ...columns.flatMap((column) => FIGURES[column])]
  const lines = new Lines(figures.length)
  lines.add('dim', 'SERVICE', 'SCHEDULER')
  for (const { head } of figures) lines.addFigure(head)
  for (const service of services) {
    lines.add('bold', serviceName(service), settings(service))
    for (const { ofService } of figures) lines.addFigure(ofService?.(service) ?? '')
    for (const one of service.destinations) {
      lines.add(one.weight === 0 ? 'yellow' : undefined, `  ${endpoint(one)}`, method(one))
      for (let i = 0; i < figures.length; i++) lines.addFigure(figures[i]!.of(one))
    }
  }
  return lines.aligned(paint)
}

type Style = 'bold' | 'dim' | 'yellow' | undefined

/** Tens of thousands of them, in a program that has just started: few steps and few objects for each. */
export class Lines {
  readonly styles: Style[] = []
  readonly names: string[] = []
  readonly kinds: string[] = []
  /** One row behind the other. */
  readonly figures: string[] = []
  readonly widths: number[]
  nameWidth = 0
  kindWidth = 0

  constructor(figures: number) {
    this.widths = Array(figures).fill(0)
  }

  /** A line, of which the figures come next. */
  add(style: Style, name: string, kind: string): void {
    this.styles.push(style)
    this.names.push(name)
    this.kinds.push(kind)
    if (name.length > this.nameWidth) this.nameWidth = name.length
    if (kind.length > this.kindWidth) this.kindWidth = kind.length
  }

  addFigure(text: string): void {
    const column = this.figures.push(text) % this.widths.length
    if (text.length > this.widths[column]!) this.widths[column] = text.length
  }

  /** Names to the left, figures to the right. */
  aligned(paint: Paint): string {
    const { styles, names, kinds, figures, widths, nameWidth, kindWidth } = this
    // The first figure of a row is counted as 1, the last as 0.
    const padded = widths.map((_, index) => widths[(index + 1) % widths.length]! + 2)
    const lines: string[] = []
    let figure = 0
    for (let at = 0; at < names.length; at++) {
      let line = names[at]!.padEnd(nameWidth + 2) + kinds[at]!.padEnd(kindWidth)
      for (let i = 0; i < padded.length; i++) line += figures[figure++]!.padStart(padded[i]!)
      const style = styles[at]
      lines.push(style === undefined ? line : paint(style, line.trimEnd()))
    }
    lines.push('')
    return lines.join('\n')
  }
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
