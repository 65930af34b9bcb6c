// A picture of one failure, the systems one below the other: when the server was in the table, and which queries were lost.
import { footer, margin, noteHeight, px, svg, text, width, wrap } from '../../lab/page/plot.js'
import { type ClientName, clientNames } from '../../lab/traffic/client-names.js'
import { protocols } from '../../lab/witness/members.js'
import { type FailureName, failures } from './failures.js'
import type { Result } from './results.js'
import { counts, found, provenance } from './table.js'
import { binMs, type Row, type Timeline } from './verdict.js'

const left = margin + 132
const right = width - margin - 124
const laneHeight = 20
const clientHeight = 26
const panelHeight = 30 + 2 * laneHeight + clientNames.length * clientHeight + 22

export function timelinePicture(name: FailureName, result: Result): string {
  const { title, about, to } = failures.find((failure) => failure.name === name)!
  const timelines = result.timelines.filter(({ failure }) => failure === name)
  if (timelines.length === 0) throw new RangeError(`the result has no failure "${name}"`)
  const plain = about.replaceAll('`', '')
  const first = Math.min(...timelines.map(({ from }) => from))
  const last = Math.max(...timelines.map(({ to }) => to))
  const x = (ms: number) => left + ((ms - first) / (last - first)) * (right - left)
  const most = Math.max(1, ...timelines.flatMap(({ lost }) => Object.values(lost).flat()))

  const top = 116
  const bottom = top + timelines.length * panelHeight
  const notes = [
    `Bars: ${to === 'server' ? 'the failed' : 'one'} server is in the service, as a sampler saw the kernel's table every millisecond. ` +
      'Below: queries lost',
    `in each ${binMs / 1000} s, by when they were sent; on the right all of them, "before / after" the client's service was right.`,
    ...wrap(provenance(result), width - 2 * margin, 11),
  ]
  const height = bottom + 40 + notes.length * noteHeight
  const ticks: string[] = []
  for (let second = Math.ceil(first / 1000); second * 1000 <= last; second++) {
    const at = x(second * 1000)
    ticks.push(`<path class="grid" d="M${px(at)} ${top - 6}V${bottom - 8}"/>`)
    if (second % 2 === 0) ticks.push(text(at, bottom + 8, `${second} s`, 'tick middle'))
  }
  const panels = timelines.map((timeline, index) => {
    const rows = result.rows.filter(
      ({ system, failure }) => system === timeline.system && failure === name,
    )
    return panel(timeline, rows, top + index * panelHeight)
  })
  const summary = timelines.map(({ system }) => {
    const row = result.rows.find((one) => one.system === system && one.failure === name)!
    return `${system}: ${told(row)}`
  })
  return svg(height, title, `${plain} ${summary.join('; ')}.`, [
    text(margin, 68, plain, 'subtitle'),
    key(timelines),
    ...ticks,
    ...panels,
    `<path class="axis" d="M${px(x(0))} ${top - 6}V${bottom - 8}"/>`,
    ...footer(height, notes),
  ])

  function told(row: Row): string {
    if (row.detectMs === null) return to === 'server' ? 'never out' : 'never right again'
    if (row.detectMs === 0) return found(row)
    return `${to === 'server' ? 'out after' : 'wrong for'} ${found(row)}`
  }

  function panel(timeline: Timeline, rows: readonly Row[], y: number): string {
    const parts = [text(margin, y + 14, timeline.system, 'label')]
    if (rows[0]) parts.push(text(right + 12, y + 14, told(rows[0]), 'tick'))
    let at = y + 24
    for (const protocol of protocols) {
      parts.push(text(left - 12, at + 11, protocol.toUpperCase(), 'tick end'))
      const bar = (from: number, to: number, style: string) =>
        `<rect class="${style}" x="${px(x(from))}" y="${px(at)}" width="${px(Math.max(0.5, x(to) - x(from)))}" height="12"/>`
      for (const [from, to] of timeline.inTable[protocol]) {
        parts.push(bar(from, to, kindOf(timeline)))
        for (const [deadFrom, deadTo] of timeline.dead[protocol]) {
          const [a, b] = [Math.max(from, deadFrom), Math.min(to, deadTo)]
          if (a < b) parts.push(bar(a, b, 'fill-other'))
        }
      }
      at += laneHeight
    }
    for (const client of clientNames) {
      parts.push(...lostOf(client, timeline, rows, at))
      at += clientHeight
    }
    return parts.join('\n')
  }

  function lostOf(
    client: ClientName,
    { lost, from }: Timeline,
    rows: readonly Row[],
    y: number,
  ): string[] {
    const base = y + clientHeight - 6
    const room = clientHeight - 8
    const step = x(first + binMs) - x(first)
    const bars = lost[client].flatMap((count, bin) => {
      if (count === 0) return []
      const high = Math.max(1.5, (count / most) * room)
      return `<rect class="fill-other-2" x="${px(x(from + bin * binMs))}" y="${px(base - high)}" width="${px(Math.max(1, step - 1))}" height="${px(high)}"/>`
    })
    const row = rows.find((one) => one.client === client)
    return [
      text(left - 12, base, client, 'tick end'),
      `<path class="grid" d="M${px(left)} ${px(base)}H${px(right)}"/>`,
      ...bars,
      ...(row ? [text(right + 12, base, counts(row), 'tick')] : []),
    ]
  }
}

const kindOf = ({ system }: Timeline) => (system === 'ipvs' ? 'fill-ours' : 'fill-floor')

function key(timelines: readonly Timeline[]): string {
  const someDie = timelines.some(({ dead }) => dead.tcp.length + dead.udp.length > 0)
  const entries = [
    ['fill-ours', 'in the service (this library)', 222],
    ['fill-floor', 'in the service (keepalived)', 212],
    ...(someDie ? [['fill-other', 'in the service though dead', 206] as const] : []),
    ['fill-other-2', 'queries lost', 0],
  ] as const
  let x = margin
  return entries
    .map(([style, name, room]) => {
      const at = x
      x += room
      return `<rect class="${style}" x="${at}" y="83" width="11" height="11" rx="2"/>${text(at + 18, 93, name, 'tick')}`
    })
    .join('\n')
}
