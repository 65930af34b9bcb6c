// Tables of services for people: aligned columns, short units.
import type { ListedDestination, ListedService, ListedStats } from '../../rules/listed.js'
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
  const heads = ['SERVICE', 'SCHEDULER', ...figures.map(({ head }) => head)]
  const rows: Row[] = [{ cells: heads, style: 'dim' }]
  for (const service of services) {
    const own = figures.map(({ ofService }) => ofService?.(service) ?? '')
    rows.push({ cells: [serviceName(service), settings(service), ...own], style: 'bold' })
    for (const one of service.destinations) {
      const figure = figures.map(({ of }) => of(one))
      const cells = [`  ${endpoint(one)}`, method(one), ...figure]
      rows.push({ cells, ...(one.weight === 0 && { style: 'yellow' }) })
    }
  }
  return aligned(rows, paint)
}

interface Row {
  readonly cells: readonly string[]
  readonly style?: 'bold' | 'dim' | 'yellow'
}

/** The first two columns to the left, figures to the right. */
function aligned(rows: readonly Row[], paint: Paint): string {
  const widths: number[] = []
  for (const { cells } of rows) {
    for (let i = 0; i < cells.length; i++) {
      const { length } = cells[i]!
      if (length > (widths[i] ?? 0)) widths[i] = length
    }
  }
  let text = ''
  for (const { cells, style } of rows) {
    let line = cells[0]!.padEnd(widths[0]!)
    for (let i = 1; i < cells.length; i++) {
      const cell = cells[i]!
      line += `  ${i === 1 ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!)}`
    }
    line = line.trimEnd()
    text += `${style === undefined ? line : paint(style, line)}\n`
  }
  return text
}

/** `wrr`, `sh ops persistent 300 s/24 sip (sh-port)` */
function settings(service: ListedService): string {
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
function method({ forwarding, ...rest }: ListedDestination): string {
  const { tunnel } = rest as {
    readonly tunnel?: { readonly type: string; readonly port?: number; readonly checksum?: string }
  }
  if (tunnel === undefined || tunnel.type === 'ipip') return forwarding ?? ''
  const { type, port, checksum } = tunnel
  const end = port === undefined ? type : `${type}:${port}`
  return checksum === undefined || checksum === 'none'
    ? `tunnel ${end}`
    : `tunnel ${end} checksum ${checksum}`
}

function exact(number: number | undefined): string {
  return number === undefined ? '-' : String(number)
}

const UNITS = ['', 'k', 'M', 'G', 'T', 'P', 'E']

/** `9999`, `12.3k`, `456M`; `-` for what is not known. */
export function short(value: number | bigint | undefined): string {
  if (value === undefined) return '-'
  let number = Number(value)
  if (number < 10_000) return String(number)
  let unit = 0
  while (number >= 999.5 && unit < UNITS.length - 1) {
    number /= 1000
    unit++
  }
  return `${number >= 99.95 ? Math.round(number) : number.toFixed(1)}${UNITS[unit]}`
}
