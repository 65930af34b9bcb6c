// What people read: the timeline while it happens, and the summary; and the one line for programs.

import { type Server, servers } from '../lab/network/three-servers.js'
import {
  type ClientName,
  type ControllerMessage,
  clientNames,
  now,
  patienceMs,
  type Query,
  type SamplerEndMessage,
  type Table,
  type TableMessage,
} from '../lab/traffic/messages.js'
import { differences, type Flip, type PhaseResult, type Verdict } from './verdict.js'

const color = process.env.DEMO_COLOR === '1'
const paint = (code: number) => (text: string) => (color ? `\x1b[${code}m${text}\x1b[0m` : text)
const bold = paint(1)
const dim = paint(2)
const red = paint(31)
const green = paint(32)

interface Line {
  readonly at: number
  readonly text: string
  /** From this line on, IPVS holds this. */
  readonly table?: Table
}

/** Lines come from several processes: so long each is held back, to be printed in order of time. */
const holdBackMs = 400

export class Timeline {
  readonly #write: (text: string) => void
  readonly #waiting: Line[] = []
  #table: Table = { tcp: [], udp: [] }
  /** As the sampler last told it; lines printed so far may be older. */
  #lastTold: Table | undefined
  #counts = new Map<ClientName, { answered: number; lost: number }>()
  #timers: NodeJS.Timeout[] = []
  /** The zero of all times shown. */
  start = Number.NaN

  constructor(write: (text: string) => void) {
    this.#write = write
  }

  /** Without time and table. */
  say(text: string): void {
    this.#write(`${text}\n`)
  }

  begin(text: string): void {
    this.start = now()
    this.#write(`\n${bold('     time  IPVS on TCP     IPVS on UDP     what happens')}\n`)
    this.line(this.start, bold(`── ${text}`))
    this.#timers = [setInterval(() => this.#flush(now() - holdBackMs), 100)]
  }

  /** From now on the clients ask. */
  askingBegins(): void {
    const late = `lost ones show when they are given up, after ${patienceMs / 1000} s`
    this.line(now(), dim(`   (each second: queries answered, by client; ${late})`))
    this.#timers.push(setInterval(() => this.#tellCounts(), 1000))
  }

  /** Prints what is still held back. */
  end(): void {
    for (const timer of this.#timers) clearInterval(timer)
    this.#flush(Number.POSITIVE_INFINITY)
  }

  line(at: number, text: string): void {
    this.#waiting.push({ at, text })
  }

  phase(at: number, name: string, text: string): void {
    this.line(at, bold(`── ${name}: ${text}`))
  }

  table(table: TableMessage): void {
    const changes = differences(this.#lastTold ?? { tcp: [], udp: [] }, table)
    this.#lastTold = table
    const changed = new Set(changes.map(({ server }) => server))
    const texts = [...changed].map((server) => {
      const of = changes.filter((change) => change.server === server)
      const verb = of[0]!.to === 'up' ? 'came in' : 'went out'
      const both = of.length === 2 && of[0]!.to === of[1]!.to
      const protocols = of.map(({ protocol }) => protocol.toUpperCase())
      const gap = (table.at - table.before).toFixed(1)
      return both
        ? green(`IPVS: ${server} ${verb} on TCP and UDP, within the same ${gap} ms`)
        : red(`IPVS: ${server} ${verb} on ${protocols.join(', ')} only`)
    })
    for (const text of texts) this.#waiting.push({ at: table.at, text, table })
  }

  controller({ at, event, server, text }: ControllerMessage): void {
    const bad = ['diverged', 'drift', 'error', 'warning'].includes(event)
    this.line(
      at,
      (bad ? red : String)(`director: ${server ?? 'pool'} ${event}${text && `: ${text}`}`),
    )
  }

  queries(queries: readonly Query[]): void {
    for (const { client, server } of queries) {
      const count = this.#counts.get(client) ?? { answered: 0, lost: 0 }
      this.#counts.set(client, count)
      if (server === undefined) count.lost++
      else count.answered++
    }
  }

  #tellCounts(): void {
    const parts = clientNames.map((name) => {
      const { answered, lost } = this.#counts.get(name) ?? { answered: 0, lost: 0 }
      const text = dim(`${String(answered).padStart(2)} ${name}`)
      return lost === 0 ? text : `${text}${red(` (${lost} lost)`)}`
    })
    this.line(now(), `   ${parts.join(dim(' | '))}`)
    this.#counts.clear()
  }

  #flush(until: number): void {
    this.#waiting.sort((a, b) => a.at - b.at)
    while (this.#waiting.length > 0 && this.#waiting[0]!.at <= until) {
      const { at, text, table } = this.#waiting.shift()!
      if (table !== undefined) this.#table = table
      const { tcp, udp } = this.#table
      const time = `${seconds(at - this.start).padStart(7)} s`
      this.#write(`${time}  ${cells(tcp, udp)}  ${cells(udp, tcp)}  ${text}\n`)
    }
  }
}

/** A place for each server; red where the other protocol has another. */
function cells(own: readonly Server[], other: readonly Server[]): string {
  return servers
    .map((server) => {
      const there = own.includes(server)
      const text = there ? server : ' ·  '
      if (there !== other.includes(server)) return red(text)
      return there ? green(text) : dim(text)
    })
    .join(' ')
}

const seconds = (ms: number) => (ms / 1000).toFixed(2)

interface Ending {
  /** Output of `ipvsadm -Ln`. */
  readonly ipvsadm: string
  readonly samplerEnd: SamplerEndMessage
  /** The zero of all times shown. */
  readonly start: number
}

export function printSummary(verdict: Verdict, { ipvsadm, samplerEnd, start }: Ending): string {
  const { phases, flips, samplerGapMs, mismatches, problems } = verdict
  const flipRows = flips.map((flip) => flipRow(flip, phases, start))
  const { samples, longestGap } = samplerEnd
  return [
    '',
    table(
      ['Queries', '', 'asked', 'answered', 'lost', 'lost after the flip', 'answered by'],
      phases.flatMap((phase) => phaseRows(phase)),
    ),
    table(['Flips', '', 'after the cause', 'TCP at', 'UDP at', 'apart', 'seen within'], flipRows),
    `The table was read ${samples} times; around the flips at least every ${samplerGapMs.toFixed(1)} ms (at worst, elsewhere: ${longestGap.toFixed(1)} ms).`,
    `Samples with different servers on TCP and UDP: ${mismatches}.`,
    '',
    bold('ipvsadm -Ln'),
    ipvsadm.trimEnd(),
    '',
    ...problems.map((problem) => red(`✗ ${problem}`)),
    verdictSentence(verdict),
    '',
  ].join('\n')
}

function phaseRows({ name, clients, answeredBy }: PhaseResult): string[][] {
  const by = servers.map((server) => `${server} ${answeredBy.get(server) ?? 0}`).join(', ')
  return [...clients].map(([client, { asked, answered, lost, lostAfterFlip }], index) => [
    index === 0 ? name : '',
    client,
    ...[asked, answered, lost, lostAfterFlip].map(String),
    index === 0 ? by : '',
  ])
}

function flipRow(flip: Flip, phases: readonly PhaseResult[], start: number): string[] {
  const { server, to, tcpAt, udpAt, gap } = flip
  const causeAt = phases.find((phase) => phase.flip === flip)?.expected?.causeAt
  const at = (time: number | undefined) =>
    time === undefined ? 'never' : `${((time - start) / 1000).toFixed(3)} s`
  const first = Math.min(tcpAt ?? Number.POSITIVE_INFINITY, udpAt ?? Number.POSITIVE_INFINITY)
  const apart = microseconds(flip)
  return [
    server,
    to,
    causeAt === undefined ? 'no cause' : `${seconds(first - causeAt)} s`,
    at(tcpAt),
    at(udpAt),
    apart === null ? '-' : `${apart} µs`,
    `${gap.toFixed(1)} ms`,
  ]
}

/** Text on the left, figures on the right; the last column is not padded. */
function table(head: readonly string[], rows: readonly string[][]): string {
  const widths = head.map((cell, i) => Math.max(cell.length, ...rows.map((row) => row[i]!.length)))
  const line = (row: readonly string[]) =>
    row
      .map((cell, i) => {
        if (i === row.length - 1) return cell
        return i < 2 ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!)
      })
      .join('  ')
      .trimEnd()
  return [bold(line(head)), ...rows.map(line), ''].join('\n')
}

function verdictSentence({ phases, problems, flips }: Verdict): string {
  const sum = (pick: (phase: PhaseResult) => number) =>
    phases.reduce((total, phase) => total + pick(phase), 0)
  const asked = sum(({ count }) => count.asked)
  const lost = sum(({ count }) => count.lost)
  if (problems.length > 0) {
    return red(bold(`It did not hold: ${problems.length} problems, see above.`))
  }
  const story = `${asked} queries, ${lost} lost until the checks saw the failure, none after the flip`
  return green(bold(`All held: ${flips.length} flips, TCP and UDP always together; ${story}.`))
}

const microseconds = ({ tcpAt, udpAt }: Flip) =>
  tcpAt === undefined || udpAt === undefined ? null : Math.round(Math.abs(udpAt - tcpAt) * 1000)

/** Times in milliseconds since the director was started; `null`: it was not seen. */
export function resultLine(verdict: Verdict, start: number): string {
  const { phases, flips, samplerGapMs, mismatches, problems } = verdict
  const since = (at: number | undefined) => (at === undefined ? null : round(at - start))
  return JSON.stringify({
    ok: problems.length === 0,
    phases: phases.map(({ name, count }) => ({ name, ...count })),
    flips: flips.map((flip) => ({
      server: flip.server,
      to: flip.to,
      tcpAt: since(flip.tcpAt),
      udpAt: since(flip.udpAt),
      microseconds: microseconds(flip),
    })),
    samplerGapMs: round(samplerGapMs),
    mismatches,
  })
}

/** When the play could not be played to its end. */
export const failureLine = (error: string) =>
  JSON.stringify({ ok: false, phases: [], flips: [], samplerGapMs: 0, mismatches: 0, error })

const round = (ms: number) => Math.round(ms * 1000) / 1000
