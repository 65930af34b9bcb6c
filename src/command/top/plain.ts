// Looks in lines and documents, where there is no terminal.
import type { Paint } from '../paint.js'
import { endpoint, serviceName } from '../table/seen.js'
import { cells, Lines } from '../table/show.js'
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
  const lines = new Lines()
  const heads = all.map((column) => () => columns[column].head)
  const ofService = all.map((column) => (row: Row) => text(row, column, true))
  const ofDestination = all.map((column) => (row: Row) => text(row, column, false))
  lines.add('dim', 'SERVICE', cells('SCHEDULER', heads, undefined))
  const sort = { key, reverse: false }
  for (const service of arrange(known.services.values(), sort)) {
    const style = withDestinations ? 'bold' : undefined
    lines.add(style, service.name, cells(service.kind, ofService, service))
    const own = known.destinations.get(service.name)?.values() ?? []
    for (const one of arrange(own, sort)) {
      const style = one.weight === 0 ? 'yellow' : undefined
      lines.add(style, `  ${one.name}`, cells(one.kind, ofDestination, one))
    }
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
