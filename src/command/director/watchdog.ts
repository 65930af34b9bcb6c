// Says to a service manager how the director is: ready, reloading, alive (sd_notify(3)).
import type { Director, tellServiceManager } from '../../director/index.js'

const LOOK_MS = 1000
const STATUS_MS = 15_000
/** A server that nobody can judge, or a source without a list, does not keep what starts behind us waiting for ever. */
const READY_MS = 30_000

export class Watchdog {
  readonly #tell: typeof tellServiceManager
  readonly #director: Director
  #timer: NodeJS.Timeout | undefined
  #isReady = false
  #status = ''
  #fedAt = 0
  #startedAt = 0
  #lookedAt = 0

  constructor(tell: typeof tellServiceManager, director: Director) {
    this.#tell = tell
    this.#director = director
  }

  start(): void {
    if ((process.env.NOTIFY_SOCKET ?? '') === '') return
    this.#startedAt = performance.now()
    this.#look()
    this.#timer = setInterval(() => this.#look(), LOOK_MS).unref()
  }

  reloading(): void {
    if (this.#timer === undefined) return
    const monotonic = process.hrtime.bigint() / 1000n
    this.#tell({ RELOADING: 1, MONOTONIC_USEC: String(monotonic) })
  }

  reloaded(): void {
    if (this.#timer !== undefined) this.#tell({ READY: 1 })
  }

  stop(): void {
    if (this.#timer === undefined) return
    clearInterval(this.#timer)
    this.#tell({ STOPPING: 1 })
  }

  #look(): void {
    const now = performance.now()
    // Of a big director it is much to look at.
    if (!this.#isReady || now - this.#lookedAt > STATUS_MS) {
      this.#lookedAt = now
      this.#tellStatus(now)
    }
    this.#feed()
  }

  #tellStatus(now: number): void {
    const { ready, pools } = this.#director.state()
    const servers = pools.flatMap((pool) => pool.servers)
    const serving = servers.filter(({ serves }) => serves).length
    const status = `${pools.length} pools, ${serving} of ${servers.length} servers serve`
    if (status !== this.#status) {
      this.#status = status
      this.#tell({ STATUS: status })
    }
    // Once: traffic flows, and every server has had its first verdict.
    if (this.#isReady || (!ready && now - this.#startedAt < READY_MS)) return
    this.#isReady = true
    this.#tell({ READY: 1 })
  }

  /** Twice in its time. Not, if the director does not do its work any more: then it is to be started anew. */
  #feed(): void {
    const { WATCHDOG_USEC, WATCHDOG_PID } = process.env
    const limitMs = Number(WATCHDOG_USEC) / 1000
    const isOurs = WATCHDOG_PID === undefined || Number(WATCHDOG_PID) === process.pid
    if (!(limitMs > 0) || !isOurs || performance.now() - this.#fedAt < limitMs / 2 - LOOK_MS / 2)
      return
    if (!this.#director.isHealthy()) return
    this.#fedAt = performance.now()
    this.#tell({ WATCHDOG: 1 })
  }
}
