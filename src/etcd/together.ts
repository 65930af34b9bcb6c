// One watch for many who follow something below one prefix: a director with thousands of pools has one connection for them.
import { onAbort, pause } from '../abort.js'
import type { EtcdClient } from './client.js'
import { followChanges, type Place, type PrefixChange } from './follow-prefix.js'

/** After a failure, which all of them hear of, nobody looks again sooner. */
const AGAIN_MS = 1000

/** By client and prefix. */
const watches = new WeakMap<object, Map<string, SharedWatch>>()

/**
 * As `followPrefix`, with one watch of `together` for all of a client's that say the same.
 *
 * @param together up to a `/`
 * @param prefix of what is wanted; begins with `together`, and ends with a `/`
 */
export function followTogether(
  client: Pick<EtcdClient, 'range' | 'watch'>,
  together: string,
  prefix: string,
  signal?: AbortSignal,
): AsyncGenerator<ReadonlyMap<string, string>, void, void> {
  const ofClient = watches.get(client) ?? new Map<string, SharedWatch>()
  watches.set(client, ofClient)
  const watch = ofClient.get(together) ?? new SharedWatch(client, together)
  ofClient.set(together, watch)
  return watch.follow(prefix, signal)
}

type Folders = Map<string, Map<string, string>>

class SharedWatch {
  readonly #client: Pick<EtcdClient, 'range' | 'watch'>
  readonly #prefix: string
  readonly #followers = new Map<string, Set<Follower>>()
  /** What there is below each `/` of the keys, after the prefix's own. `undefined`: it has not been read, or nobody can tell whether it is still so. */
  #folders: Folders | undefined
  /** What there was when etcd last answered, at that place: a restart of etcd is no reason for everybody to read everything. */
  #last: Folders = new Map()
  #place: Place = {}
  /** Ends the watch; there is one while somebody follows. */
  #end: AbortController | undefined
  #failedAt = Number.NEGATIVE_INFINITY

  constructor(client: Pick<EtcdClient, 'range' | 'watch'>, prefix: string) {
    this.#client = client
    this.#prefix = prefix
  }

  async *follow(
    prefix: string,
    signal: AbortSignal | undefined,
  ): AsyncGenerator<ReadonlyMap<string, string>, void, void> {
    const follower = new Follower()
    const ofPrefix = this.#followers.get(prefix) ?? new Set()
    this.#followers.set(prefix, ofPrefix.add(follower))
    if (this.#folders !== undefined) follower.tell()
    const forget = onAbort(signal, () => follower.tell())
    this.#begin()
    try {
      while (!signal?.aborted) {
        await follower.told()
        if (signal?.aborted) return
        if (follower.error !== undefined) throw follower.error
        yield new Map(this.#folders?.get(prefix))
      }
    } finally {
      forget()
      this.#leave(prefix, follower)
    }
  }

  #leave(prefix: string, follower: Follower): void {
    const ofPrefix = this.#followers.get(prefix)
    // It has failed, with all others.
    if (!ofPrefix?.delete(follower)) return
    if (ofPrefix.size === 0) this.#followers.delete(prefix)
    if (this.#followers.size > 0) return
    this.#end?.abort()
    this.#end = undefined
    this.#folders = undefined
    this.#last = new Map()
    this.#place = {}
  }

  #begin(): void {
    if (this.#end !== undefined) return
    const end = new AbortController()
    this.#end = end
    void this.#run(end.signal).catch((error: Error) => {
      // Nobody follows any more, or others do already.
      if (end.signal.aborted) return
      this.#failedAt = performance.now()
      this.#end = undefined
      this.#folders = undefined
      const all = [...this.#followers.values()].flatMap((some) => [...some])
      this.#followers.clear()
      for (const follower of all) follower.fail(error)
    })
  }

  async #run(signal: AbortSignal): Promise<void> {
    await pause(this.#failedAt + AGAIN_MS - performance.now(), signal)
    for await (const change of followChanges(this.#client, this.#prefix, signal, this.#place)) {
      if (signal.aborted) return
      for (const folder of this.#take(change)) {
        for (const follower of this.#followers.get(folder) ?? []) follower.tell()
      }
    }
  }

  /** @returns whose contents have changed */
  #take(change: PrefixChange): Iterable<string> {
    if ('all' in change) {
      this.#last = new Map()
      for (const { key, value } of change.all) this.#put(this.#last, key, value)
      this.#folders = this.#last
      return this.#followers.keys()
    }
    const folders = this.#last
    const wereKnown = this.#folders !== undefined
    this.#folders = folders
    const changed = new Set<string>()
    for (const event of change.events) {
      for (const folder of foldersOf(event.key, this.#prefix)) {
        changed.add(folder)
        if (event.type === 'put') continue
        folders.get(folder)?.delete(event.key)
        if (folders.get(folder)?.size === 0) folders.delete(folder)
      }
      if (event.type === 'put') this.#put(folders, event.key, event.value)
    }
    return wereKnown ? changed : this.#followers.keys()
  }

  #put(folders: Map<string, Map<string, string>>, key: string, value: string): void {
    for (const folder of foldersOf(key, this.#prefix)) {
      const known = folders.get(folder) ?? new Map<string, string>()
      folders.set(folder, known.set(key, value))
    }
  }
}

/** One who waits to be told that something has changed. */
class Follower {
  error: Error | undefined
  #isTold = false
  #wake = () => {}

  tell(): void {
    this.#isTold = true
    this.#wake()
  }

  fail(error: Error): void {
    this.error = error
    this.tell()
  }

  async told(): Promise<void> {
    if (!this.#isTold) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve
      })
    }
    this.#isTold = false
  }
}

/** `a/`, `a/b/` of `a/b/c`, from `prefix` on. */
function* foldersOf(key: string, prefix: string): Generator<string, void, void> {
  for (let at = prefix.length; at > 0; at = key.indexOf('/', at) + 1) yield key.slice(0, at)
}
