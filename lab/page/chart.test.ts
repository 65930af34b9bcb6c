import { describe, expect, test } from 'vitest'
import { type Chart, colours, renderChart } from './chart.js'
import { parseXml } from './xml.js'

const bad = '<&"\'> ]]>'
const chart: Chart = {
  height: 300,
  title: 'Two numbers',
  subtitle: 'One beside the other',
  description: 'First 1, then 2.',
  notes: ['Nobody has measured them.', 'Really.'],
  option: {
    xAxis: { type: 'category', data: ['a', bad] },
    yAxis: { type: 'value' },
    series: [
      { type: 'bar', data: [1, 2], color: colours.ours },
      { type: 'line', data: [1, 2] },
    ],
  },
}
const textsOf = (svg: string) =>
  parseXml(svg)
    .filter(({ name }) => name === 'text')
    .map(({ text }) => text)

describe('a picture', () => {
  test('is well-formed, with a title, a description and a size', () => {
    const tags = parseXml(renderChart(chart))
    expect(tags[0]).toMatchObject({
      name: 'svg',
      attributes: { role: 'img', width: '860', height: '300', viewBox: '0 0 860 300' },
    })
    expect(tags.slice(1, 3).map(({ name, text }) => [name, text])).toEqual([
      ['title', 'Two numbers'],
      ['desc', 'First 1, then 2.'],
    ])
  })

  test('shows its title, its subtitle and its notes', () => {
    expect(textsOf(renderChart(chart))).toEqual(
      expect.arrayContaining(['Two numbers', 'One beside the other', ...chart.notes]),
    )
  })

  test('has a background, and for a dark page another colour in place of each of its own', () => {
    const svg = renderChart(chart)
    const [, dark] = svg.split('@media (prefers-color-scheme:dark){')
    expect(svg).toContain(`<rect width="860" height="300" x="0" y="0" fill="${colours.back}">`)
    for (const colour of Object.values(colours)) {
      expect(dark).toMatch(new RegExp(`\\[fill="${colour}"\\]\\{fill:#(?!${colour.slice(1)})`))
      expect(dark).toMatch(new RegExp(`\\[stroke="${colour}"\\]\\{stroke:#(?!${colour.slice(1)})`))
    }
  })

  test('has text in it as text, whatever it is', () => {
    const svg = renderChart({
      ...chart,
      title: bad,
      subtitle: bad,
      description: bad,
      notes: [bad],
    })
    const tags = parseXml(svg)
    expect(tags.slice(1, 3).map(({ text }) => text)).toEqual([bad, bad])
    expect(textsOf(svg).filter((text) => text === bad)).toHaveLength(4)
  })

  test('is the same whenever it is drawn, with nothing in it for pointers', () => {
    const svg = renderChart(chart)
    expect(renderChart(chart)).toBe(svg)
    expect(svg).not.toMatch(/zr\d|class=|ecmeta|pointer|cursor/)
  })
})
