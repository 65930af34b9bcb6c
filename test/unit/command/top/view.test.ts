// What a window shows, line by line, at every size.
import { describe, expect, test } from 'vitest'
import { arrange, figure } from '../../../../src/command/top/columns.js'
import { begin, settle } from '../../../../src/command/top/keys.js'
import { printable } from '../../../../src/command/top/looks.js'
import { sumOf } from '../../../../src/command/top/model.js'
import { differing } from '../../../../src/command/top/screen.js'
import {
  blocks,
  draw,
  letters,
  type Picture,
  pageOf,
  shorten,
  sparkline,
} from '../../../../src/command/top/view.js'
import { rated, seen } from './rows.js'

const plain = (_: string, text: string) => text
const marked = (style: string, text: string) => `<${style}>${text}</>`
const SMALL = { columns: 80, rows: 8 }

function picture(change: Partial<Picture> = {}): Picture {
  const rows = change.rows ?? rated({ 'udp 192.0.2.53:53': 12, 'tcp 192.0.2.53:53': 3000 })
  const { size = SMALL, state = begin(true, 'connections') } = change
  return {
    ...{ total: rows.length, rates: sumOf(rows), about: 'every 2s', time: '03:12:07' },
    ...{ problem: undefined, note: '/proc has no counters', glyphs: blocks },
    ...change,
    ...{ rows, size, state: settle(state, { rows, page: pageOf(size) }) },
  }
}
const lines = (change: Partial<Picture> = {}) => draw(picture(change), plain)
const bare = (text: string) => text.replaceAll('\x1b[7m', '').replaceAll('\x1b[27m', '')

test('services with their rates, the one that is selected in reverse', () => {
  const rows = arrange(picture().rows, { key: 'connections', reverse: false })
  expect(lines({ rows })).toEqual([
    'ipvs top  2 services  every 2s                                          03:12:07',
    '3012 conn/s   in 6024 pkt/s 12.0k B/s   out 9036 pkt/s 15.1k B/s',
    'SERVICE           ▼CONN/S  IN-PKT/S  OUT-PKT/S  IN-B/S  OUT-B/S           CONN/S',
    '\x1b[7mtcp 192.0.2.53:53    3000      6000       9000   12.0k    15.0k                █\x1b[27m',
    'udp 192.0.2.53:53      12        24         36      48       60                █',
    '',
    '',
    'enter destinations   / filter   < > sort   r reverse   ? help   q quit',
  ])
})

test('destinations with their weights; those without are yellow, and what has no rate yet has a dash', () => {
  const rows = [
    ...rated({ '10.1.0.1:53': 2 }, { weight: 3, active: 7, inactive: 12_345 }),
    ...rated({ '10.1.0.2:53': 0 }, { weight: 0, active: 0, inactive: 0 }),
    {
      ...seen('10.1.0.3:53', undefined, { weight: 1 }),
      rates: undefined,
      history: [],
      readings: [],
    },
  ]
  const state = { ...begin(true, 'weight'), service: 'udp 192.0.2.53:53' }
  const [title, , head, ...others] = draw(picture({ rows, state }), marked)
  expect(title).toMatch(/^<bold>udp 192\.0\.2\.53:53 {2}3 destinations {2}every 2s .*03:12:07<\/>$/)
  expect(head).toMatch(/DESTINATION {2}▼WEIGHT {2}ACTIVE {2}INACTIVE/)
  expect(bare(others[0]!)).toMatch(/^10\.1\.0\.1:53 +3 +7 +12\.3k +2 +4 /)
  expect(others[1]).toMatch(/^<yellow>10\.1\.0\.2:53 +0 +0 +0 +0 +0 .*<\/>$/)
  expect(others[2]).toMatch(/^10\.1\.0\.3:53 +1 +- +- +- +- /)
})

test('a problem takes the place of the sums', () => {
  const [, line] = draw(picture({ problem: 'As of 03:12:07: no answer.' }), marked)
  expect(line).toBe('<yellow>As of 03:12:07: no answer.</>')
})

test('without counters there are connections, and that is said', () => {
  const rows = [
    {
      ...seen('udp 192.0.2.53:53', undefined, { active: 3, inactive: 4 }),
      rates: undefined,
      history: [],
      readings: [],
    },
  ]
  const [, note, head, row] = lines({ rows, state: begin(false, undefined) })
  expect(note).toBe('/proc has no counters')
  expect(head).toMatch(/^SERVICE +SCHEDULER +▼ACTIVE +INACTIVE$/)
  expect(bare(row!)).toMatch(/^udp 192\.0\.2\.53:53 +wrr +3 +4 *$/)
})

test('a filter that is typed is in the last line, and what it finds in the first', () => {
  const state = { ...begin(true, 'name'), mode: 'filter' as const }
  const filtered = { ...state, services: { ...state.services, filter: 'tcp' } }
  const all = picture().rows
  const [title] = lines({
    state: filtered,
    rows: arrange(all, state.services.sort, 'tcp'),
    total: 2,
  })
  expect(title).toContain('1 with "tcp" of 2 services')
  expect(lines({ state: filtered }).at(-1)).toBe('/tcp_   enter keep it   escape all rows')
})

test('more rows than lines: which of them are seen is said', () => {
  const rows = rated(Object.fromEntries(Array.from({ length: 9 }, (_, n) => [`s${n}`, n])))
  expect(lines({ rows })[0]).toMatch(/^ipvs top {2}1-4 of 9 services /)
})

test('help has every key in a window of 80 x 24', () => {
  const state = { ...begin(true, 'name'), mode: 'help' as const }
  const page = lines({ state, size: { columns: 80, rows: 24 } })
  for (const text of ['up, k', 'page down, space', 'q, ^C', '^Z', 'any key: back']) {
    expect(page.join('\n')).toContain(text)
  }
})

describe('whatever the size', () => {
  const rows = rated(
    Object.fromEntries(
      ['udp 192.0.2.53:53', 'tcp [2001:db8:1111:2222:3333:4444:5555:6666]:65535'].map((name) => [
        name,
        1e9,
      ]),
    ),
    { kind: 'wrr persistent 300s mask 255.255.255.0 (sh-port)', weight: 2147483647 },
  )
  const sizes = [1, 2, 20, 39, 40, 41, 57, 79, 80, 81, 100, 132, 300].flatMap((columns) =>
    [1, 2, 7, 8, 24, 60].map((count) => ({ columns, rows: count })),
  )
  const states = (['rows', 'filter', 'help'] as const).flatMap((mode) =>
    [undefined, 'udp 192.0.2.53:53'].map((service) => ({
      ...begin(true, 'out-bytes'),
      mode,
      service,
    })),
  )

  test.each(sizes)('$columns x $rows: so many lines, none of them wider', (size) => {
    for (const state of states) {
      const drawn = lines({ rows, state, size, problem: 'x'.repeat(200) })
      expect(drawn).toHaveLength(size.rows)
      for (const line of drawn) expect(bare(line).length).toBeLessThanOrEqual(size.columns)
    }
  })

  test('what is sorted by is always there, and a wider window shows more', () => {
    const head = (columns: number, state = states[0]!) =>
      lines({ rows, state, size: { columns, rows: 10 } })[2]!
        .trim()
        .split(/ +/)
    expect(head(40)).toContain('▼OUT-B/S')
    const counts = [40, 80, 100, 140].map((columns) => head(columns).length)
    expect(counts).toEqual(counts.toSorted((a, b) => a - b))
    expect(head(140)).toEqual([
      'SERVICE',
      'SCHEDULER',
      'CONN/S',
      'IN-PKT/S',
      'OUT-PKT/S',
      'IN-B/S',
      '▼OUT-B/S',
      'OUT-B/S',
    ])
  })

  test('too small a window says what it needs', () => {
    expect(lines({ size: { columns: 30, rows: 6 } }).join('')).toBe(
      'ipvs top needs a window of 40 x 8; this one has 30 x 6. q: quit',
    )
  })
})

test.each([
  [[], 4, '    '],
  [[0, 0], 4, '  ▁▁'],
  [[0, 1, 100], 3, '▁▂█'],
  [[5, 5], 2, '██'],
  [[100, 1, 2, 3, 4], 4, '▃▅▇█'],
])('%j in %d letters is "%s"', (values, width, text) => {
  expect(sparkline(values, width, blocks)).toBe(text)
})

test('a terminal that is no UTF-8 gets letters', () => {
  expect(sparkline([0, 1, 8], 3, letters)).toBe('_.#')
  for (const line of lines({ glyphs: letters })) expect(bare(line)).toMatch(/^[ -~]*$/)
})

test.each([
  ['udp 192.0.2.53:53', 20, 'udp 192.0.2.53:53'],
  ['[2001:db8:1:2:3:4:5:6]:65535', 20, '[2001:db8:1:2…:65535'],
  ['abc', 2, 'a…'],
  ['abc', 1, 'a'],
  ['abc', 0, ''],
])('%s in %d', (text, width, short) => {
  expect(shorten(text, width, blocks).length).toBeLessThanOrEqual(width)
  expect(shorten(text, width, blocks)).toBe(short)
})

test.each([
  [undefined, '-'],
  [0, '0'],
  [0.04, '0.0'],
  [0.5, '0.5'],
  [9.96, '10.0'],
  [12.4, '12'],
  [12_345.6, '12.3k'],
])('%s is %s', (value, text) => {
  expect(figure(value)).toBe(text)
})

test('of names nothing reaches the terminal that moves its cursor', () => {
  expect(printable('a\x1b[2Jb\u0007\u202e')).toBe('a?[2Jb??')
})

test('only lines that differ are written', () => {
  expect(differing([], ['a', '', 'b'])).toBe('\x1b[1;1H\x1b[2Ka\x1b[3;1H\x1b[2Kb')
  expect(differing(['a', 'b'], ['a', 'c'])).toBe('\x1b[2;1H\x1b[2Kc')
  expect(differing(['a', 'b'], ['a', ''])).toBe('\x1b[2;1H\x1b[2K')
  expect(differing(['a'], ['a'])).toBe('')
})

test('a key that moves the selection writes two rows, whatever the size of the table', () => {
  const rows = rated(
    Object.fromEntries(Array.from({ length: 1000 }, (_, n) => [`s${n + 10_000}`, 0])),
  )
  const state = begin(true, 'name')
  const size = { columns: 80, rows: 24 }
  const before = lines({ rows, state, size })
  const moved = { ...state, services: { ...state.services, selected: 's10001', at: 1 } }
  const text = differing(before, lines({ rows, state: moved, size }))
  expect(text.split('\x1b[2K')).toHaveLength(1 + 2)
})
