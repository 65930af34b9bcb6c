// What each key does: from a state of the view to the next one. Pure; the tables below are what help and the last line are made of.
import type { Key } from 'node:readline'
import { type ColumnName, columnsOf, type Sort, type SortKey } from './columns.js'
import type { Row } from './model.js'

/** A list of rows, as somebody has left it. */
export interface List {
  readonly filter: string
  readonly sort: Sort
  /** The row that the next key is about; undefined: the first, whichever that is. */
  readonly selected: string | undefined
  /** Where it was seen last, for when it goes. */
  readonly at: number
  /** The first row in the window. */
  readonly top: number
}

export type Mode = 'rows' | 'filter' | 'help' | 'drain'

export interface State {
  readonly mode: Mode
  readonly services: List
  readonly destinations: List
  /** Whose destinations are shown; undefined: services are. */
  readonly service: string | undefined
  readonly hasCounters: boolean
  /** A director has the service whose destinations are shown. */
  readonly isDirected: boolean
}

/** What a key is about: the rows in their order, and how many of them are seen at once. */
export interface Shown {
  readonly rows: readonly Row[]
  readonly page: number
}

/** `drain`: the destination that is selected is to be drained, or taken back. */
export type Next = State | 'end' | 'suspend' | 'drain'

interface Binding {
  /** As {@link keyName} says. */
  readonly keys: readonly string[]
  /** As people say; without it, it is another's twin. */
  readonly label?: string
  readonly help: string
  /** In the last line, where there is room for a word or two. */
  readonly short?: string
  readonly does: (state: State, shown: Shown) => Next
}

const move = (by: (shown: Shown) => number) => (state: State, shown: Shown) =>
  select(state, shown, indexIn(listOf(state), shown.rows) + by(shown))

const rowKeys: readonly Binding[] = [
  {
    keys: ['up', 'k'],
    label: 'up, k',
    help: 'one row up',
    does: move(() => -1),
  },
  {
    keys: ['down', 'j'],
    label: 'down, j',
    help: 'one row down',
    does: move(() => 1),
  },
  {
    keys: ['pageup'],
    label: 'page up',
    help: 'a window up',
    does: move(({ page }) => -page),
  },
  {
    keys: ['pagedown', ' '],
    label: 'page down, space',
    help: 'a window down',
    does: move(({ page }) => page),
  },
  {
    keys: ['home'],
    label: 'home',
    help: 'the first row, whichever that will be',
    does: (state, shown) => select(state, shown, 0),
  },
  {
    keys: ['end'],
    label: 'end',
    help: 'the last row',
    does: (state, shown) => select(state, shown, shown.rows.length - 1),
  },
  {
    keys: ['return', 'enter', 'right'],
    label: 'enter, right',
    short: 'enter destinations',
    help: 'the destinations of the service',
    does: enter,
  },
  {
    keys: ['left'],
    label: 'left',
    short: 'left back',
    help: 'back to the services',
    does: (state) => ({ ...state, service: undefined }),
  },
  {
    keys: ['escape'],
    label: 'escape',
    help: 'all rows again; without a filter, back to the services',
    does: (state) =>
      listOf(state).filter === '' ? { ...state, service: undefined } : filter(state, () => ''),
  },
  {
    keys: ['/'],
    label: '/',
    short: '/ filter',
    help: 'only rows that have a text',
    does: (state) => ({ ...state, mode: 'filter' }),
  },
  {
    keys: ['>'],
    label: '>',
    help: 'sort by the next column',
    does: (state) => sortBy(state, 1),
  },
  {
    keys: ['<'],
    label: '<',
    short: '< > sort',
    help: 'sort by the column before',
    does: (state) => sortBy(state, -1),
  },
  {
    keys: ['r'],
    label: 'r',
    short: 'r reverse',
    help: 'the other way round',
    does: (state) => {
      const { key, reverse } = listOf(state).sort
      return withList(state, { sort: { key, reverse: !reverse } })
    },
  },
  {
    keys: ['d'],
    label: 'd',
    short: 'd drain',
    help: 'drain the destination, or take it back, where a director runs',
    does: (state, { rows }) =>
      rows[indexIn(listOf(state), rows)]?.managed === undefined
        ? state
        : { ...state, mode: 'drain' },
  },
  {
    keys: ['?', 'h'],
    label: '?, h',
    short: '? help',
    help: 'this page',
    does: (state) => ({ ...state, mode: 'help' }),
  },
  { keys: ['q'], label: 'q, ^C', short: 'q quit', help: 'end', does: () => 'end' },
]

const filterKeys: readonly Binding[] = [
  {
    keys: ['return', 'enter'],
    short: 'enter keep it',
    help: 'back to the rows',
    does: (state) => ({ ...state, mode: 'rows' }),
  },
  {
    keys: ['escape'],
    short: 'escape all rows',
    help: 'without a filter',
    does: (state) => filter({ ...state, mode: 'rows' }, () => ''),
  },
  {
    keys: ['backspace', 'ctrl-h'],
    help: 'one letter less',
    does: (state) => filter(state, (text) => text.slice(0, -1)),
  },
  { keys: ['ctrl-u'], help: 'none', does: (state) => filter(state, () => '') },
  { keys: ['up'], help: 'one row up', does: move(() => -1) },
  { keys: ['down'], help: 'one row down', does: move(() => 1) },
]

const drainKeys: readonly Binding[] = [
  { keys: ['y'], short: 'y yes', help: 'do it', does: () => 'drain' },
]

/** Whatever is shown. */
const everywhere: readonly Binding[] = [
  { keys: ['ctrl-c'], help: 'end', does: () => 'end' },
  { keys: ['ctrl-z'], help: 'to the shell, until "fg"', does: () => 'suspend' },
]

/** What a key in each mode does, and what one does that is not in the table. */
const modes: Readonly<
  Record<
    Mode,
    { readonly keys: readonly Binding[]; readonly other: (state: State, typed: string) => State }
  >
> = {
  rows: { keys: rowKeys, other: (state) => state },
  filter: {
    keys: filterKeys,
    other: (state, typed) => (isText(typed) ? filter(state, (text) => text + typed) : state),
  },
  help: { keys: [], other: (state) => ({ ...state, mode: 'rows' }) },
  drain: { keys: drainKeys, other: (state) => ({ ...state, mode: 'rows' }) },
}

/** Lines of help: what to press, and what that does. */
export const helpRows: readonly (readonly [label: string, help: string])[] = [
  ...rowKeys.map(({ label, help }) => [label!, help] as const),
  ['^Z', 'to the shell, until "fg"'],
]

/** For the last line. */
export function shortKeys({ mode, service, isDirected }: State): string[] {
  const useless = [service === undefined ? 'left' : 'right', ...(isDirected ? [] : ['d'])]
  return modes[mode].keys
    .filter(({ keys, short }) => short !== undefined && !keys.some((key) => useless.includes(key)))
    .map(({ short }) => short!)
}

/** @param typed of {@link keyName} */
export function press(state: State, typed: string, shown: Shown): Next {
  const { keys, other } = modes[state.mode]
  const key = [...everywhere, ...keys].find((one) => one.keys.includes(typed))
  return key === undefined ? other(state, typed) : key.does(state, shown)
}

/** What Node.js says of a key: `a`, `A`, `up`, `ctrl-c`. */
export function keyName(
  text: string | undefined,
  key: Pick<Key, 'name' | 'ctrl' | 'meta'>,
): string {
  if (key.ctrl && key.name !== undefined) return `ctrl-${key.name}`
  if (key.meta && key.name !== 'escape') return `meta-${key.name}`
  return text !== undefined && isText(text) ? text : (key.name ?? '')
}

/** One character that can be seen, or a space. */
function isText(typed: string): boolean {
  return [...typed].length === 1 && !/\p{C}/u.test(typed)
}

export function listOf(state: State): List {
  return state.service === undefined ? state.services : state.destinations
}

export function columnsIn({ service, hasCounters }: State): readonly ColumnName[] {
  return columnsOf(service === undefined ? 'services' : 'destinations', hasCounters)
}

/** After rows have come or gone: selects who is there, and keeps it in the window. */
export function settle(state: State, { rows, page }: Shown): State {
  const list = listOf(state)
  const at = indexIn(list, rows)
  const top = Math.min(Math.max(list.top, at - page + 1, 0), at, Math.max(rows.length - page, 0))
  const selected = list.selected === undefined ? undefined : rows[at]?.name
  return at === list.at && top === list.top && selected === list.selected
    ? state
    : withList(state, { at, top, selected })
}

/** Of the row that is selected; where it has gone, of what stands there now. */
export function indexIn({ selected, at }: List, rows: readonly Row[]): number {
  if (selected === undefined) return 0
  const found = rows[at]?.name === selected ? at : rows.findIndex(({ name }) => name === selected)
  return found === -1 ? Math.max(Math.min(at, rows.length - 1), 0) : found
}

function select(state: State, shown: Shown, index: number): State {
  const at = Math.max(Math.min(index, shown.rows.length - 1), 0)
  const selected = at === 0 ? undefined : shown.rows[at]!.name
  return settle(withList(state, { selected, at }), shown)
}

function enter(state: State, { rows }: Shown): State {
  const row = rows[indexIn(state.services, rows)]
  if (state.service !== undefined || row === undefined) return state
  const destinations = { ...state.destinations, filter: '', selected: undefined, at: 0, top: 0 }
  // Stays selected, wherever it is when somebody comes back.
  const services = { ...state.services, selected: row.name }
  return { ...state, services, destinations, service: row.name }
}

function filter(state: State, change: (text: string) => string): State {
  return withList(state, { filter: change(listOf(state).filter) })
}

function sortBy(state: State, by: number): State {
  const keys: readonly SortKey[] = ['name', ...columnsIn(state)]
  const at = keys.indexOf(listOf(state).sort.key)
  const key = keys[(at + by + keys.length) % keys.length]!
  return withList(state, { sort: { key, reverse: false } })
}

function withList(state: State, change: Partial<List>): State {
  const name = state.service === undefined ? 'services' : 'destinations'
  return { ...state, [name]: { ...state[name], ...change } }
}

/** Before the first key. */
export function begin(hasCounters: boolean, wanted: SortKey | undefined): State {
  const list = (rowsAre: 'services' | 'destinations'): List => {
    const keys: readonly SortKey[] = ['name', ...columnsOf(rowsAre, hasCounters)]
    const usual = hasCounters ? 'in-packets' : 'active'
    const key = wanted !== undefined && keys.includes(wanted) ? wanted : usual
    return { filter: '', sort: { key, reverse: false }, selected: undefined, at: 0, top: 0 }
  }
  return {
    mode: 'rows',
    services: list('services'),
    destinations: list('destinations'),
    service: undefined,
    hasCounters,
    isDirected: false,
  }
}
