// Flips that would take something away before what replaces it is there: they wait for its answer.
import type { PoolCause } from '../api.js'
import type { Server } from '../policy/server.js'
import { type FindBlocked, mayHaveToWait } from './hold-back.js'
import { type Step, serverSteps } from './steps.js'

export class HeldFlips {
  readonly #findBlocked: FindBlocked
  readonly #held = new Map<Server, PoolCause>()

  constructor(findBlocked: FindBlocked) {
    this.#findBlocked = findBlocked
  }

  /** Keeps back those whose losses have to wait. Returns the others. */
  sort(servers: readonly Server[], cause: PoolCause): readonly Server[] {
    if (this.#held.size > 0) for (const server of servers) this.#held.delete(server)
    // Mostly nobody has to: this is in the path of every flip.
    if (!servers.some(mayHaveToWait)) return servers
    const blocked = this.#findBlocked(stepsOf(servers.filter(mayHaveToWait)))
    if (blocked.size === 0) return servers
    for (const loser of blocked.keys()) this.#held.set(loser as Server, cause)
    return servers.filter((server) => !blocked.has(server))
  }

  /** Those that need not wait any more; they are not kept after this. */
  takeFree(): [Server, PoolCause][] {
    if (this.#held.size === 0) return []
    const blocked = this.#findBlocked(stepsOf([...this.#held.keys()]))
    const free = [...this.#held].filter(([server]) => !blocked.has(server))
    for (const [server] of free) this.#held.delete(server)
    return free
  }

  /** One of them waits for an addition whose answer has not come. */
  waitForAnswer(servers: readonly Server[]): boolean {
    const waiting = servers.filter((server) => this.#held.has(server))
    if (waiting.length === 0) return false
    const blocked = this.#findBlocked(stepsOf(waiting))
    return [...blocked.values()].some(({ pending }) => pending)
  }
}

function stepsOf(servers: readonly Server[]): Step[] {
  return servers.flatMap((server) => serverSteps(server, true))
}
