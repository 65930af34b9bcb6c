// Pictures of a report. Ours, the floor and everything else have one colour each.
import { colours, legend, margin, renderChart, text } from '../../lab/page/chart.js'
import {
  formatCount,
  formatRatio,
  formatTime,
  type Kind,
  kindOf,
  provenance,
  type Report,
  type Result,
} from './results.js'

export interface BarOptions {
  readonly case: string
  readonly title: string
  /** What one operation is: flip, change, read, call. */
  readonly unit: string
}

export interface LineOptions {
  readonly title: string
  readonly x: { readonly label: string; readonly values: readonly number[] }
  readonly y: { readonly label: string }
  /** Microseconds of each driver, one for each value of x. */
  readonly series: readonly { readonly name: string; readonly values: readonly number[] }[]
  /** A small line at the bottom, such as kernel and machine. */
  readonly note: string
}

const kinds: readonly (readonly [Kind, string])[] = [
  ['ours', 'this library'],
  ['floor', 'bare C, the floor'],
  ['other', 'other tools'],
]

/** One case: a bar per driver from 1 µs on a logarithmic scale, with a whisker up to the 99th percentile. */
export function barChart(report: Report, options: BarOptions): string {
  const results = report.results
    .filter((result) => result.case === options.case)
    .toSorted((a, b) => a.medianUs - b.medianUs)
  if (results.length === 0) throw new RangeError(`the report has no case "${options.case}"`)
  const top = 118
  const bottom = 104
  const left = 240
  const height = top + results.length * 34 + bottom
  const least = Math.min(1, ...results.map(({ medianUs }) => medianUs).filter((us) => us > 0))
  const min = 10 ** Math.floor(Math.log10(least))
  const most = Math.max(...results.flatMap(({ medianUs, p99Us }) => [medianUs, p99Us]))
  return renderChart({
    height,
    title: options.title,
    subtitle: `Time per ${options.unit}; shorter is better`,
    description: `Median time per ${options.unit}, the fastest first: ${results
      .map(({ driver, medianUs }) => `${driver} ${formatTime(medianUs)}`)
      .join(', ')}.`,
    notes: [
      'Bar: median. Whisker: up to the 99th percentile. Each gridline is ten times the one before.',
      provenance(report),
    ],
    option: {
      legend,
      grid: { left, right: margin + 120, top, bottom },
      xAxis: {
        type: 'log',
        // The same scale in every picture, unless a bar and its label need more.
        min,
        // Where bars begin; else at 1.
        startValue: min,
        max: Math.max(1e6, 10 ** Math.ceil(Math.log10(most) + 0.5)),
        axisLine: { show: false },
        axisTick: { show: false },
        axisLabel: { ...text(12), formatter: shortTime },
        splitLine: { lineStyle: { color: colours.grid } },
      },
      yAxis: {
        type: 'category',
        inverse: true,
        data: results.map(({ driver }) => driver),
        axisLabel: { ...text(14, colours.ink), width: left - margin - 4, overflow: 'truncate' },
        axisTick: { show: false },
        axisLine: { lineStyle: { color: colours.axis } },
      },
      series: [
        ...kinds.map(([kind, name]) => ({
          type: 'bar' as const,
          name,
          color: colours[kind],
          barWidth: 18,
          barGap: '-100%',
          silent: true,
          data: results.map(({ driver, medianUs }) =>
            kindOf(driver) === kind ? Math.max(min, medianUs) : null,
          ),
        })),
        // What has no logarithm stands at the low end.
        whiskers(results, min),
        {
          // Points that are not seen: their labels stand behind the whiskers.
          type: 'scatter' as const,
          symbolSize: 0,
          itemStyle: { opacity: 1 },
          silent: true,
          data: results.map(({ medianUs, p99Us }, i) => [Math.max(min, medianUs, p99Us), i]),
          label: {
            show: true,
            position: 'right' as const,
            distance: 8,
            formatter: ({ dataIndex }: { dataIndex: number }) => labelOf(results[dataIndex]!),
            rich: {
              value: { ...text(14, colours.ink), fontWeight: 'bold' as const },
              ratio: { ...text(14), padding: [0, 0, 0, 12] },
            },
          },
        },
      ],
    },
  })
}

function labelOf({ medianUs, ratioToFloor }: Result): string {
  const ratio = ratioToFloor === null ? '' : `{ratio|${formatRatio(ratioToFloor)}× floor}`
  return `{value|${formatTime(medianUs)}}${ratio}`
}

function whiskers(results: readonly Result[], min: number) {
  return {
    type: 'custom' as const,
    silent: true,
    z: 3,
    data: results.map(({ medianUs, p99Us }, i) => [
      Math.max(min, medianUs),
      Math.max(min, medianUs, p99Us),
      i,
    ]),
    renderItem: (_: unknown, api: Api) => {
      const at = (dimension: number) => api.coord([api.value(dimension), api.value(2)])
      const [from, y] = at(0) as [number, number]
      const [to] = at(1) as [number, number]
      const line = (x1: number, y1: number, x2: number, y2: number) => ({
        type: 'line' as const,
        shape: { x1, y1, x2, y2 },
        style: { stroke: colours.ink, lineWidth: 1.5, opacity: 0.6 },
      })
      return {
        type: 'group' as const,
        children: [line(from, y, to, y), line(to, y - 4, to, y + 4)],
      }
    },
  }
}

interface Api {
  value(dimension: number): string | number
  coord(point: (string | number)[]): number[]
}

/** Lines over a quantity such as the size of a batch, on logarithmic scales, each with its name where it ends. */
export function lineChart({ title, x, y, series, note }: LineOptions): string {
  for (const { name, values } of series) {
    if (values.length !== x.values.length) {
      throw new RangeError(`"${name}" has ${values.length} values for ${x.values.length} of x`)
    }
  }
  const seen = new Map<Kind, number>()
  const ends = series.map(({ name, values }) => `${name} ${formatTime(values.at(-1)!)}`)
  return renderChart({
    height: 460,
    title,
    subtitle: `${y.label}, logarithmic scale; lower is better`,
    description: `${y.label} by ${x.label}. At the right end: ${ends.join(', ')}.`,
    notes: [note],
    option: {
      grid: { left: margin + 64, right: margin + 110, top: 102, bottom: 100 },
      xAxis: {
        type: 'log',
        min: 'dataMin',
        max: 'dataMax',
        name: x.label,
        nameLocation: 'middle',
        nameGap: 32,
        nameTextStyle: text(12),
        axisLine: { onZero: false, lineStyle: { color: colours.axis } },
        axisTick: { customValues: [...x.values], lineStyle: { color: colours.axis } },
        axisLabel: {
          ...text(12),
          customValues: [...x.values],
          formatter: (n: number) => formatCount(n),
        },
        splitLine: { show: false },
      },
      yAxis: {
        type: 'log',
        axisLine: { show: false },
        axisTick: { show: false },
        axisLabel: { ...text(12), formatter: shortTime },
        splitLine: { lineStyle: { color: colours.grid } },
      },
      series: series.map(({ name, values }) => {
        const kind = kindOf(name)
        const nth = seen.get(kind) ?? 0
        seen.set(kind, nth + 1)
        return {
          type: 'line' as const,
          name,
          silent: true,
          clip: false,
          z: kind === 'ours' ? 3 : 2,
          color: nth % 2 === 0 ? colours[kind] : colours[`${kind}2`],
          lineStyle: { width: 2.25, type: (['solid', 'dashed', 'dotted'] as const)[nth % 3]! },
          symbol: 'circle',
          symbolSize: 7,
          endLabel: { show: true, formatter: '{a}', distance: 8, ...text(13, colours.ink) },
          labelLayout: { moveOverlap: 'shiftY' as const },
          data: values.map((value, i) => [x.values[i]!, value]),
        }
      }),
    },
  })
}

// `1 ms`, not `1.00 ms`: the numbers of an axis are round.
function shortTime(us: number): string {
  const [number, unit] = formatTime(us).split(' ')
  return `${Number(number)} ${unit}`
}
