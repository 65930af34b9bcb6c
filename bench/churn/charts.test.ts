import { describe, expect, it } from 'vitest'
import { colours } from '../../lab/page/chart.js'
import { parseXml, type Tag } from '../../lab/page/xml.js'
import { barChart, lineChart } from './charts.js'
import { report, result } from './made-up.js'
import { kindOf } from './results.js'

const options = { case: 'flip-weight', title: 'A mirrored flip', unit: 'flip' }
const lines = {
  title: 'Cost per change by batch size',
  x: { label: 'changes in one batch', values: [1, 2, 4, 8, 16] },
  y: { label: 'Time per change' },
  series: [
    { name: 'applySync', values: [14, 9, 7, 6, 5] },
    { name: 'ipvsadm', values: [4000, 2000, 1000, 500, 250] },
  ],
  note: 'Linux 6.1.176',
}

const textsOf = (tags: readonly Tag[]) =>
  tags.filter(({ name }) => name === 'text').map(({ text }) => text)
const ticksOf = (tags: readonly Tag[]) =>
  textsOf(tags).filter((text) => /^[\d.]+ (µs|ms|s)$/.test(text))
/** What is filled with one of these colours and begins on the left axis, from the top. */
const barsOf = (tags: readonly Tag[]) =>
  tags.flatMap(({ name, attributes: { d = '', fill } }) => {
    const bar = name === 'path' && /^M240 ([\d.]+)l([\d.]+) 0l0 18/.exec(d)
    return bar ? [{ y: Number(bar[1]), width: Number(bar[2]), fill }] : []
  })
const drawn = (medians: readonly number[], more = {}) =>
  parseXml(barChart(report(medians.map((us) => result(`d${us}`, us, more))), options))

describe('bars', () => {
  it('grow with the values, the shortest first, by the same length for the same factor', () => {
    const tags = drawn([10_000, 10, 1000, 100])
    expect(textsOf(tags).filter((text) => text.startsWith('d'))).toEqual(
      ['d10', 'd100', 'd1000', 'd10000'], // the fastest first
    )
    const bars = barsOf(tags)
    expect(bars).toHaveLength(4)
    for (const [i, { width }] of bars.entries()) {
      expect(width / bars[0]!.width).toBeCloseTo(i + 1, 1)
    }
    expect(bars.map(({ y }) => y)).toEqual(bars.map(({ y }) => y).toSorted((a, b) => a - b))
  })

  it('stand on decades from 1 µs to 1 s', () => {
    expect(ticksOf(drawn([42])).filter((text) => !text.startsWith('42'))).toEqual(
      ['1 µs', '10 µs', '100 µs', '1 ms', '10 ms', '100 ms', '1 s'], // no more, no fewer
    )
  })

  it('have more decades for values beyond these', () => {
    const ticks = ticksOf(drawn([0.25, 4e6]))
    expect(ticks).toEqual(expect.arrayContaining(['0.1 µs', '10 s']))
  })

  it('are labelled with value and ratio, behind a whisker up to the 99th percentile', () => {
    const tags = drawn([42], { p99Us: 420 })
    const texts = textsOf(tags)
    expect(texts).toEqual(expect.arrayContaining(['42.0 µs', '4.20× floor']))
    const [bar] = barsOf(tags)
    const [whisker, cap] = tags
      .filter(({ attributes }) => attributes.stroke === colours.ink)
      .map(({ attributes }) => attributes.d!.match(/[\d.]+/g)!.map(Number))
    expect(whisker![0]).toBeCloseTo(240 + bar!.width, 0)
    // Ten times the value: as long as from one gridline to the next.
    expect(whisker![2]! - whisker![0]!).toBeCloseTo(bar!.width / Math.log10(42), 0)
    expect(cap![0]).toBe(whisker![2])
  })

  it('leave room for the label of a long one', () => {
    const tags = drawn([900_000], { p99Us: 999_000, ratioToFloor: 123_456 })
    const label = tags.find(({ text, name }) => name === 'text' && text.endsWith('floor'))!
    const [, x] = /translate\(([\d.]+)/.exec(label.attributes.transform!)!
    expect(Number(x) + Number(label.attributes.x ?? 0) + label.text.length * 7.5).toBeLessThan(860)
  })

  it('show a driver that took no time at all at the low end', () => {
    const svg = barChart(report([result('pool', 0), result('apply', 100)]), options)
    expect(svg).not.toMatch(/NaN|Infinity|undefined/)
    expect(textsOf(parseXml(svg))).toContain('0.00 µs')
  })

  it('have the colour of their kind', () => {
    const drivers = ['applySync', 'apply', 'pool', 'c-floor', 'c-ack', 'libnl', 'netlink-64']
    const tags = parseXml(barChart(report(drivers.map((d, i) => result(d, i + 2))), options))
    const bars = barsOf(tags).toSorted((a, b) => a.y - b.y)
    expect(bars.map(({ fill }) => fill)).toEqual(drivers.map((driver) => colours[kindOf(driver)]))
    expect(drivers.map(kindOf)).toEqual(
      ['ours', 'ours', 'ours', 'floor', 'floor', 'other', 'other'], // in the order above
    )
  })

  it('say in words what they show', () => {
    const [, , description] = drawn([10, 1000])
    expect(description!.text).toBe(
      'Median time per flip, the fastest first: d10 10.0 µs, d1000 1.00 ms.',
    )
  })

  it('need a case that was run', () => {
    expect(() => barChart(report([]), options)).toThrow('the report has no case "flip-weight"')
  })
})

describe('lines', () => {
  const tags = parseXml(lineChart(lines))

  it('fall where the values do', () => {
    const [ys] = tags
      .filter(({ attributes }) => attributes.stroke === colours.ours && attributes.d)
      .map(({ attributes }) => [...attributes.d!.matchAll(/[ML][\d.]+ ([\d.]+)/g)])
      .filter((points) => points.length === 5)
      .map((points) => points.map(([, y]) => Number(y)))
    expect(ys).toEqual(ys!.toSorted((a, b) => a - b))
    expect(new Set(ys).size).toBe(5)
  })

  it('have each value of x on their axis, and decades beside them', () => {
    expect(textsOf(tags)).toEqual(expect.arrayContaining(['1', '2', '4', '8', '16']))
    expect(ticksOf(tags)).toEqual(['1 µs', '10 µs', '100 µs', '1 ms', '10 ms'])
  })

  it('are named where they end, without one name over another', () => {
    const names = ['a', 'b', 'c', 'd']
    const series = names.map((name) => ({ name, values: [5, 5, 5, 5, 5] }))
    const labels = parseXml(lineChart({ ...lines, series })).filter(
      ({ name, text }) => name === 'text' && names.includes(text),
    )
    expect(labels.map(({ text }) => text)).toEqual(names)
    const ys = labels
      .map(({ attributes }) => Number(/ ([\d.]+)\)/.exec(attributes.transform!)![1]))
      .sort((a, b) => a - b)
    for (const [i, y] of ys.slice(1).entries()) expect(y - ys[i]!).toBeGreaterThan(12)
  })

  it('say in words where they end', () => {
    expect(tags[2]!.text).toBe(
      'Time per change by changes in one batch. At the right end: applySync 5.00 µs, ipvsadm 250 µs.',
    )
  })

  it('need a value for each of x', () => {
    const series = [{ name: 'a', values: [1] }]
    expect(() => lineChart({ ...lines, series })).toThrow('"a" has 1 values for 5 of x')
  })
})
