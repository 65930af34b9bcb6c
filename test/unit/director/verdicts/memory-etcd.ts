// An etcd in memory, as far as directors use it: revisions, watches that resume, compaction, leases, transactions. It counts what
// passes, as the JSON gateway would write it, and can be stopped, compacted, or cut off from some of its clients.
import {
  type EtcdChange,
  type EtcdChanges,
  EtcdError,
  type EtcdEvent,
  type EtcdRange,
} from '../../../../src/etcd/index.js'

export interface Traffic {
  requests: number
  requestBytes: number
  answerBytes: number
  /** Messages of watches. */
  watched: number
  watchedBytes: number
}

interface Lease {
  readonly ttlMs: number
  readonly keys: Set<string>
  timer: NodeJS.Timeout
}

interface Watcher {
  readonly client: string
  readonly prefix: string
  push(change: EtcdChanges | Error): void
}

type Options = { readonly signal?: AbortSignal | undefined } | undefined

export class MemoryEtcd {
  readonly traffic: Traffic = {
    requests: 0,
    requestBytes: 0,
    answerBytes: 0,
    watched: 0,
    watchedBytes: 0,
  }
  revision = 1
  readonly #keys = new Map<string, { readonly value: string; readonly modRevision: number }>()
  #history: EtcdChanges[] = []
  #compacted = 0
  readonly #leases = new Map<string, Lease>()
  #nextLease = 1
  readonly #watchers = new Set<Watcher>()
  readonly #cut = new Set<string>()
  #isUp = true

  get keys(): ReadonlyMap<string, { readonly value: string }> {
    return this.#keys
  }

  /** One write, with one revision. */
  write(changes: readonly EtcdChange[], lease?: string): void {
    const revision = ++this.revision
    const events: EtcdEvent[] = []
    for (const { key, value } of changes) {
      for (const one of this.#leases.values()) one.keys.delete(key)
      if (value === undefined) {
        if (this.#keys.delete(key)) events.push({ type: 'delete', key })
        continue
      }
      this.#keys.set(key, { value, modRevision: revision })
      if (lease !== undefined) this.#leases.get(lease)!.keys.add(key)
      events.push({ type: 'put', key, value })
    }
    this.#history.push({ revision, events })
    for (const watcher of this.#watchers) this.#tell(watcher, { revision, events })
  }

  /** Changes up to now cannot be told any more. */
  compact(): void {
    this.#compacted = this.revision
    this.#history = []
  }

  /** The data stays; leases get their time anew, as with another leader. */
  stop(): void {
    this.#isUp = false
    for (const { timer } of this.#leases.values()) clearTimeout(timer)
    this.#breakOff(() => true)
  }

  start(): void {
    this.#isUp = true
    for (const [id, lease] of this.#leases) this.#renew(id, lease)
  }

  cutOff(clients: Iterable<string>): void {
    for (const client of clients) this.#cut.add(client)
    this.#breakOff(({ client }) => this.#cut.has(client))
  }

  heal(): void {
    this.#cut.clear()
  }

  /** Ends its timers. */
  close(): void {
    this.stop()
  }

  client(name: string) {
    const call = async <T>(request: object, options: Options, run: () => T): Promise<T> => {
      await new Promise((resolve) => setImmediate(resolve))
      options?.signal?.throwIfAborted()
      if (!this.#isUp || this.#cut.has(name)) {
        throw new EtcdError('ERR_ETCD_UNAVAILABLE', 'etcd is away: connection refused')
      }
      const answer = run()
      this.traffic.requests++
      this.traffic.requestBytes += sizeOf(request)
      this.traffic.answerBytes += sizeOf(answer)
      return answer
    }
    return {
      range: (prefix: string, options?: Options): Promise<EtcdRange> =>
        call({ prefix }, options, () => ({
          revision: this.revision,
          clusterId: '1',
          entries: [...this.#keys]
            .filter(([key]) => key.startsWith(prefix))
            .map(([key, one]) => ({ key, ...one })),
        })),
      watch: (prefix: string, options: { fromRevision: number } & NonNullable<Options>) =>
        this.#watch(name, prefix, options, call),
      commit: (
        changes: readonly EtcdChange[],
        options?: { readonly lease?: string | undefined } & Options,
      ) =>
        call(changes, options, () => {
          const { lease } = options ?? {}
          if (lease !== undefined && !this.#leases.has(lease)) {
            throw new EtcdError('ERR_ETCD_NO_LEASE', 'requested lease not found')
          }
          this.write(changes, lease)
        }),
      grant: (ttlSeconds: number, options?: Options) =>
        call({ ttlSeconds }, options, () => {
          const id = String(this.#nextLease++)
          const lease = {
            ttlMs: ttlSeconds * 1000,
            keys: new Set<string>(),
            timer: setTimeout(() => {}, 0),
          }
          this.#leases.set(id, lease)
          this.#renew(id, lease)
          return id
        }),
      keepAlive: (id: string, options?: Options) =>
        call({ id }, options, () => {
          const lease = this.#leases.get(id)
          if (lease !== undefined) this.#renew(id, lease)
          return (lease?.ttlMs ?? 0) / 1000
        }),
      revoke: (id: string, options?: Options) => call({ id }, options, () => this.#end(id)),
    }
  }

  async *#watch(
    client: string,
    prefix: string,
    { fromRevision, signal }: { fromRevision: number } & NonNullable<Options>,
    call: <T>(request: object, options: Options, run: () => T) => Promise<T>,
  ): AsyncGenerator<EtcdChanges, void, void> {
    const waiting: (EtcdChanges | Error)[] = []
    let wake = () => {}
    const watcher: Watcher = {
      client,
      prefix,
      push(change) {
        waiting.push(change)
        wake()
      },
    }
    await call({ prefix, fromRevision }, { signal }, () => {
      if (fromRevision <= this.#compacted) {
        const text = `changes before revision ${this.#compacted + 1} are compacted`
        throw new EtcdError('ERR_ETCD_COMPACTED', text, { compactRevision: this.#compacted + 1 })
      }
      for (const change of this.#history)
        if (change.revision >= fromRevision) this.#tell(watcher, change)
      this.#watchers.add(watcher)
    })
    const end = () => wake()
    signal?.addEventListener('abort', end)
    try {
      while (!signal?.aborted) {
        const next = waiting.shift()
        if (next instanceof Error) throw next
        if (next !== undefined) yield next
        else {
          await new Promise<void>((resolve) => {
            wake = resolve
          })
        }
      }
    } finally {
      signal?.removeEventListener('abort', end)
      this.#watchers.delete(watcher)
    }
  }

  #tell(watcher: Watcher, { revision, events }: EtcdChanges): void {
    const some = events.filter(({ key }) => key.startsWith(watcher.prefix))
    if (some.length === 0) return
    this.traffic.watched++
    this.traffic.watchedBytes += sizeOf(some) + 120
    watcher.push({ revision, events: some })
  }

  #breakOff(is: (watcher: Watcher) => boolean): void {
    for (const watcher of this.#watchers) {
      if (!is(watcher)) continue
      this.#watchers.delete(watcher)
      watcher.push(new EtcdError('ERR_ETCD_BROKEN', 'the connection was closed'))
    }
  }

  #renew(id: string, lease: Lease): void {
    clearTimeout(lease.timer)
    lease.timer = setTimeout(() => this.#end(id), lease.ttlMs).unref()
  }

  #end(id: string): void {
    const lease = this.#leases.get(id)
    if (lease === undefined) return
    clearTimeout(lease.timer)
    this.#leases.delete(id)
    if (lease.keys.size > 0) this.write([...lease.keys].map((key) => ({ key })))
  }
}

/** In base64 as the gateway has keys and values, a third longer, with the words around them. */
function sizeOf(value: unknown): number {
  if (value === undefined) return 2
  return Math.ceil(JSON.stringify(value).length * 1.35)
}
