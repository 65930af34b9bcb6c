// What people read: the timeline while it happens, and the summary; and the one line for programs.
import { busySentence } from '../lab/command.js'
import { type Server, servers } from '../lab/network/three-servers.js'
import { textTable } from '../lab/page/table.js'
import { type ClientName, clientNames, patienceMs } from '../lab/traffic/client-names.js'
import { now } from '../lab/traffic/messages.js'
import type { Query } from '../lab/traffic/queries.js'
import type { EndEntry, WitnessEntry } from '../lab/witness/entries.js'
import { type Members, membersOver } from '../lab/witness/members.js'
import type { ControllerMessage } from './messages.js'
import { differences, type Flip, type PhaseResult, type Verdict } from './verdict.js'

const painter = (color: boolean) => {
  const paint = (code: number) => (text: string) => (color ? `\x1b[${code}m${text}\x1b[0m` : text)
  return { bold: paint(1), dim: paint(2), red: paint(31), green: paint(32) }
}
type Paint = ReturnType<typeof painter>

interface Line {
  readonly at: number
  readonly text: string
  /** From this line on, IPVS holds this. */
  readonly members?: Members
}

/** Lines come from several processes: so long each is held back, to be printed in order of time. */
const holdBackMs = 400

export class Timeline {
  readonly #write: (text: string) => void
  readonly #waiting: Line[] = []
  #members: Members = { tcp: [], udp: [] }
  /** As the witness last told it; lines printed so far may be older. */
  #lastTold: Members = { tcp: [], udp: [] }
  readonly #paint: Paint
  /** Numbers of queries that were told: a lost one is told again when it is forgotten. */
  readonly #counted = new Set<number>()
  #counts = new Map<ClientName, { answered: number; lost: number }>()
  #timers: NodeJS.Timeout[] = []
  /** The zero of all times shown. */
  start = Number.NaN

  constructor(write: (text: string) => void, color: boolean) {
    this.#write = write
    this.#paint = painter(color)
  }

  /** Without time and table. */
  say(text: string): void {
    this.#write(`${text}\n`)
  }

  begin(text: string): void {
    this.start = now()
    this.#write(
      `\n${this.#paint.bold('     time  IPVS on TCP     IPVS on UDP     what happens')}\n`,
    )
    this.line(this.start, this.#paint.bold(`── ${text}`))
    this.#timers = [setInterval(() => this.#flush(now() - holdBackMs), 100)]
  }

  /** From now on the clients ask. */
  askingBegins(): void {
    const late = `lost ones show when they are given up, after ${patienceMs / 1000} s`
    this.line(now(), this.#paint.dim(`   (each second: queries answered, by client; ${late})`))
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
    this.line(at, this.#paint.bold(`── ${name}: ${text}`))
  }

  /** What the witness has seen. */
  table(entry: WitnessEntry): void {
    const { green, red } = this.#paint
    for (const { at, before, members } of membersOver([entry])) {
      const changes = differences(this.#lastTold, members)
      this.#lastTold = members
      for (const server of new Set(changes.map((change) => change.server))) {
        const of = changes.filter((change) => change.server === server)
        const verb = of[0]!.to === 'up' ? 'came in' : 'went out'
        const both = of.length === 2 && of[0]!.to === of[1]!.to
        const text = both
          ? green(
              `IPVS: ${server} ${verb} on TCP and UDP, within the same ${(at - before).toFixed(1)} ms`,
            )
          : red(
              `IPVS: ${server} ${verb} on ${of.map((one) => one.protocol.toUpperCase()).join(', ')} only`,
            )
        this.#waiting.push({ at, text, members })
      }
    }
  }

  controller({ at, event, server, text }: ControllerMessage): void {
    const bad = ['diverged', 'drift', 'error', 'warning'].includes(event)
    this.line(
      at,
      (bad ? this.#paint.red : String)(
        `director: ${server ?? 'pool'} ${event}${text && `: ${text}`}`,
      ),
    )
  }

  queries(queries: readonly Query<ClientName>[]): void {
    for (const { client, number, server } of queries) {
      if (this.#counted.has(number)) continue
      if (server === undefined) this.#counted.add(number)
      const count = this.#counts.get(client) ?? { answered: 0, lost: 0 }
      this.#counts.set(client, count)
      if (server === undefined) count.lost++
      else count.answered++
    }
  }

  #tellCounts(): void {
    const { dim, red } = this.#paint
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
      const { at, text, members } = this.#waiting.shift()!
      if (members !== undefined) this.#members = members
      const { tcp, udp } = this.#members
      const cells = (own: readonly Server[], other: readonly Server[]) =>
        cellsOf(own, other, this.#paint)
      const time = `${seconds(at - this.start).padStart(7)} s`
      this.#write(`${time}  ${cells(tcp, udp)}  ${cells(udp, tcp)}  ${text}\n`)
    }
  }
}

/** A place for each server; red where the other protocol has another. */
function cellsOf(own: readonly Server[], other: readonly Server[], paint: Paint): string {
  return servers
    .map((server) => {
      const there = own.includes(server)
      const text = there ? server : ' ·  '
      if (there !== other.includes(server)) return paint.red(text)
      return there ? paint.green(text) : paint.dim(text)
    })
    .join(' ')
}

const seconds = (ms: number) => (ms / 1000).toFixed(2)

interface Ending {
  /** Output of `ipvsadm -Ln`. */
  readonly ipvsadm: string
  readonly end: EndEntry
  /** The zero of all times shown. */
  readonly start: number
  readonly color: boolean
}

export function printSummary(verdict: Verdict, { ipvsadm, end, start, color }: Ending): string {
  const { bold, red } = painter(color)
  const { phases, flips, gapMs, mismatches, problems, doubts, missing } = verdict
  const queryHead = [
    'Queries',
    '',
    'asked',
    'answered',
    'lost',
    'lost after the flip',
    'answered by',
  ]
  const flipHead = ['Flips', '', 'after the cause', 'TCP at', 'UDP at', 'apart', 'seen within']
  const queryRows = phases.flatMap((phase) => phaseRows(phase))
  const flipRows = flips.map((flip) => flipRow(flip, phases, start))
  const table = (head: readonly string[], rows: readonly string[][]) => {
    const [first, ...rest] = textTable(head, rows, { left: [0, 1, 6] })
    return [bold(first!), ...rest, '']
  }
  return [
    '',
    ...table(queryHead, queryRows),
    ...table(flipHead, flipRows),
    `The table was read ${end.looks} times; around the flips at least every ${gapMs.toFixed(1)} ms (at worst, elsewhere: ${end.longestGapMs.toFixed(1)} ms).`,
    `Looks with different servers on TCP and UDP: ${mismatches}.`,
    `Time that this machine has not given to the guest, and that is not counted: ${Math.round(100 * missing)} %.`,
    '',
    bold('ipvsadm -Ln'),
    ipvsadm.trimEnd(),
    '',
    ...problems.map((problem) => red(`✗ ${problem}`)),
    ...doubts.map((doubt) => `? ${doubt}`),
    verdictSentence(verdict, painter(color)),
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

function verdictSentence(
  { outcome, missing, phases, problems, flips }: Verdict,
  { bold, green, red }: Paint,
): string {
  const sum = (pick: (phase: PhaseResult) => number) =>
    phases.reduce((total, phase) => total + pick(phase), 0)
  const asked = sum(({ count }) => count.asked)
  const lost = sum(({ count }) => count.lost)
  if (outcome === 'failed') {
    return red(bold(`It did not hold: ${problems.length} problems, see above.`))
  }
  if (outcome === 'busy') return bold(busySentence(missing))
  const story = `${asked} queries, ${lost} lost until the checks saw the failure, none after the flip`
  return green(bold(`All held: ${flips.length} flips, TCP and UDP always together; ${story}.`))
}

const microseconds = ({ tcpAt, udpAt }: Flip) =>
  tcpAt === undefined || udpAt === undefined ? null : Math.round(Math.abs(udpAt - tcpAt) * 1000)

/** Times in milliseconds since the director was started; `null`: it was not seen. */
export function resultJson(verdict: Verdict, start: number): object {
  const { outcome, missing, phases, flips, gapMs, mismatches } = verdict
  const since = (at: number | undefined) => (at === undefined ? null : round(at - start))
  return {
    ok: outcome === 'held',
    outcome,
    missing: round(missing),
    phases: phases.map(({ name, count }) => ({ name, ...count })),
    flips: flips.map((flip) => ({
      server: flip.server,
      to: flip.to,
      tcpAt: since(flip.tcpAt),
      udpAt: since(flip.udpAt),
      microseconds: microseconds(flip),
    })),
    samplerGapMs: round(gapMs),
    mismatches,
  }
}

/** When the play could not be played to its end. */
export const failureJson = (error: string): object => {
  const nothing = { phases: [], flips: [], samplerGapMs: 0, mismatches: 0 }
  return { ok: false, outcome: 'failed', missing: 0, ...nothing, error }
}

const round = (value: number) => Math.round(value * 1000) / 1000
