import { describe, expect, it } from 'vitest'
import { report, result } from '../../bench/churn/made-up.js'
import { kindOf } from '../../bench/churn/results.js'
import { barChart, escapeXml, lineChart } from './plot.js'
import { parseXml, type Tag } from './xml.js'

const bad = '<&"> ]]> \u0000'
const options = { case: 'flip-weight', title: 'A mirrored flip', unit: 'flip' }
const lines = {
  title: 'Cost per change by batch size',
  x: { label: 'changes in one batch', values: [1, 2, 4, 8, 16], log: true },
  y: { label: 'Time per change' },
  series: [
    { name: 'applySync', values: [14, 9, 7, 6, 5] },
    { name: 'ipvsadm', values: [4000, 2000, null, 500, 250] },
  ],
}

const withClass = (tags: readonly Tag[], name: string) =>
  tags.filter(({ attributes }) => attributes.class?.split(' ').includes(name))
const numbers = (tags: readonly Tag[], attribute: string) =>
  tags.map(({ attributes }) => Number(attributes[attribute]))
const texts = (tags: readonly Tag[]) => tags.map(({ text }) => text)

describe.each([
  ['bars', barChart(report([result('applySync', 14), result('c-floor', 10)]), options)],
  ['lines', lineChart({ ...lines, note: 'Linux 6.1.176' })],
])('a picture of %s', (_, svg) => {
  const tags = parseXml(svg)

  it('is well-formed, with a title, a description and a size', () => {
    expect(tags[0]).toMatchObject({
      name: 'svg',
      attributes: { xmlns: 'http://www.w3.org/2000/svg', role: 'img', width: '860' },
    })
    expect(tags.slice(1, 3).map(({ name }) => name)).toEqual(['title', 'desc'])
    expect(tags[1]!.text).not.toBe('')
    expect(tags[2]!.text).not.toBe('')
  })

  it('has its own background, and colours for a light and a dark page', () => {
    const [style] = tags.filter(({ name }) => name === 'style')
    const [light, dark] = style!.text.split('@media (prefers-color-scheme:dark)')
    const classes = (css: string) =>
      [...css.matchAll(/\.(?:fill|stroke)-[\w-]+(?=\{)/g)].map(String)
    expect(light).toContain('.back{fill:#ffffff')
    expect(dark).toContain('.back{fill:#10151c')
    expect(classes(dark!)).toEqual(classes(light!))
    expect(withClass(tags, 'back')).toHaveLength(1)
  })

  it('has coordinates that are numbers within the picture', () => {
    expect(svg).not.toMatch(/NaN|Infinity|undefined|null/)
    const { width, height } = tags[0]!.attributes
    for (const x of numbers(withClass(tags, 'tick'), 'x')) expect(x).toBeLessThan(Number(width))
    for (const y of numbers(withClass(tags, 'note'), 'y')) expect(y).toBeLessThan(Number(height))
  })
})

describe('bars', () => {
  it('grow with the values, by the same length for the same factor', () => {
    const medians = [10_000, 10, 1000, 100]
    const tags = parseXml(barChart(report(medians.map((us) => result(`d${us}`, us))), options))
    expect(texts(withClass(tags, 'name'))).toEqual(['d10', 'd100', 'd1000', 'd10000'])
    const widths = numbers(withClass(tags, 'bar'), 'width')
    for (const [i, width] of widths.entries()) expect(width).toBeCloseTo(widths[0]! * (i + 1), 0)
  })

  it('stand on decades from 1 µs to 1 s', () => {
    const tags = parseXml(barChart(report([result('apply', 42)]), options))
    expect(withClass(tags, 'grid')).toHaveLength(7)
    expect(texts(withClass(tags, 'middle'))).toEqual(
      ['1 µs', '10 µs', '100 µs', '1 ms', '10 ms', '100 ms', '1 s'], // no more, no fewer
    )
  })

  it('have more decades for values beyond these', () => {
    const tags = parseXml(barChart(report([result('a', 0.25), result('b', 4e6)]), options))
    const ticks = texts(withClass(tags, 'middle'))
    expect([ticks[0], ticks.at(-1)]).toEqual(['0.1 µs', '10 s'])
  })

  it('are labelled with value and ratio, after a whisker up to the 99th percentile', () => {
    const tags = parseXml(barChart(report([result('apply', 42, { p99Us: 420 })]), options))
    const [value] = withClass(tags, 'value')
    expect(value!.text).toBe('42.0 µs4.20× floor')
    const [, from, to] = /^M([\d.]+) [\d.]+H([\d.]+)/.exec(
      withClass(tags, 'whisker')[0]!.attributes.d!,
    )!
    const ticks = numbers(withClass(tags, 'middle'), 'x')
    expect(Number(to) - Number(from)).toBeCloseTo(ticks[1]! - ticks[0]!, 0)
    expect(Number(value!.attributes.x)).toBeGreaterThan(Number(to))
  })

  it('leave room for the label of a long bar', () => {
    const long = result('ipvsadm', 900_000, { p99Us: 999_000, ratioToFloor: 1_234_567 })
    const [value] = withClass(parseXml(barChart(report([long]), options)), 'value')
    expect(Number(value!.attributes.x) + value!.text.length * 7.5).toBeLessThan(860 - 24)
  })

  it('have the colour of their kind', () => {
    const drivers = ['applySync', 'apply', 'pool', 'c-floor', 'c-ack', 'libnl', 'netlink-64']
    const tags = parseXml(barChart(report(drivers.map((d, i) => result(d, i + 1))), options))
    expect(withClass(tags, 'bar').map(({ attributes }) => attributes.class)).toEqual(
      drivers.map((driver) => `bar fill-${kindOf(driver)}`),
    )
    expect(drivers.map(kindOf)).toEqual(
      ['ours', 'ours', 'ours', 'floor', 'floor', 'other', 'other'], // in the order above
    )
  })

  it('show a driver without a value as such', () => {
    const svg = barChart(
      report([result('apply', Number.NaN, { ratioToFloor: null }), result('pool', 0)]),
      options,
    )
    expect(texts(withClass(parseXml(svg), 'value'))).toContain('–')
    expect(svg).not.toContain('NaN')
  })

  it('need a case that was run', () => {
    expect(() => barChart(report([]), options)).toThrow('the report has no case "flip-weight"')
  })
})

describe('lines', () => {
  it('fall where the values do, and have a gap where none was measured', () => {
    const tags = parseXml(lineChart(lines))
    const paths = withClass(tags, 'line').map(({ attributes }) => attributes.d!)
    expect(paths.map((d) => d.replace(/[^ML]/g, '')).filter((d) => d !== 'M')).toEqual([
      'MLML', // the other tools first: ours lie on top of them
      'MLLLL',
    ])
    const ys = numbers(withClass(tags, 'dot'), 'cy')
    expect(ys.slice(4)).toEqual(ys.slice(4).toSorted((a, b) => a - b))
  })

  it('choose a logarithmic scale for values far apart', () => {
    const ticks = (series: { name: string; values: number[] }[]) =>
      texts(withClass(parseXml(lineChart({ ...lines, series })), 'end'))
    expect(ticks([{ name: 'apply', values: [5, 5.1, 5.2, 5.3, 5.4] }])).toEqual(
      ['0', '1 µs', '2 µs', '3 µs', '4 µs', '5 µs', '6 µs'], // from nothing: no false cliffs
    )
    expect(ticks([{ name: 'apply', values: [3000, 300, 30, 20, 12] }])).toEqual(
      ['10 µs', '100 µs', '1 ms', '10 ms'], // around the values
    )
  })

  it('are named where they end, without one name over another', () => {
    const names = ['a', 'b', 'c', 'd', 'e', 'f']
    const series = names.map((name) => ({ name, values: [5, 5, 5, 5, 5] }))
    const labels = withClass(parseXml(lineChart({ ...lines, series })), 'label')
    expect(texts(labels)).toEqual(names)
    const ys = numbers(labels, 'y').sort((a, b) => a - b)
    for (const [i, y] of ys.slice(1).entries()) expect(y - ys[i]!).toBeGreaterThan(16)
  })

  it('name only as many values of x as there is room for, the largest among them', () => {
    const values = Array.from({ length: 200 }, (_, i) => 1000 * (i + 1))
    const ticks = texts(
      withClass(
        parseXml(
          lineChart({ ...lines, x: { label: 'n', values }, series: [{ name: 'a', values }] }),
        ),
        'middle',
      ),
    )
    expect(ticks.length).toBeLessThan(20)
    expect(ticks).toContain('200,000')
  })

  it('can be one point', () => {
    const svg = lineChart({
      ...lines,
      x: { label: 'n', values: [8], log: true },
      series: [{ name: 'a', values: [5] }],
    })
    expect(svg).not.toContain('NaN')
  })

  it('refuse what cannot be drawn', () => {
    const x = lines.x
    const one = (values: (number | null)[]) => ({ ...lines, series: [{ name: 'a', values }] })
    expect(() => lineChart(one([1]))).toThrow('"a" has 1 values for 5 of x')
    expect(() => lineChart(one([null, null, null, null, null]))).toThrow('nothing to show')
    expect(() => lineChart(one([1, Number.NaN, 1, 1, 1]))).toThrow('is not a number')
    expect(() => lineChart({ ...lines, x: { ...x, values: [0, 1, 2, 3, 4] } })).toThrow('0 or less')
  })
})

describe('text', () => {
  it('is escaped', () => {
    expect(escapeXml(`<&"'>`)).toBe('&lt;&amp;&quot;&#39;&gt;')
    expect(escapeXml('a\u0000b\uD800c\n😀')).toBe('a\uFFFDb\uFFFDc\n😀')
  })

  it('is escaped everywhere', () => {
    const pictures = [
      barChart(report([result(bad, 10, { case: bad })], { kernel: bad, node: bad, machine: bad }), {
        case: bad,
        title: bad,
        unit: bad,
      }),
      lineChart({
        title: bad,
        x: { label: bad, values: [1, 2] },
        y: { label: bad },
        series: [{ name: bad, values: [1, 2] }],
        note: bad,
      }),
    ]
    for (const picture of pictures) {
      const shown = texts(parseXml(picture).filter(({ name }) => ['title', 'text'].includes(name)))
      expect(shown).toContain(bad.replace('\u0000', '\uFFFD'))
    }
  })
})
