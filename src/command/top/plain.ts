// Looks in lines and documents, where there is no terminal.
import type { Paint } from '../paint.js'
import { endpoint, serviceName } from '../table/seen.js'
import { Lines } from '../table/show.js'
import { arrange, type ColumnName, columns, columnsOf, figure, type SortKey } from './columns.js'
import type { Known, Look, Source } from './looks.js'
import { counters, type Rates, type Row } from './model.js'

/** What one look has told. */
export interface Told {
  readonly source: Source
  readonly look: Look
  readonly known: Known
}

/** One document, without the end of its line. */
export function lookJson({ source, look, known }: Told): string {
  const services = look.services.list.map((service) => {
    const name = serviceName(service)
    const own = look.destinations.get(name)?.list
    const destinations = own?.map((one) => ({
      ...one,
      ...ratesJson(known.destinations.get(name)?.get(endpoint(one))?.rates),
    }))
    // Those of /proc have theirs already, whether they were asked for or not.
    const { destinations: _, ...bare } = { destinations, ...service }
    return {
      ...bare,
      ...ratesJson(known.services.get(name)?.rates),
      ...(destinations && { destinations }),
    }
  })
  const { name, lacks } = source
  return JSON.stringify({ time: new Date().toISOString(), source: name, lacks, services })
}

/** To a thousandth. */
function ratesJson(rates: Rates | undefined): { readonly rates?: Rates } {
  if (rates === undefined) return {}
  const rounded = counters.map((name) => [name, Math.round(1000 * rates[name]) / 1000])
  return { rates: Object.fromEntries(rounded) as Rates }
}

/** Aligned lines: services, and the destinations that were read. */
export function lookText({ source, known }: Told, key: SortKey, paint: Paint): string {
  const { hasCounters } = source
  const withDestinations = known.destinations.size > 0
  const all = columnsOf(withDestinations ? 'destinations' : 'services', hasCounters)
  const lines = new Lines(all.length)
  lines.add('dim', 'SERVICE', 'SCHEDULER')
  for (const column of all) lines.addFigure(columns[column].head)
  const add = (row: Row, indent: string, style: 'bold' | 'yellow' | undefined) => {
    lines.add(style, `${indent}${row.name}`, row.kind)
    for (const column of all) lines.addFigure(text(row, column, indent === ''))
  }
  const sort = { key, reverse: false }
  for (const service of arrange(known.services.values(), sort)) {
    add(service, '', withDestinations ? 'bold' : undefined)
    const own = known.destinations.get(service.name)?.values() ?? []
    for (const one of arrange(own, sort)) add(one, '  ', one.weight === 0 ? 'yellow' : undefined)
  }
  return lines.aligned(paint)
}

/** Services have no weight. */
function text(row: Row, column: ColumnName, isService: boolean): string {
  const value = columns[column].of(row)
  return value === undefined && isService && columns[column].counter === undefined
    ? ''
    : figure(value)
}
