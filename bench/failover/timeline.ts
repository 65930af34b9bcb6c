// A picture of one failure, the systems one below the other: when the server was in the table, and which queries were lost.
import { colours, legend, margin, renderChart, text, width } from '../../lab/page/chart.js'
import { clientNames } from '../../lab/traffic/client-names.js'
import { protocols } from '../../lab/witness/members.js'
import { type FailureName, failures } from './failures.js'
import type { Result } from './results.js'
import { isOurs } from './systems.js'
import { counts, found, provenance } from './table.js'
import { binMs, type Row, type Timeline } from './verdict.js'

const left = margin + 132
const right = width - margin - 124
const top = 116
const laneHeight = 20
const clientHeight = 26
const panelHeight = 30 + 2 * laneHeight + clientNames.length * clientHeight + 22

const names = {
  ours: 'in the service (this library)',
  floor: 'in the service (keepalived)',
  other: 'in the service though dead',
  other2: 'queries lost',
} as const
type Colour = keyof typeof names

export function timelinePicture(name: FailureName, result: Result): string {
  const { title, about, to } = failures.find((failure) => failure.name === name)!
  const timelines = result.timelines.filter(({ failure }) => failure === name)
  if (timelines.length === 0) throw new RangeError(`the result has no failure "${name}"`)
  const plain = about.replaceAll('`', '')
  const min = Math.min(...timelines.map(({ from }) => from))
  const max = Math.max(...timelines.map(({ to }) => to))
  const most = Math.max(1, ...timelines.flatMap(({ lost }) => Object.values(lost).flat()))
  const barWidth = Math.max(1, ((right - left) * binMs) / (max - min) - 1)
  const rowsOf = ({ system }: Timeline) =>
    result.rows.filter((row) => row.system === system && row.failure === name)
  const panels = timelines.map((timeline, i) =>
    panel(timeline, rowsOf(timeline), top + i * panelHeight, most, barWidth),
  )
  const parts = panels.flatMap((panel) => panel.parts)
  const used = parts.flatMap(({ series }) => series.map((one) => one.name))
  const height = top + timelines.length * panelHeight + 40 + 3 * 18
  const told = (row: Row) => outcome(row, to === 'server')
  return renderChart({
    height,
    title,
    subtitle: plain,
    description: `${plain} ${timelines
      .map((timeline) => `${timeline.system}: ${told(rowsOf(timeline)[0]!)}`)
      .join('; ')}.`,
    notes: [
      `Bars: ${to === 'server' ? 'the failed' : 'one'} server is in the service, as a sampler saw the kernel's table every millisecond. ` +
        'Below: queries lost',
      `in each ${binMs / 1000} s, by when they were sent; on the right all of them, "before / after" the client's service was right.`,
      provenance(result),
    ],
    option: {
      legend: { ...legend, data: Object.values(names).filter((one) => used.includes(one)) },
      // The first grid has the seconds and lies behind all others.
      grid: [
        { left, right: width - right, top: top - 6, bottom: 40 + 3 * 18 + 8 },
        ...parts.map(({ grid }) => ({ left, right: width - right, ...grid })),
      ],
      xAxis: [
        { min, max, type: 'value', ...secondsFrom(min, max) },
        ...parts.map((_, i) => ({
          min,
          max,
          type: 'value' as const,
          gridIndex: i + 1,
          ...bare,
        })),
      ],
      yAxis: [
        { type: 'value', min: 0, max: 1, show: false },
        ...parts.map(({ yAxis }, i) => ({ ...yAxis, gridIndex: i + 1 })),
      ],
      series: [
        failureLine,
        ...parts.flatMap(({ series }, i) =>
          series.map((one) => ({ ...one, silent: true, xAxisIndex: i + 1, yAxisIndex: i + 1 })),
        ),
      ],
      graphic: panels.flatMap(({ y, texts }, i) => [
        written(margin, y + 9, timelines[i]!.system, 13, colours.ink),
        ...rowsOf(timelines[i]!)
          .slice(0, 1)
          .map((row) => written(right + 12, y + 9, told(row))),
        ...texts,
      ]),
    },
  })
}

function secondsFrom(min: number, max: number) {
  const first = Math.ceil(min / 1000)
  const all = Array.from(
    { length: Math.floor(max / 1000) - first + 1 },
    (_, i) => 1000 * (first + i),
  )
  return {
    axisLabel: {
      ...text(12),
      customValues: all.filter((ms) => ms % 2000 === 0),
      formatter: (ms: number) => `${ms / 1000} s`,
    },
    axisLine: { show: false },
    axisTick: { customValues: all, length: 0 },
    splitLine: { lineStyle: { color: colours.grid } },
  }
}

const bare = {
  axisLine: { lineStyle: { color: colours.grid } },
  axisLabel: { show: false },
  axisTick: { show: false },
  splitLine: { show: false },
  // Bars lie where they lie: the axis is not made longer for them.
  containShape: false,
} as const

/** When it happened. */
const failureLine = {
  type: 'line' as const,
  silent: true,
  symbol: 'none',
  clip: false,
  color: colours.axis,
  lineStyle: { width: 1 },
  z: 5,
  data: [
    [0, 0],
    [0, 1],
  ],
}

function outcome(row: Row, isServer: boolean): string {
  if (row.detectMs === null) return isServer ? 'never out' : 'never right again'
  if (row.detectMs === 0) return found(row)
  return `${isServer ? 'out after' : 'wrong for'} ${found(row)}`
}

/** One system: its lanes, and below them what each client lost. */
function panel(
  timeline: Timeline,
  rows: readonly Row[],
  y: number,
  most: number,
  barWidth: number,
) {
  const lanesTop = y + 24
  const clientsTop = lanesTop + 2 * laneHeight
  const lanes = {
    grid: { top: lanesTop, height: 2 * laneHeight },
    yAxis: {
      type: 'category' as const,
      inverse: true,
      data: protocols.map((protocol) => protocol.toUpperCase()),
      axisLabel: { ...text(12), margin: 12 },
      axisLine: { show: false },
      axisTick: { show: false },
    },
    series: lanesOf(timeline),
  }
  const clients = clientNames.map((client, i) => ({
    grid: { top: clientsTop + i * clientHeight, height: clientHeight - 6 },
    yAxis: { type: 'value' as const, min: 0, max: most, show: false },
    series: [{ ...lostOf(timeline, client), barWidth }],
  }))
  const texts = clientNames.flatMap((client, i) => {
    const at = clientsTop + i * clientHeight + 14
    const row = rows.find((one) => one.client === client)
    return [
      {
        ...written(0, at, client),
        style: { ...written(left - 12, at, client).style, align: 'right' as const },
      },
      ...(row ? [written(right + 12, at, counts(row))] : []),
    ]
  })
  return { y, parts: [lanes, ...clients], texts }
}

function written(x: number, y: number, string: string, size = 12, fill: string = colours.muted) {
  const style = { x, y, text: string, fill, fontSize: size, verticalAlign: 'middle' as const }
  return { type: 'text' as const, silent: true, style }
}

function lanesOf({ system, inTable, dead }: Timeline) {
  const own: Colour = isOurs(system) ? 'ours' : 'floor'
  const spells = protocols.flatMap((protocol, lane) =>
    inTable[protocol].map(([from, to]) => [from, to, lane]),
  )
  const deadSpells = protocols.flatMap((protocol, lane) =>
    inTable[protocol].flatMap(([from, to]) =>
      dead[protocol]
        .map(([deadFrom, deadTo]) => [Math.max(from, deadFrom), Math.min(to, deadTo), lane])
        .filter(([a, b]) => a! < b!),
    ),
  )
  return [spellsOf(own, spells), ...(deadSpells.length > 0 ? [spellsOf('other', deadSpells)] : [])]
}

interface Api {
  value(dimension: number): string | number
  coord(point: (string | number)[]): number[]
}

function spellsOf(colour: Colour, data: number[][]) {
  return {
    type: 'custom' as const,
    name: names[colour],
    color: colours[colour],
    data,
    renderItem: (_: unknown, api: Api) => {
      const [x, y] = api.coord([api.value(0), api.value(2)]) as [number, number]
      const [end] = api.coord([api.value(1), api.value(2)]) as [number, number]
      const shape = { x, y: y - 6, width: Math.max(0.5, end - x), height: 12 }
      return { type: 'rect' as const, shape, style: { fill: colours[colour] } }
    },
  }
}

function lostOf({ lost, from }: Timeline, client: (typeof clientNames)[number]) {
  const data = lost[client].flatMap((count, bin) =>
    count === 0 ? [] : [[from + (bin + 0.5) * binMs, count]],
  )
  return {
    type: 'bar' as const,
    name: names.other2,
    color: colours.other2,
    barMinHeight: 1.5,
    data,
  }
}
