// What keys do, one after the other, to rows that come and go.
import { describe, expect, test } from 'vitest'
import { arrange } from '../../../../src/command/top/columns.js'
import {
  begin,
  helpRows,
  indexIn,
  keyName,
  listOf,
  press,
  type State,
  settle,
  shortKeys,
} from '../../../../src/command/top/keys.js'
import { rated } from './rows.js'

const names = Array.from({ length: 50 }, (_, n) => `s${n + 1}`)
const rows = rated(Object.fromEntries(names.map((name, at) => [name, at + 1])))
const page = 10

/** Types them, as the view does: what is shown follows each. */
function type(keys: readonly string[], from = begin(true, 'name')): State {
  return keys.reduce((state, key) => {
    const next = press(state, key, { rows: shown(state), page })
    if (typeof next === 'string') throw new Error(next)
    return settle(next, { rows: shown(next), page })
  }, from)
}
const shown = (state: State) =>
  state.service === undefined
    ? arrange(rows, listOf(state).sort, listOf(state).filter)
    : rows.slice(0, 3)
const current = (state: State) => shown(state)[indexIn(listOf(state), shown(state))]?.name
const times = (n: number, key: string) => Array<string>(n).fill(key)

describe('rows', () => {
  test.each<[keys: string[], row: string, top: number]>([
    [[], 's1', 0],
    [['down'], 's2', 0],
    [['j', 'j', 'k'], 's2', 0],
    [['up'], 's1', 0],
    [times(10, 'j'), 's11', 1],
    [['pagedown'], 's11', 1],
    [['pagedown', 'pageup'], 's1', 0],
    [['end'], 's50', 40],
    [['end', 'j'], 's50', 40],
    [['end', ...times(9, 'k')], 's41', 40],
    [['end', ...times(10, 'k')], 's40', 39],
    [['end', 'home'], 's1', 0],
    [times(6, 'pagedown'), 's50', 40],
    [['x', 'meta-q', 'ctrl-a', 'f1'], 's1', 0],
  ])('%j', (keys, row, top) => {
    const state = type(keys)
    expect([current(state), listOf(state).top]).toEqual([row, top])
  })

  test('who was selected stays so, wherever the row goes; the first is whichever is first', () => {
    const reversed = (state: State) => type(['r'], state)
    expect(current(reversed(type(['j', 'j'])))).toBe('s3')
    expect(listOf(reversed(type(['j', 'j']))).top).toBe(38)
    expect(current(reversed(type([])))).toBe('s50')
    expect(current(reversed(type(['j', 'home'])))).toBe('s50')
  })

  test('where a row was that has gone, the next one is selected', () => {
    const state = type(times(4, 'j'))
    const left = rows.filter(({ name }) => name !== 's5')
    expect(left[indexIn(listOf(state), left)]!.name).toBe('s6')
    expect(listOf(settle(state, { rows: left, page })).selected).toBe('s6')
    const none = settle(state, { rows: [], page })
    expect(listOf(none)).toMatchObject({ at: 0, top: 0, selected: undefined })
  })

  test('a larger window shows more, without a gap at its end', () => {
    expect(listOf(settle(type(['end']), { rows, page: 30 })).top).toBe(20)
    expect(listOf(settle(type(['end']), { rows, page: 100 })).top).toBe(0)
    expect(listOf(settle(type(times(9, 'j')), { rows, page: 4 })).top).toBe(6)
  })
})

describe('the filter', () => {
  test('follows what is typed, and is kept with enter', () => {
    const typed = type(['/', 's', '1'])
    expect([typed.mode, shown(typed).length]).toEqual(['filter', 11])
    expect(shown(type(['/', 's', '1', 'backspace'])).length).toBe(50)
    expect(shown(type(['/', 'q', 'j'])).length).toBe(0)
    const kept = type(['/', 's', '1', 'return', 'j'])
    expect([kept.mode, current(kept), listOf(kept).filter]).toEqual(['rows', 's10', 's1'])
  })

  test('goes with escape, typed or kept', () => {
    for (const keys of [['escape'], ['return', 'escape'], ['ctrl-u', 'return']]) {
      const state = type(['/', '9', ...keys])
      expect([state.mode, listOf(state).filter]).toEqual(['rows', ''])
    }
  })

  test('takes letters, whatever their case and script, and nothing else', () => {
    const state = type(['/', ...['ctrl-a', 'meta-x', 'f1', 'tab', 'S', 'é', '😀', ' ', '\x1b', '']])
    expect(listOf(state).filter).toBe('Sé😀 ')
    expect(shown(type(['/', 'S', '4', '9'])).length).toBe(1)
  })

  test('of what is behind the name too', () => {
    expect(shown(type(['/', ...'wrr'])).length).toBe(50)
  })
})

describe('sorting', () => {
  test('goes through the columns that there are, and around', () => {
    const key = (...keys: string[]) => listOf(type(keys)).sort.key
    expect(key()).toBe('name')
    expect(key('>')).toBe('connections')
    expect(key('<')).toBe('out-bytes')
    expect(key(...times(6, '>'))).toBe('name')
    expect(key('return', ...times(2, '>'))).toBe('active')
    expect(key('return', '<')).toBe('out-bytes')
  })

  test('numbers begin with the largest, and another column is not reversed any more', () => {
    expect(current(type(['>']))).toBe('s50')
    expect(current(type(['>', 'r']))).toBe('s1')
    expect(current(type(['r', '>']))).toBe('s50')
  })

  test('services and destinations have their own', () => {
    const state = type(['>', 'return', '>', '>', 'left'])
    expect(state.services.sort.key).toBe('connections')
    expect(state.destinations.sort.key).toBe('active')
  })

  test.each([
    ['weight', true, 'in-packets', 'weight'],
    ['in-bytes', true, 'in-bytes', 'in-bytes'],
    ['in-bytes', false, 'active', 'active'],
    [undefined, true, 'in-packets', 'in-packets'],
  ] as const)('--sort %s, with counters: %s', (wanted, hasCounters, services, destinations) => {
    const state = begin(hasCounters, wanted)
    expect([state.services.sort.key, state.destinations.sort.key]).toEqual([services, destinations])
  })
})

describe('destinations', () => {
  test.each(['return', 'right'])(
    '%s shows them, and left and escape lead back to the service',
    (key) => {
      const inside = type(['j', 'j', key, 'j'])
      expect([inside.service, current(inside)]).toEqual(['s3', 's2'])
      expect(type([key], inside).service).toBe('s3')
      for (const back of ['left', 'escape']) {
        const outside = type([back], inside)
        expect([outside.service, current(outside)]).toEqual([undefined, 's3'])
      }
    },
  )

  test('they begin at the first one, without a filter; the services keep theirs', () => {
    const state = type([
      '/',
      '4',
      'return',
      'return',
      'j',
      '/',
      'x',
      'return',
      'left',
      'left',
      'return',
    ])
    expect(state.service).toBe('s4')
    expect(state.destinations).toMatchObject({ filter: '', at: 0 })
    expect(state.services.filter).toBe('4')
  })

  test('where there is no service, there is nothing to enter', () => {
    expect(type(['/', 'x', 'x', 'return', 'return']).service).toBe(undefined)
  })

  test('escape takes the filter away first', () => {
    const inside = type(['return', '/', 's', 'return', 'escape'])
    expect([inside.service, inside.destinations.filter]).toEqual(['s1', ''])
    expect(type(['escape'], inside).service).toBe(undefined)
  })
})

test('help goes with any key', () => {
  for (const key of ['?', 'h']) expect(type([key]).mode).toBe('help')
  for (const key of ['q', 'x', 'escape', 'down']) expect(type(['?', key]).mode).toBe('rows')
})

test('q ends it, where it is no letter; ^C and ^Z do what they do everywhere', () => {
  const shownRows = { rows, page }
  expect(press(type([]), 'q', shownRows)).toBe('end')
  expect(listOf(type(['/', 'q'])).filter).toBe('q')
  for (const keys of [[], ['/'], ['?'], ['return']]) {
    expect(press(type(keys), 'ctrl-c', shownRows)).toBe('end')
    expect(press(type(keys), 'ctrl-z', shownRows)).toBe('suspend')
  }
})

test('every key is in the help, and in the last line there are those for what is shown', () => {
  expect(helpRows.map(([label]) => label).join(' ')).toMatch(
    /up, k.*home.*enter.*\/.*>.*r.*\?.*q, \^C.*\^Z/,
  )
  expect(shortKeys(type([]))).toEqual([
    ...['enter destinations', '/ filter', '< > sort', 'r reverse', '? help', 'q quit'],
  ])
  expect(shortKeys(type(['return']))[0]).toBe('left back')
  expect(shortKeys(type(['/']))).toEqual(['enter keep it', 'escape all rows'])
})

test.each([
  ['a', { name: 'a' }, 'a'],
  ['A', { name: 'a', shift: true }, 'A'],
  ['/', {}, '/'],
  [' ', { name: 'space' }, ' '],
  ['é', {}, 'é'],
  ['\r', { name: 'return' }, 'return'],
  ['\x03', { name: 'c', ctrl: true }, 'ctrl-c'],
  [undefined, { name: 'up' }, 'up'],
  ['\x1b', { name: 'escape', meta: true }, 'escape'],
  ['x', { name: 'x', meta: true }, 'meta-x'],
  [undefined, { name: undefined }, ''],
] as [string | undefined, object, string][])('%j %j is %s', (text, key, name) => {
  expect(keyName(text, key)).toBe(name)
})
