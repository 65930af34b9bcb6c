// The view on a terminal: looks come in, keys come in, and what changes by them is drawn.
import { setTimeout as sleep } from 'node:timers/promises'
import { endingOf } from '../errors.js'
import type { Paint } from '../paint.js'
import { serviceName } from '../table/seen.js'
import { arrange, type SortKey } from './columns.js'
import type { Director } from './director.js'
import { begin, indexIn, listOf, press, type State, settle } from './keys.js'
import { type Known, type Look, learn, NOTHING, printable, type Source } from './looks.js'
import { type Row, sumOf } from './model.js'
import { type Events, Screen } from './screen.js'
import { draw, type Glyphs, pageOf } from './view.js'

export interface LiveOptions {
  readonly source: Source
  readonly intervalMs: number
  readonly sort: SortKey | undefined
  /** Somebody has asked for one service: its destinations are shown. */
  readonly isOne: boolean
  /** What is looked at, for the title. */
  readonly about: string
  readonly paint: Paint
  readonly glyphs: Glyphs
  /** That may run. Default: none is asked. */
  readonly director?: Director | undefined
}

/** Longer than a look takes on a busy machine. */
const LATE_MS = 1000

/** What a {@link Screen} is. */
export type Terminal = Pick<Screen, 'size' | 'open' | 'close' | 'draw' | 'suspend'>

const realTerminal = (events: Events): Terminal => new Screen(events)

/** Follows the table until somebody ends it. @throws what the first look throws, before the terminal is taken over */
export async function live(
  options: LiveOptions,
  signal: AbortSignal,
  terminal = realTerminal,
): Promise<void> {
  const view = new Live(options, terminal)
  await view.look()
  await view.run(signal)
}

class Live {
  readonly #options: LiveOptions
  readonly #screen: Terminal
  #state: State
  #known: Known = NOTHING
  /** Of the last good look. */
  #seenAtMs = 0
  #time = ''
  #failure: string | undefined
  #arranged: { readonly by: readonly unknown[]; readonly rows: readonly Row[] } | undefined
  #isOver = false
  #isHurried = false
  #pause = new AbortController()
  #role: Look['role']
  #end: () => void = () => {}
  #fail: (error: unknown) => void = () => {}

  constructor(options: LiveOptions, terminal: (events: Events) => Terminal) {
    this.#options = options
    this.#state = begin(options.source.hasCounters, options.sort)
    this.#screen = terminal({
      key: (name) => this.#guard(() => this.#press(name)),
      changed: () => this.#guard(() => this.#draw()),
      gone: () => this.#end(),
    })
  }

  async look(): Promise<void> {
    const look = await this.#options.source.look(
      (service) => serviceName(service) === this.#state.service,
    )
    const isFirst = this.#known === NOTHING
    this.#known = learn(this.#known, look)
    this.#role = look.role
    this.#seenAtMs = performance.now()
    this.#time = new Date().toTimeString().slice(0, 8)
    const isDirected = (look.managed?.get(this.#state.service ?? '')?.size ?? 0) > 0
    this.#state = { ...this.#state, isDirected }
    const [only, ...others] = this.#known.services.keys()
    if (isFirst && this.#options.isOne && only !== undefined && others.length === 0) {
      this.#state = { ...this.#state, service: only }
      this.#isHurried = true
    }
  }

  async run(signal: AbortSignal): Promise<void> {
    if (signal.aborted) return
    const ended = new Promise<void>((resolve, reject) => {
      this.#end = resolve
      this.#fail = reject
    })
    signal.addEventListener('abort', this.#end, { once: true })
    try {
      this.#screen.open()
      this.#draw()
      await Promise.race([ended, this.#follow()])
    } finally {
      this.#isOver = true
      this.#screen.close()
      this.#pause.abort()
      signal.removeEventListener('abort', this.#end)
    }
  }

  /** By a clock, so that looks do not drift. What the kernel says no to is shown, and asked for again. */
  async #follow(): Promise<void> {
    const { intervalMs } = this.#options
    let dueMs = performance.now() + intervalMs
    while (!this.#isOver) {
      await this.#wait(dueMs)
      if (this.#isOver) return
      const late = setInterval(() => this.#guard(() => this.#draw()), LATE_MS)
      try {
        await this.look()
        this.#failure = undefined
      } catch (error) {
        this.#failure = reasonOf(error)
      } finally {
        clearInterval(late)
      }
      if (this.#isOver) return
      this.#draw()
      const missed = Math.ceil((performance.now() - dueMs) / intervalMs)
      if (missed > 0) dueMs += missed * intervalMs
    }
  }

  async #wait(dueMs: number): Promise<void> {
    this.#pause = new AbortController()
    if (!this.#isHurried) {
      const { signal } = this.#pause
      await sleep(Math.max(dueMs - performance.now(), 0), undefined, { signal }).catch(() => {})
    }
    this.#isHurried = false
  }

  #press(name: string): void {
    const next = press(this.#state, name, { rows: this.#rows(), page: pageOf(this.#screen.size) })
    if (next === 'end') this.#end()
    else if (next === 'suspend') this.#screen.suspend()
    else if (next === 'drain') void this.#drain()
    else this.#show(next)
  }

  /** Or takes back. What the director says no to is shown, until the next look. */
  async #drain(): Promise<void> {
    const rows = this.#rows()
    const managed = rows[indexIn(listOf(this.#state), rows)]?.managed
    this.#show({ ...this.#state, mode: 'rows' })
    if (managed === undefined) return
    try {
      await this.#options.director?.say(
        managed.target,
        managed.word === 'drain' ? 'ready' : 'drain',
      )
      this.#isHurried = true
      this.#pause.abort()
    } catch (error) {
      this.#failure = printable((error as Error).message)
      this.#guard(() => this.#draw())
    }
  }

  #show(state: State): void {
    const isOther = state.service !== undefined && state.service !== this.#state.service
    this.#state = state
    if (isOther) {
      this.#isHurried = true
      this.#pause.abort()
    }
    this.#draw()
  }

  #draw(): void {
    const { paint, about, glyphs, source } = this.#options
    const { size } = this.#screen
    const rows = this.#rows()
    this.#state = settle(this.#state, { rows, page: pageOf(size) })
    const { services } = this.#known
    const { service } = this.#state
    const picture = {
      ...{ state: this.#state, rows, total: this.#all().size, size, glyphs },
      about: this.#role === undefined ? about : `${this.#role}  ${about}`,
      rates: service === undefined ? sumOf(services.values()) : services.get(service)?.rates,
      time: this.#time,
      problem: this.#problem(),
      note: `${source.name} has no counters, so that there are no rates.`,
    }
    if (!this.#screen.draw(draw(picture, paint))) this.#end()
  }

  #all() {
    const { services, destinations } = this.#known
    const { service } = this.#state
    return service === undefined ? services : (destinations.get(service) ?? new Map<string, Row>())
  }

  /** Sorted and filtered: anew only if something of that has changed. */
  #rows(): readonly Row[] {
    const all = this.#all()
    const { sort, filter } = listOf(this.#state)
    const by = [this.#known, this.#state.service, sort, filter]
    if (this.#arranged === undefined || by.some((one, at) => one !== this.#arranged!.by[at])) {
      this.#arranged = { by, rows: arrange(all.values(), sort, filter) }
    }
    return this.#arranged.rows
  }

  #problem(): string | undefined {
    const { service } = this.#state
    if (this.#failure !== undefined) {
      return `As of ${this.#time}; trying again: ${this.#failure}`
    }
    if (performance.now() - this.#seenAtMs > 2 * this.#options.intervalMs + LATE_MS) {
      return `As of ${this.#time}: the kernel has not answered since.`
    }
    if (service !== undefined && !this.#known.services.has(service)) {
      return `There is no such service any more.`
    }
    return undefined
  }

  /** What goes wrong where nobody waits for it ends the view, and is told when the terminal is given back. */
  #guard(work: () => void): void {
    try {
      work()
    } catch (error) {
      this.#fail(error)
    }
  }
}

/** @throws what is a fault of this program */
function reasonOf(error: unknown): string {
  const { code, name } = error as { readonly code?: string; readonly name?: string }
  if (!code?.startsWith('ERR_IPVS_') && name !== 'CommandError') throw error
  return printable(endingOf(error).message)
}
