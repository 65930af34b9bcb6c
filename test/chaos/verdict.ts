// What the raw logs say. Knows the wishes and the kernel's own table; nothing of the library and nothing of how the
// controller works.
import type { Outcome } from '../../lab/command.js'
import { stolenTimes, type WitnessEntry } from '../../lab/witness/entries.js'
import { Steal } from '../../lab/witness/steal.js'
import { readTable, type SeenTable } from '../../lab/witness/table.js'
import type { Delivery, DriverEntry } from './logs.js'
import { INTERVAL_MS, POOLS, type PoolName, QUERIED, type Wishes, wantedWeight } from './pools.js'
import { differences, serviceKeys, wantedTable } from './table.js'

/** The pool looks every 500 ms, give or take a tenth; counted from the end of one look to the beginning of the next. */
const LONGEST_INTERVAL_MS = INTERVAL_MS * 1.1
/** The witness sees what has come back at its next look. */
export const LOOK_MS = 20
/**
 * The guest has one CPU, for a look of both pools and its repair while churn, queries and meddler want it too. Time that
 * the machine did not give to the guest is not counted: the witness, which is first in line, has seen it pass.
 */
const GUEST_MS = 80
/** With more than this part of the time missing, who was late proves nothing. */
const MOST_MISSING = 0.1
export const LIMIT_MS = LONGEST_INTERVAL_MS + LOOK_MS + GUEST_MS

export interface Verdict {
  readonly ok: boolean
  readonly outcome: Outcome
  /** The part of the time that the machine has not given to the guest. */
  readonly missing: number
  readonly minutes: number
  /** Changes of the wishes and acts of the meddler. */
  readonly actions: number
  readonly kills: number
  readonly divergences: number
  readonly missingHealthyMs: number
  /** Null if it could not be found out. */
  readonly lostAfterFlip: number | null
}

/** For a reader. */
export interface Findings {
  readonly verdict: Verdict
  readonly wishes: number
  readonly meddled: number
  readonly killsWanted: number
  readonly quiets: number
  /** Of the first divergence. */
  readonly divergence: { readonly at: number; readonly lines: readonly string[] } | undefined
  /** Who was missing longest, and from when to when. */
  readonly missing:
    | { readonly what: string; readonly from: number; readonly to: number }
    | undefined
  readonly queries: number
  readonly delivered: number
  /** Those sent while some server had just been taken out, which therefore could show something. */
  readonly telling: number
  readonly lost: Delivery | undefined
  readonly longestGapMs: number
  /** Why the run is worth nothing, or worse. */
  readonly troubles: readonly string[]
}

export interface Logs {
  readonly driver: readonly DriverEntry[]
  readonly witness: readonly WitnessEntry[]
  readonly deliveries: readonly Delivery[]
}

export function judge({ driver, witness, deliveries }: Logs): Findings {
  const judging = new Judging(new Steal(stolenTimes(witness)))
  // The meddler's acts reach the driver late. What is seen at the same instant comes first.
  const entries = [...witness, ...driver].sort((a, b) => a.at - b.at)
  for (const entry of entries) judging.take(entry)
  return judging.findings(deliveries)
}

/** A server that is wanted, with some weight. */
interface Wanted {
  /** The change that has made it so, until the controller has had time for it: then `since`. */
  readonly version: number
  since: number | undefined
}

/**
 * A server that is out: from the moment at which the controller says so, if the meddler has kept still since it was
 * told, or from the end of a quiet time, to whatever may put it back. A kill does not.
 */
interface Window {
  readonly server: string
  readonly from: number
  to: number
}

class Judging {
  readonly #wishes = new Map<PoolName, Wishes>()
  readonly #wanted = new Map(POOLS.map(({ name }) => [name, new Map<string, Wanted>()]))
  /** Of the queried pool: servers that are to be out, and the change that says so. */
  readonly #outs = new Map<string, { readonly version: number; readonly at: number }>()
  /** By server; those that are still open. */
  readonly #open = new Map<string, Window>()
  readonly #windows: Window[] = []
  /** Since when a server is not in a service, or has no weight there; by `udp 192.0.2.1:53 10.1.0.1:53`. */
  readonly #missing = new Map<string, number>()
  #table: SeenTable = new Map()
  #looked = false
  #ready: number | undefined
  /** The kernel is as is wanted, and nobody is to change it. */
  #still = false
  #opening = Number.NEGATIVE_INFINITY
  #meddled = Number.NEGATIVE_INFINITY
  #longest = { what: '', from: 0, to: 0, ms: 0 }
  readonly #steal: Steal
  #begun: (DriverEntry & { event: 'begin' }) | undefined
  #ended: (DriverEntry & { event: 'end' }) | undefined
  #witnessed: { looks: number; longestGapMs: number } | undefined
  #counts = { wishes: 0, meddled: 0, kills: 0, quiets: 0, divergences: 0 }
  #divergence: Findings['divergence']
  readonly #troubles: string[] = []

  constructor(steal: Steal) {
    this.#steal = steal
  }

  take(entry: DriverEntry | WitnessEntry): void {
    this.#measure(entry.at)
    if ('table' in entry) this.#look(entry.at, entry.table)
    else if ('end' in entry) this.#witnessed = entry
    else if ('event' in entry) this.#hear(entry)
  }

  #hear(entry: DriverEntry): void {
    const { at } = entry
    switch (entry.event) {
      case 'begin':
        this.#begun = entry
        break
      case 'wanted':
        this.#counts.wishes++
        this.#want(entry.pool, entry.wishes, entry.version, at)
        break
      case 'done':
        this.#settle(at, (version) => version === entry.version)
        this.#openWindows(at, (out) => out.version === entry.version && out.at > this.#meddled)
        break
      case 'refused':
        // The pool knows what it has to do; its next look must do it.
        this.#settle(at, (version) => version === entry.version)
        break
      case 'opening':
        this.#opening = at
        break
      case 'ready':
        this.#ready = at
        this.#settle(at, (version) => version <= entry.version)
        this.#openWindows(at, ({ version }) => {
          return version <= entry.version && this.#opening > this.#meddled
        })
        break
      case 'killed':
        this.#counts.kills++
        this.#ready = undefined
        break
      case 'meddled':
        this.#counts.meddled++
        this.#meddled = at
        this.#closeAll(at)
        break
      case 'still':
        this.#counts.quiets++
        this.#still = true
        this.#compare(at)
        if (this.#still) this.#openWindows(at, () => true)
        break
      case 'loud':
        this.#still = false
        break
      case 'trouble':
        this.#troubles.push(`at ${seconds(at, this.#begun)}: ${entry.what}`)
        break
      case 'end':
        this.#ended = entry
        this.#closeAll(at)
        break
      case 'started':
      case 'quiet':
        break
    }
  }

  #look(at: number, lines: readonly string[]): void {
    this.#looked = true
    this.#table = readTable(lines)
    if (this.#still) this.#compare(at)
    for (const pool of POOLS) {
      for (const key of serviceKeys(pool)) {
        for (const server of Object.keys(this.#wishes.get(pool.name) ?? {})) {
          this.#note(at, key, `${server}:${pool.port}`)
        }
      }
    }
  }

  #note(at: number, key: string, endpoint: string): void {
    const row = this.#table.get(key)?.servers.get(endpoint)
    const name = `${key} ${endpoint}`
    const serves = row !== undefined && !row.endsWith(' 0')
    if (serves) this.#missing.delete(name)
    else if (!this.#missing.has(name)) this.#missing.set(name, at)
  }

  #want(name: PoolName, wishes: Wishes, version: number, at: number): void {
    const pool = POOLS.find((it) => it.name === name)!
    const before = this.#wishes.get(name) ?? {}
    this.#wishes.set(name, wishes)
    const wanted = this.#wanted.get(name)!
    for (const server of new Set([...Object.keys(before), ...Object.keys(wishes)])) {
      const weight = wantedWeight(wishes[server])
      if (!weight) wanted.delete(server)
      else if (!wanted.has(server)) wanted.set(server, { version, since: undefined })
      if (this.#looked) {
        for (const key of serviceKeys(pool)) this.#note(at, key, `${server}:${pool.port}`)
      }
      if (pool !== QUERIED) continue
      const endpoint = `${server}:${pool.port}`
      if (weight !== undefined) {
        this.#outs.delete(endpoint)
        this.#close(endpoint, at)
      } else if (wantedWeight(before[server]) !== undefined) {
        this.#outs.set(endpoint, { version, at })
      }
    }
  }

  /** The controller has had its time for these changes. */
  #settle(at: number, isOf: (version: number) => boolean): void {
    for (const servers of this.#wanted.values()) {
      for (const wanted of servers.values()) if (isOf(wanted.version)) wanted.since ??= at
    }
  }

  #openWindows(at: number, isOut: (out: { version: number; at: number }) => boolean): void {
    for (const [server, out] of this.#outs) {
      if (!isOut(out) || this.#open.has(server)) continue
      const window = { server, from: at, to: Number.POSITIVE_INFINITY }
      this.#open.set(server, window)
      this.#windows.push(window)
    }
  }

  #close(server: string, at: number): void {
    const window = this.#open.get(server)
    if (window !== undefined) window.to = at
    this.#open.delete(server)
  }

  #closeAll(at: number): void {
    for (const server of [...this.#open.keys()]) this.#close(server, at)
  }

  /** How long has been missing who is missing now. */
  #measure(at: number): void {
    if (this.#ready === undefined || !this.#looked) return
    for (const pool of POOLS) {
      for (const [server, { since }] of this.#wanted.get(pool.name)!) {
        if (since === undefined) continue
        for (const key of serviceKeys(pool)) {
          const what = `${key} ${server}:${pool.port}`
          const missing = this.#missing.get(what)
          if (missing === undefined) continue
          const from = Math.max(this.#ready, since, missing)
          if (at - from <= this.#longest.ms) continue
          const ms = this.#steal.ran(from, at)
          if (ms > this.#longest.ms) this.#longest = { what, from, to: at, ms }
        }
      }
    }
  }

  /** One divergence for each still time is enough. */
  #compare(at: number): void {
    const lines = POOLS.flatMap((pool) =>
      differences(wantedTable(pool, this.#wishes.get(pool.name) ?? {}), this.#table),
    )
    if (lines.length === 0) return
    this.#still = false
    this.#counts.divergences++
    this.#divergence ??= { at, lines }
  }

  findings(deliveries: readonly Delivery[]): Findings {
    const { wishes, meddled, kills, quiets, divergences } = this.#counts
    const killsWanted = this.#begun?.kills ?? 0
    const queries = this.#ended?.queries ?? 0
    const longestGapMs = this.#witnessed?.longestGapMs ?? 0
    const missingHealthyMs = Math.round(this.#longest.ms)
    const from = this.#begun?.at ?? 0
    const to = this.#ended?.at ?? from
    const missing = this.#steal.share(from, to)
    const { telling, lost } = this.#lost(deliveries)
    const lostAfterFlip = telling === 0 ? null : lost.length
    const troubles = [...this.#troubles]
    if (this.#begun === undefined || this.#ended === undefined) troubles.push('the run did not end')
    if (this.#witnessed === undefined) troubles.push('the witness did not stay to the end')
    if (quiets === 0) troubles.push('there was no quiet period')
    if (kills < killsWanted) troubles.push(`only ${kills} of ${killsWanted} kills`)
    if (deliveries.length * 2 < queries) {
      troubles.push(`only ${deliveries.length} of ${queries} queries got to a server`)
    }
    if (telling === 0) troubles.push('no query could show what happens after a flip')
    // A query at a server that was taken out is wrong on any machine, and so is a table that is wrong after most of the quiet
    // times: nobody repairs it. After some, whoever should have had no time.
    const unrepaired = divergences > 0 && (missing <= MOST_MISSING || divergences * 2 > quiets)
    const wrong = unrepaired || (lostAfterFlip ?? 0) > 0
    const late = missingHealthyMs > LIMIT_MS || divergences > 0 || troubles.length > 0
    const excused = late && missing > MOST_MISSING
    const outcome = wrong || (late && !excused) ? 'failed' : excused ? 'busy' : 'held'
    return {
      verdict: {
        ok: outcome === 'held',
        ...{ outcome, missing },
        minutes: this.#begun?.minutes ?? 0,
        actions: wishes + meddled,
        ...{ kills, divergences, missingHealthyMs, lostAfterFlip },
      },
      ...{
        wishes,
        meddled,
        killsWanted,
        quiets,
        queries,
        telling,
        longestGapMs,
        troubles,
      },
      divergence: this.#divergence,
      missing: missingHealthyMs === 0 ? undefined : this.#longest,
      delivered: deliveries.length,
      lost: lost[0],
    }
  }

  #lost(deliveries: readonly Delivery[]): { telling: number; lost: Delivery[] } {
    const byServer = new Map<string, Window[]>()
    for (const window of this.#windows) {
      const others = byServer.get(window.server)
      if (others === undefined) byServer.set(window.server, [window])
      else others.push(window)
    }
    // Who was on its way when the server came back may have been sent to it: reading the clock is not sending.
    const isLost = ({ sent, got, server }: Delivery) =>
      byServer.get(server)?.some(({ from, to }) => sent > from && got < to) === true
    return { telling: countWithin(deliveries, this.#windows), lost: deliveries.filter(isLost) }
  }
}

/** How many were sent within some window. */
function countWithin(deliveries: readonly Delivery[], windows: readonly Window[]): number {
  const sent = deliveries.map((it) => it.sent).sort((a, b) => a - b)
  const ordered = [...windows].sort((a, b) => a.from - b.from)
  let count = 0
  let end = Number.NEGATIVE_INFINITY
  let next = 0
  for (const at of sent) {
    for (; next < ordered.length && ordered[next]!.from < at; next++) {
      end = Math.max(end, ordered[next]!.to)
    }
    if (at < end) count++
  }
  return count
}

/** Since the beginning of the run. */
export function seconds(at: number, begun: { readonly at: number } | undefined): string {
  return `${((at - (begun?.at ?? 0)) / 1000).toFixed(2)} s`
}
