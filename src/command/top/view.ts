// The lines of a window: rows, their state and a size go in, text comes out. Pure.
import type { Paint } from '../paint.js'
import { type ColumnName, columns, figure, type Sort } from './columns.js'
import { columnsIn, helpRows, indexIn, listOf, type State, shortKeys } from './keys.js'
import type { Counter, Rates, Row } from './model.js'
import { HISTORY } from './model.js'
import type { Size } from './screen.js'

export interface Picture {
  readonly state: State
  /** Sorted and filtered. */
  readonly rows: readonly Row[]
  /** Without a filter. */
  readonly total: number
  /** Of all services, or of the one that is shown; `undefined`: not known (yet). */
  readonly rates: Rates | undefined
  readonly size: Size
  /** What is looked at: the namespace, the interval. */
  readonly about: string
  /** When the last look was, as a clock shows it. */
  readonly time: string
  /** What is not as it should be. */
  readonly problem: string | undefined
  /** In place of sums, where nobody counts. */
  readonly note: string
  readonly glyphs: Glyphs
}

/** A terminal that is no UTF-8 gets letters. */
export interface Glyphs {
  /** From little to much. */
  readonly bars: string
  readonly down: string
  readonly up: string
  readonly cut: string
}

export const blocks: Glyphs = { bars: '▁▂▃▄▅▆▇█', down: '▼', up: '▲', cut: '…' }
export const letters: Glyphs = { bars: '_.-:=+*#', down: 'v', up: '^', cut: '~' }

const LEAST: Size = { columns: 40, rows: 8 }
/** Title, sums, headings and keys. */
const FRAME = 4
const GAP = 2
const LEAST_BARS = 8
const MOST_KIND = 24

/** How many rows a window of this size has. */
export function pageOf({ rows }: Size): number {
  return Math.max(rows - FRAME, 1)
}

/** As many lines as the window has, none of them wider. */
export function draw(picture: Picture, paint: Paint): string[] {
  const { state, size } = picture
  const lines = isSmall(size)
    ? smallLines(size)
    : state.mode === 'help'
      ? helpLines(picture, paint)
      : rowLines(picture, paint)
  return Array.from({ length: size.rows }, (_, at) => lines[at] ?? '')
}

function isSmall({ columns, rows }: Size): boolean {
  return columns < LEAST.columns || rows < LEAST.rows
}

function smallLines({ columns, rows }: Size): string[] {
  const text = `ipvs top needs a window of ${LEAST.columns} x ${LEAST.rows}; this one has ${columns} x ${rows}. q: quit`
  return text.match(new RegExp(`.{1,${columns}}`, 'g')) ?? []
}

function helpLines({ size, glyphs }: Picture, paint: Paint): string[] {
  const width = Math.max(...helpRows.map(([label]) => label.length))
  const cut = (text: string) => shorten(text, size.columns, glyphs)
  const lines = [
    paint('bold', 'ipvs top'),
    '',
    ...helpRows.map(([label, help]) => cut(`  ${label.padEnd(width)}  ${help}`)),
    '',
    cut('Rates are a second, over the last four (or --interval).'),
  ]
  return [...lines.slice(0, size.rows - 1), paint('dim', 'any key: back')]
}

function rowLines(picture: Picture, paint: Paint): string[] {
  const { state, rows, size } = picture
  const { top } = listOf(state)
  const page = pageOf(size)
  const layout = layOut(picture)
  const shown = rows.slice(top, top + page)
  const selected = indexIn(listOf(state), rows) - top
  const lines = shown.map((row, at) => {
    const line = rowLine(row, layout, picture).padEnd(size.columns)
    // Not a colour: also where nobody wants any.
    if (at === selected) return `\x1b[7m${line}\x1b[27m`
    const { weight, managed } = row
    if (managed?.word === 'down' || managed?.word === 'refused') return paint('red', line.trimEnd())
    return weight === 0 ? paint('yellow', line.trimEnd()) : line.trimEnd()
  })
  return [
    titleLine(picture, paint),
    sumLine(picture, paint),
    paint('bold', headLine(layout, picture)),
    ...Array.from({ length: page }, (_, at) => lines[at] ?? ''),
    keyLine(picture, paint),
  ]
}

function titleLine({ state, rows, total, size, about, time, glyphs }: Picture, paint: Paint) {
  const { top, filter } = listOf(state)
  const what = state.service === undefined ? 'service' : 'destination'
  const last = Math.min(top + pageOf(size), rows.length)
  const range = rows.length > pageOf(size) ? `${top + 1}-${last} of ` : ''
  const found = filter === '' ? '' : `${rows.length} with "${filter}" of `
  const count = `${range}${found}${total} ${what}${total === 1 ? '' : 's'}`
  const left = `${state.service ?? 'ipvs top'}  ${count}  ${about}`
  const room = size.columns - time.length - GAP
  return paint('bold', `${shorten(left, room, glyphs).padEnd(room + GAP)}${time}`)
}

function sumLine({ rates, problem, note, size, state, glyphs }: Picture, paint: Paint): string {
  if (problem !== undefined) return paint('yellow', shorten(problem, size.columns, glyphs))
  if (!state.hasCounters) return shorten(note, size.columns, glyphs)
  const one = (name: Counter) => figure(rates?.[name])
  const sums = [
    `${one('connections')} conn/s`,
    `in ${one('inPackets')} pkt/s ${one('inBytes')} B/s`,
    `out ${one('outPackets')} pkt/s ${one('outBytes')} B/s`,
  ]
  return shorten(sums.join('   '), size.columns, glyphs)
}

function keyLine({ state, rows, size, glyphs }: Picture, paint: Paint): string {
  const keys = shortKeys(state).join('   ')
  if (state.mode === 'drain') {
    const { target, word } = rows[indexIn(listOf(state), rows)]?.managed ?? {}
    const what = word === 'drain' ? 'take back' : 'drain'
    return paint(
      'yellow',
      shorten(`${what} ${target}?   ${keys}   any other key: no`, size.columns, glyphs),
    )
  }
  if (state.mode !== 'filter') return paint('dim', shorten(keys, size.columns, glyphs))
  const typed = `/${listOf(state).filter}_`
  return shorten(`${typed}   ${keys}`, size.columns, glyphs)
}

interface Layout {
  readonly name: number
  /** 0: without. */
  readonly kind: number
  readonly figures: readonly ColumnName[]
  /** 0: without. */
  readonly bars: number
  readonly counter: Counter
}

/** In what order columns get their place: what they are sorted by comes before all of them. */
const ranks: readonly ColumnName[] = [
  'weight',
  'active',
  'inactive',
  'connections',
  'in-packets',
  'in-bytes',
  'out-bytes',
  'out-packets',
]

const widthOf = (column: ColumnName) => columns[column].head.length + GAP

function layOut({ state, rows, size }: Picture): Layout {
  const { sort } = listOf(state)
  const widest = (least: number, of: (row: Row) => string) =>
    rows.reduce((most, row) => Math.max(most, of(row).length), least)
  const all = columnsIn(state)
  const sorted = all.filter((column) => column === sort.key)
  const ranked = [...sorted, ...ranks.filter((one) => all.includes(one) && one !== sort.key)]
  // Some figures always have their place.
  const least = ranked.slice(0, 2).reduce((sum, column) => sum + widthOf(column), 0)
  const name = Math.min(
    widest(headOf(state).name.length + 1, (row) => row.name),
    Math.max(size.columns - least, 10),
  )
  let room = size.columns - name
  const kinds = widest(headOf(state).kind.length, (row) => row.kind)
  const wide = Math.min(kinds, MOST_KIND) + GAP
  // Where a director runs, it has what the director says.
  let kind = state.isDirected && room - wide >= least ? wide - GAP : 0
  if (kind > 0) room -= wide
  const bars = state.hasCounters ? LEAST_BARS + GAP : 0
  const kept = new Set<ColumnName>()
  for (const column of ranked) {
    // The bars come before the last of them.
    const isLast = column === 'out-bytes' || column === 'out-packets'
    const others = isLast && column !== sort.key ? bars : 0
    if (room - others < widthOf(column)) continue
    kept.add(column)
    room -= widthOf(column)
  }
  if (kind === 0 && room - bars >= wide) {
    kind = wide - GAP
    room -= wide
  }
  return {
    name,
    kind,
    figures: all.filter((column) => kept.has(column)),
    bars: bars > 0 && room >= bars ? Math.min(room - GAP, HISTORY) : 0,
    counter: counterOf(sort),
  }
}

function headOf({ service }: State) {
  return service === undefined
    ? { name: 'SERVICE', kind: 'SCHEDULER' }
    : { name: 'DESTINATION', kind: 'METHOD' }
}

/** The bars are of what is sorted by; of packets, where that is no rate. */
function counterOf({ key }: Sort): Counter {
  return (key === 'name' ? undefined : columns[key].counter) ?? 'inPackets'
}

function headLine(
  { name, kind, figures, bars, counter }: Layout,
  { state, glyphs }: Picture,
): string {
  const { key, reverse } = listOf(state).sort
  const heads = headOf(state)
  const mark = reverse ? glyphs.up : glyphs.down
  let line = shorten(`${heads.name}${key === 'name' ? mark : ''}`, name, glyphs).padEnd(name)
  if (kind > 0) line += `${''.padEnd(GAP)}${heads.kind.padEnd(kind)}`
  for (const column of figures) {
    const { head } = columns[column]
    line += `${column === key ? mark : ''}${head}`.padStart(widthOf(column))
  }
  const [plotted] = Object.values(columns).filter((one) => one.counter === counter)
  return bars === 0
    ? line
    : `${line}${''.padEnd(GAP)}${shorten(plotted!.head, bars, glyphs).padStart(bars)}`
}

function rowLine(row: Row, { name, kind, figures, bars, counter }: Layout, { glyphs }: Picture) {
  let line = shorten(row.name, name, glyphs).padEnd(name)
  if (kind > 0) line += `${''.padEnd(GAP)}${shorten(row.kind, kind, glyphs).padEnd(kind)}`
  for (const column of figures) line += figure(columns[column].of(row)).padStart(widthOf(column))
  if (bars === 0) return line
  const values = row.history.map((rates) => rates[counter])
  return `${line}${''.padEnd(GAP)}${sparkline(values, bars, glyphs)}`
}

/** The last so many values, the newest to the right; the largest of them is a full bar. */
export function sparkline(values: readonly number[], width: number, { bars }: Glyphs): string {
  const last = values.slice(-width)
  const most = Math.max(...last, 0)
  const text = last.map((value) => {
    // What is not nothing shows.
    const level = most === 0 ? 0 : Math.ceil((value / most) * (bars.length - 1))
    return bars[level]
  })
  return text.join('').padStart(width)
}

/** What does not fit loses its middle: a port is at the end. */
export function shorten(text: string, width: number, { cut }: Glyphs): string {
  if (text.length <= width) return text
  if (width < 2) return text.slice(0, Math.max(width, 0))
  const end = Math.min(Math.floor((width - 1) / 3), 8)
  return `${text.slice(0, width - 1 - end)}${cut}${end === 0 ? '' : text.slice(-end)}`
}
