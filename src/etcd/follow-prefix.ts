// All keys with a prefix, kept up to date: read once, then change by change.
import { pause } from '../abort.js'
import type { EtcdClient, EtcdRange } from './client.js'
import type { EtcdError, EtcdErrorCode } from './errors.js'
import type { EtcdEntry, EtcdEvent } from './wire.js'

/** What fails sooner after it has begun is trouble to be told of; what has lived longer is taken up again. */
const BRIEF_MS = 1000

/** What has become of the keys with a prefix. */
export type PrefixChange =
  /** They are these, whatever they were before. */
  | { readonly all: readonly EtcdEntry[] }
  /** This has happened, in order. */
  | { readonly events: readonly EtcdEvent[] }

/**
 * What there is under a prefix, values by keys: at once, and the whole of it again after each change. A watch that breaks is
 * taken up where it was, at another endpoint if need be; what there is is read anew where changes have been compacted or
 * the store is another one. In between nothing is yielded: nobody seems to have gone.
 *
 * Ends when `signal` is aborted. Waiting for a change does not keep the process alive, a look does.
 *
 * @throws TypeError, RangeError, while iterating, for a bad argument
 * @throws EtcdError, while iterating: no endpoint answers, or the user may not read it
 */
export async function* followPrefix(
  client: Pick<EtcdClient, 'range' | 'watch'>,
  prefix: string,
  signal?: AbortSignal,
): AsyncGenerator<ReadonlyMap<string, string>, void, void> {
  let all = new Map<string, string>()
  for await (const change of followChanges(client, prefix, signal)) {
    if ('all' in change) all = new Map(change.all.map(({ key, value }) => [key, value]))
    else {
      for (const event of change.events) {
        if (event.type === 'put') all.set(event.key, event.value)
        else all.delete(event.key)
      }
    }
    yield new Map(all)
  }
}

/** How far somebody has come. */
export interface Place {
  /** Default: nothing was read yet, or it has to be read anew. */
  at?: Pick<EtcdRange, 'revision' | 'clusterId'> | undefined
}

/**
 * The same, change by change.
 *
 * @param place kept up to date, for who goes on after an error. From a place, what was missed comes instead of the whole, and a change
 *   of nothing first: etcd answers again
 */
export async function* followChanges(
  client: Pick<EtcdClient, 'range' | 'watch'>,
  prefix: string,
  signal?: AbortSignal,
  place: Place = {},
): AsyncGenerator<PrefixChange, void, void> {
  while (!signal?.aborted) {
    const began = performance.now()
    const goesOn = place.at !== undefined
    if (!goesOn) {
      const range = await unless(signal, client.range(prefix, { signal }))
      if (range === undefined) return
      const { revision, clusterId, entries } = range
      place.at = { revision, clusterId }
      yield { all: entries }
    }
    try {
      yield* changesSince(client, prefix, place, goesOn, signal)
      return
    } catch (error) {
      if (!hasCode(error, 'ERR_ETCD_COMPACTED', 'ERR_ETCD_RESTORED')) throw error
      place.at = undefined
    }
    await pause(began + BRIEF_MS - performance.now(), signal)
  }
}

/** Ends at the abort only. */
async function* changesSince(
  client: Pick<EtcdClient, 'range' | 'watch'>,
  prefix: string,
  place: Place,
  goesOn: boolean,
  signal: AbortSignal | undefined,
): AsyncGenerator<PrefixChange, void, void> {
  let withStart = goesOn
  while (!signal?.aborted) {
    const began = performance.now()
    const { revision, clusterId } = place.at!
    const from = { fromRevision: revision + 1, clusterId }
    try {
      for await (const change of client.watch(prefix, { ...from, withStart, signal })) {
        place.at = { revision: change.revision, clusterId }
        withStart = false
        yield change
      }
    } catch (error) {
      if (signal?.aborted) return
      const isBrief = performance.now() - began < BRIEF_MS
      // It has answered, and broken at once: who goes on from here may never come further.
      if (isBrief && goesOn && !withStart) place.at = undefined
      if (isBrief || !hasCode(error, 'ERR_ETCD_BROKEN')) throw error
    }
  }
}

/** `undefined`: it was ended. */
async function unless<T>(
  signal: AbortSignal | undefined,
  work: Promise<T>,
): Promise<T | undefined> {
  try {
    return await work
  } catch (error) {
    if (signal?.aborted) return undefined
    throw error
  }
}

function hasCode(error: unknown, ...codes: readonly EtcdErrorCode[]): boolean {
  return codes.includes((error as EtcdError).code)
}
