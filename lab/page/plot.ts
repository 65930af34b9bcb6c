// Pictures of a report: SVG as plain text, with its own background, for light and dark.
import {
  formatCount,
  formatRatio,
  formatTime,
  type Kind,
  kindOf,
  provenance,
  type Report,
  type Result,
} from '../../bench/churn/results.js'

export interface BarOptions {
  readonly case: string
  readonly title: string
  /** What one operation is: flip, change, read, call. */
  readonly unit: string
}

export interface LineOptions {
  readonly title: string
  readonly x: { readonly label: string; readonly values: readonly number[]; readonly log?: boolean }
  /** Logarithmic unless told otherwise when the values differ by more than a factor of 30. */
  readonly y: { readonly label: string; readonly log?: boolean }
  readonly series: readonly Series[]
  /** A small line at the bottom, such as kernel and machine. */
  readonly note?: string
}

export interface Series {
  /** A driver, or any text. */
  readonly name: string
  /** Microseconds, one for each value of x; null where nothing was measured. */
  readonly values: readonly (number | null)[]
  /** Decides the colour; by default that of the driver `name`. */
  readonly kind?: Kind
}

export const width = 860
export const margin = 32
const titleY = 44
const subtitleY = 68
export const noteHeight = 18
// Of one em, on the generous side: the fonts of a reader are not known here.
const letter = 0.57

/** One case: a bar per driver from 1 µs on a logarithmic scale, with a whisker up to the 99th percentile. */
export function barChart(report: Report, options: BarOptions): string {
  const results = report.results
    .filter((result) => result.case === options.case)
    .toSorted((a, b) => a.medianUs - b.medianUs)
  if (results.length === 0) throw new RangeError(`the report has no case "${options.case}"`)

  const row = 34
  const top = 122
  const bottom = top + results.length * row + 4
  const notes = [
    'Bar: median. Whisker: up to the 99th percentile. Each gridline is ten times the one before.',
    ...wrap(provenance(report), width - 2 * margin, 11),
  ]
  const height = bottom + 56 + notes.length * noteHeight
  const left = margin + Math.min(180, 18 + textWidth(longest(results.map((r) => r.driver)), 14))

  const limits = results.flatMap((r) => [r.medianUs, r.p99Us]).filter((us) => us > 0)
  if (limits.includes(Number.POSITIVE_INFINITY)) throw new RangeError('a time is infinite')
  const low = 10 ** Math.floor(Math.log10(Math.min(1, ...limits)))
  const high = 10 ** Math.ceil(Math.log10(Math.max(1e6, ...limits)))
  // The same scale in every picture, unless a label at the end of a long bar needs more room.
  const part = logScale(low, high, 0, 1)
  const rights = results.map((result) => {
    const label = textWidth(`${formatTime(result.medianUs)}  ${ratioOf(result)}`, 14) + 14
    const end = part(Math.max(result.medianUs, result.p99Us))
    return left + (width - margin - label - left) / Math.max(end, 0.01)
  })
  const right = Math.min(width - margin - 118, ...rights)
  const x = logScale(low, high, left, right)

  const bars = results.map((result, i) => {
    const { driver, medianUs, p99Us } = result
    const y = top + i * row + row / 2
    const end = x(medianUs)
    const whisker = Math.max(end, x(p99Us))
    const ratio = ratioOf(result)
    const told = `${driver}: median ${formatTime(medianUs)}, 99th percentile ${formatTime(p99Us)}`
    return [
      `<g><title>${escapeXml(ratio ? `${told}, ${ratio}` : told)}</title>`,
      text(left - 12, y + 5, fit(driver, left - 12 - margin, 14), 'name end'),
      `<rect class="bar fill-${kindOf(driver)}" x="${px(left)}" y="${px(y - 9)}" width="${px(end - left)}" height="18" rx="2"/>`,
      `<path class="whisker" d="M${px(end)} ${px(y)}H${px(whisker)}M${px(whisker)} ${px(y - 4)}v8"/>`,
      `<text class="value" x="${px(whisker + 10)}" y="${px(y + 5)}">${escapeXml(formatTime(medianUs))}` +
        `<tspan class="muted" dx="8">${escapeXml(ratio)}</tspan></text></g>`,
    ].join('\n')
  })

  const grid = decades(low, high).map((us) =>
    [
      `<path class="grid" d="M${px(x(us))} ${top - 4}V${bottom}"/>`,
      text(x(us), bottom + 20, shortTime(us), 'tick middle'),
    ].join('\n'),
  )
  const kinds = new Set(results.map(({ driver }) => kindOf(driver)))
  return svg(height, options.title, describeBars(), [
    text(margin, subtitleY, `Time per ${options.unit}; shorter is better`, 'subtitle'),
    legend(kinds),
    ...grid,
    ...bars,
    `<path class="axis" d="M${px(left)} ${top - 4}V${bottom}"/>`,
    ...footer(height, notes),
  ])

  function describeBars(): string {
    const all = results.map(({ driver, medianUs }) => `${driver} ${formatTime(medianUs)}`)
    return `Median time per ${options.unit}, the fastest first: ${all.join(', ')}.`
  }
}

/** Lines over a quantity such as the size of a batch, each with its name where it ends. */
export function lineChart({ title, x, y, series, note }: LineOptions): string {
  for (const { name, values } of series) {
    if (values.length !== x.values.length) {
      throw new RangeError(`"${name}" has ${values.length} values for ${x.values.length} of x`)
    }
  }
  const found = series.flatMap(({ values }) => values.filter((value) => value !== null))
  if (![...found, ...x.values].every(Number.isFinite)) {
    throw new RangeError(`a value of "${title}" is not a number`)
  }
  if (found.length === 0) throw new RangeError(`nothing to show in "${title}"`)
  if (x.log && Math.min(...x.values) <= 0) {
    throw new RangeError('a logarithmic x cannot show 0 or less')
  }

  const notes = note ? wrap(note, width - 2 * margin, 11) : []
  const top = 102
  const bottom = 358
  const height = bottom + (note ? 80 : 72) + notes.length * noteHeight
  const left = margin + 64
  const names = series.map(({ name }) => name)
  const right = width - margin - Math.min(220, 28 + textWidth(longest(names), 13))

  const [least, most] = [Math.min(...found), Math.max(...found)]
  const logY = least > 0 && (y.log ?? most / least > 30)
  const yTicks = logY ? logTicks(least, most) : linearTicks(most)
  const yScale = logY ? logScale : linearScale
  const toY = yScale(yTicks[0]!, yTicks.at(-1)!, bottom, top)
  const xScale = x.log ? logScale : linearScale
  const toX = xScale(Math.min(...x.values), Math.max(...x.values), left + 8, right - 12)

  const styles = stylesOf(series)
  const lines = series.map(({ name, values, kind }, i) => {
    const points = values.map((value, at) =>
      value === null ? null : { x: toX(x.values[at]!), y: toY(value), value, at: x.values[at]! },
    )
    // A gap in the values is a gap in the line.
    const path = points.map((p, at) => p && `${points[at - 1] ? 'L' : 'M'}${px(p.x)} ${px(p.y)}`)
    const { stroke, fill, dash } = styles[i]!
    const dots = points
      .filter((point) => point !== null)
      .map((point) => {
        const told = `${name}, ${formatCount(point.at, 2)}: ${formatTime(point.value)}`
        return `<circle class="dot ${fill}" cx="${px(point.x)}" cy="${px(point.y)}" r="3.25"><title>${escapeXml(told)}</title></circle>`
      })
    const drawn = [
      `<path class="line ${stroke}"${dash} d="${path.filter((step) => step).join('')}"/>`,
      ...dots,
    ].join('\n')
    return { drawn, above: (kind ?? kindOf(name)) === 'ours' }
  })

  const ends = series.map(({ values }) => values.findLast((value) => value !== null) ?? null)
  const labelYs = spread(
    ends.map((value) => (value === null ? null : toY(value))),
    17,
    top,
    bottom,
  )
  // The name in plain ink behind a piece of its line: grey letters would be hard to read.
  const labels = series.flatMap(({ name }, i) => {
    const at = labelYs[i]
    if (at === null || at === undefined) return []
    const { stroke, dash } = styles[i]!
    return [
      `<path class="line ${stroke}"${dash} d="M${px(right)} ${px(at)}h18"/>`,
      text(right + 26, at + 4.5, fit(name, width - margin - right - 26, 13), 'label'),
    ]
  })

  const yGrid = yTicks.map((tick) =>
    [
      `<path class="grid" d="M${left} ${px(toY(tick))}H${px(right - 12)}"/>`,
      text(left - 10, toY(tick) + 4, shortTime(tick), 'tick end'),
    ].join('\n'),
  )
  const xTicks = apart(x.values, toX).map((value) =>
    [
      `<path class="axis" d="M${px(toX(value))} ${bottom}v5"/>`,
      text(toX(value), bottom + 20, formatCount(value, 2), 'tick middle'),
    ].join('\n'),
  )
  const scale = logY ? ', logarithmic scale' : ''
  const shown = series.map(({ name }, i) => `${name} ${formatTime(ends[i]!)}`).join(', ')
  const describe = `${y.label} by ${x.label}. At the right end: ${shown}.`
  return svg(height, title, describe, [
    text(margin, subtitleY, `${y.label}${scale}; lower is better`, 'subtitle'),
    ...yGrid,
    `<path class="axis" d="M${left} ${bottom}H${px(right - 12)}"/>`,
    ...xTicks,
    text((left + right - 12) / 2, bottom + 44, x.label, 'tick middle'),
    ...lines.filter(({ above }) => !above).map(({ drawn }) => drawn),
    ...lines.filter(({ above }) => above).map(({ drawn }) => drawn),
    ...labels,
    ...footer(height, notes),
  ])
}

type Scale = (value: number) => number

function linearScale(low: number, high: number, from: number, to: number): Scale {
  if (low === high) return () => (from + to) / 2
  return (value) => from + ((value - low) / (high - low)) * (to - from)
}

// What has no logarithm, or lies below the scale, stands at its low end.
function logScale(low: number, high: number, from: number, to: number): Scale {
  const linear = linearScale(Math.log(low), Math.log(high), from, to)
  return (value) => (value > low ? linear(Math.log(value)) : low === high ? linear(0) : from)
}

function decades(low: number, high: number): number[] {
  const first = Math.round(Math.log10(low))
  const last = Math.round(Math.log10(high))
  return Array.from({ length: last - first + 1 }, (_, i) => 10 ** (first + i))
}

// 1, 2, 5, 10, … around the values; over more than two decades, only the decades.
function logTicks(least: number, most: number): number[] {
  const all = decades(10 ** Math.floor(Math.log10(least)), 10 ** Math.ceil(Math.log10(most)))
  if (all.length > 3) return all
  const fine = all.flatMap((ten) => [ten, 2 * ten, 5 * ten])
  const from = fine.findLastIndex((tick) => tick <= least)
  const to = fine.findIndex((tick) => tick >= most)
  return fine.slice(from, Math.max(to, from + 1) + 1)
}

// Four to six steps of 1, 2 or 5 from 0 to above the largest value.
function linearTicks(most: number): number[] {
  if (most <= 0) return [0, 1]
  const ten = 10 ** Math.floor(Math.log10(most))
  const step = [0.1, 0.2, 0.5, 1, 2].map((n) => n * ten).find((n) => most / n <= 6)!
  return Array.from({ length: Math.ceil(most / step) + 1 }, (_, i) => i * step)
}

// Those of the values whose labels do not touch, from the right: the largest is always named.
function apart(values: readonly number[], toX: Scale): number[] {
  const kept: number[] = []
  let limit = Number.POSITIVE_INFINITY
  for (const value of values.toSorted((a, b) => b - a)) {
    const half = textWidth(formatCount(value, 2), 12) / 2 + 4
    if (toX(value) + half > limit) continue
    kept.push(value)
    limit = toX(value) - half
  }
  return kept.reverse()
}

// Moves labels apart, in their order, where they would lie over each other.
function spread(
  ys: readonly (number | null)[],
  gap: number,
  top: number,
  bottom: number,
): (number | null)[] {
  const moved = [...ys]
  const order = [...ys.keys()].filter((i) => ys[i] !== null).sort((a, b) => ys[a]! - ys[b]!)
  let limit = top
  for (const i of order) {
    moved[i] = Math.max(moved[i]!, limit)
    limit = moved[i] + gap
  }
  limit = bottom
  for (const i of order.reverse()) {
    moved[i] = Math.min(moved[i]!, limit)
    limit = moved[i] - gap
  }
  return moved
}

// A kind keeps its colour in every picture; several of one kind differ in shade and in dashes.
function stylesOf(series: readonly Series[]): { stroke: string; fill: string; dash: string }[] {
  const seen = new Map<Kind, number>()
  return series.map(({ name, kind = kindOf(name) }) => {
    const nth = seen.get(kind) ?? 0
    seen.set(kind, nth + 1)
    const shade = nth % 2 === 0 ? '' : '-2'
    const dashes = ['', '7 4', '2 4', '9 3 2 3'][nth % 4]
    return {
      stroke: `stroke-${kind}${shade}`,
      fill: `fill-${kind}${shade}`,
      dash: dashes ? ` stroke-dasharray="${dashes}"` : '',
    }
  })
}

function legend(kinds: ReadonlySet<Kind>): string {
  const names = { ours: 'this library', floor: 'bare C, the floor', other: 'other tools' }
  const shown = (['ours', 'floor', 'other'] as const).filter((kind) => kinds.has(kind))
  let x = margin
  return shown
    .map((kind) => {
      const at = x
      x += 18 + textWidth(names[kind], 12) + 18
      return `<rect class="fill-${kind}" x="${px(at)}" y="83" width="11" height="11" rx="2"/>${text(at + 18, 93, names[kind], 'tick')}`
    })
    .join('\n')
}

export function footer(height: number, lines: readonly string[]): string[] {
  const first = height - 24 - noteHeight * (lines.length - 1)
  return lines.map((line, i) => text(margin, first + i * noteHeight, line, 'note'))
}

// Breaks a line of several parts between them.
export function wrap(string: string, room: number, size: number): string[] {
  const lines: string[] = []
  for (const part of string.split(' · ')) {
    const longer = lines.length > 0 ? `${lines.at(-1)} · ${part}` : part
    if (lines.length > 0 && textWidth(longer, size) <= room) lines.splice(-1, 1, longer)
    else lines.push(part)
  }
  return lines.map((line) => fit(line, room, size))
}

function ratioOf({ ratioToFloor }: Result): string {
  return ratioToFloor === null ? '' : `${formatRatio(ratioToFloor)}× floor`
}

// `1 ms`, not `1.00 ms`: the numbers of an axis are round.
function shortTime(us: number): string {
  if (us === 0) return '0'
  const [number, unit] = formatTime(us).split(' ')
  return `${Number(number)} ${unit}`
}

function longest(texts: readonly string[]): string {
  return texts.reduce((a, b) => (b.length > a.length ? b : a), '')
}

export function textWidth(string: string, size: number): number {
  return string.length * size * letter
}

function fit(string: string, room: number, size: number): string {
  const letters = Math.floor(room / (size * letter))
  return string.length <= letters ? string : `${string.slice(0, letters - 1).trimEnd()}…`
}

export function text(x: number, y: number, string: string, style: string): string {
  return `<text class="${style}" x="${px(x)}" y="${px(y)}">${escapeXml(string)}</text>`
}

export function px(n: number): string {
  return String(Math.round(n * 10) / 10)
}

export function escapeXml(string: string): string {
  return (
    string
      // What XML cannot hold at all, not even escaped.
      .replace(/[^\t\n\r\u{20}-\u{D7FF}\u{E000}-\u{FFFD}\u{10000}-\u{10FFFF}]/gu, '\u{FFFD}')
      .replaceAll('&', '&amp;')
      .replaceAll('<', '&lt;')
      .replaceAll('>', '&gt;')
      .replaceAll('"', '&quot;')
      .replaceAll("'", '&#39;')
  )
}

const light = {
  back: '#ffffff',
  edge: '#d9dee4',
  ink: '#1b2129',
  muted: '#5c6773',
  grid: '#e8ebef',
  axis: '#b4bcc6',
  ours: '#0b69c7',
  'ours-2': '#4fa3e8',
  floor: '#97a1ac',
  'floor-2': '#6b7682',
  other: '#d9863d',
  'other-2': '#a85c1c',
}

const dark: typeof light = {
  back: '#10151c',
  edge: '#2a323c',
  ink: '#e6ebf1',
  muted: '#98a4b1',
  grid: '#222a34',
  axis: '#4a5563',
  ours: '#4ba0f5',
  'ours-2': '#93c8ff',
  floor: '#77828f',
  'floor-2': '#949eaa',
  other: '#d08a4a',
  'other-2': '#edb887',
}

function colours(theme: typeof light): string {
  const kinds = (['ours', 'floor', 'other'] as const).flatMap((kind) => [
    kind,
    `${kind}-2` as const,
  ])
  return [
    `.back{fill:${theme.back};stroke:${theme.edge}}`,
    `text{fill:${theme.ink}}`,
    `.subtitle,.tick,.note,.muted{fill:${theme.muted}}`,
    `.grid{stroke:${theme.grid}}.axis{stroke:${theme.axis}}.whisker{stroke:${theme.ink}}`,
    `.value{stroke:${theme.back}}.dot{stroke:${theme.back}}`,
    ...kinds.map(
      (kind) => `.fill-${kind}{fill:${theme[kind]}}.stroke-${kind}{stroke:${theme[kind]}}`,
    ),
  ].join('')
}

const style = `
text{font:14px system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",Arial,sans-serif;font-variant-numeric:tabular-nums}
.title{font-size:20px;font-weight:600}
.subtitle{font-size:14px}
.tick{font-size:12px}
.label{font-size:13px}
.note{font-size:11px}
.value{font-weight:600;stroke-width:4px;stroke-linejoin:round;paint-order:stroke}
.muted{font-weight:400}
.end{text-anchor:end}
.middle{text-anchor:middle}
.grid,.axis,.whisker,.line{fill:none}
.whisker{stroke-opacity:.6;stroke-width:1.5px}
.line{stroke-width:2.25px;stroke-linejoin:round;stroke-linecap:round}
.dot{stroke-width:1.5px}`

export function svg(
  height: number,
  title: string,
  description: string,
  body: readonly string[],
): string {
  return `<svg xmlns="http://www.w3.org/2000/svg" role="img" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}">
<title>${escapeXml(title)}</title>
<desc>${escapeXml(description)}</desc>
<style>${style}
${colours(light)}
@media (prefers-color-scheme:dark){
${colours(dark)}
}</style>
<rect class="back" x="0.5" y="0.5" width="${width - 1}" height="${height - 1}" rx="8"/>
${text(margin, titleY, fit(title, width - 2 * margin, 20), 'title')}
${body.join('\n')}
</svg>
`
}
