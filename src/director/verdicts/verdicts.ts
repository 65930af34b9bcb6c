// Shared verdicts as the file says, also after a reload: without them each verdict counts as it is.
import type { EtcdClient } from '../../etcd/index.js'
import type { Verdict } from '../../health/types.js'
import type { Config } from '../config/read.js'
import { SharedVerdicts } from './shared.js'

/** What the director does with it. */
export interface VerdictsOf {
  /** Another verdict may count now: on one server, or on all. */
  readonly again: (pool?: string, server?: string) => void
  readonly trouble: (text: string | undefined) => void
  readonly warn: (text: string) => void
}

export class Verdicts {
  readonly #of: VerdictsOf
  #digest: string | undefined
  #shared: SharedVerdicts | undefined
  /** Of its own: it has less time than others have. */
  #client: EtcdClient | undefined

  constructor(of: VerdictsOf) {
    this.#of = of
  }

  async use(config: Config): Promise<void> {
    const { verdicts, etcd, name } = config
    const digest = verdicts && JSON.stringify([verdicts, etcd?.digest, name])
    if (digest === this.#digest) return
    await this.close()
    this.#digest = digest
    if (verdicts !== undefined && etcd !== undefined) {
      // A lease outlives an endpoint that hangs.
      const client = etcd.within(verdicts.ttlMs / 2)
      this.#client = client
      this.#shared = new SharedVerdicts({ ...this.#of, client, config: verdicts, name })
    }
    this.#of.again()
  }

  judge(pool: string, server: string, verdict: Verdict): Verdict {
    return this.#shared?.hear(pool, server, verdict) ?? verdict
  }

  forget(pool: string, server: string): void {
    this.#shared?.forget(pool, server)
  }

  async close(): Promise<void> {
    this.#digest = undefined
    await this.#shared?.close()
    this.#shared = undefined
    this.#client?.close()
    this.#client = undefined
    this.#of.trouble(undefined)
  }
}
