// A read of the table that changes can rest on. Dumps are hints: the kernel never says that one was disturbed, and
// on 6.1 another namespace disturbs ours (ip_vs_ctl.c: ip_vs_genl_dump_services). GET_SERVICE is the truth.
import type { ServiceStatus, ServiceTreeStatus, Snapshot } from '../types.js'
import { checkServiceId } from '../validate.js'
import { serviceId, type Wanted } from './desired.js'
import { seenServiceKey } from './plan.js'
import type { Table } from './table.js'

export interface Observed {
  /** By key. */
  readonly seen: ReadonlyMap<string, ServiceTreeStatus>
  /** Services that are not desired and that the selector names. */
  readonly pruned: readonly ServiceStatus[]
  readonly verified: boolean
}

/** Each is several rounds of dumps. */
const SNAPSHOTS = 3
/** Single reads on their way at a time: a flip that comes now waits for no more than these. */
const WINDOW = 16

export async function observe(
  table: Table,
  wanted: readonly Wanted[],
  prunes: (service: ServiceStatus) => boolean,
): Promise<Observed> {
  const snapshot = await verifiedSnapshot(table)
  const seen = new Map(snapshot.services.map((tree) => [seenServiceKey(tree), tree]))
  const desired = new Set(wanted.map(({ key }) => key))
  const selected = [...seen]
    .filter(([key, tree]) => !desired.has(key) && prunes(tree))
    .map(([, tree]) => tree)
  const { verified } = snapshot
  // One round is enough only where the kernel gave everything in one piece, under its lock.
  if (verified && snapshot.attempts === 1) return { seen, pruned: selected, verified }

  const missing = wanted.filter(({ key }) => !seen.has(key))
  await each(missing, async ({ key, id }) => {
    const tree = await readTree(table, id)
    if (tree !== undefined) seen.set(key, tree)
  })
  const gone = new Set<ServiceStatus>()
  await each(selected.filter(isNamable), async (tree) => {
    if ((await table.service(serviceId(tree))) === undefined) gone.add(tree)
  })
  return { seen, pruned: selected.filter((tree) => !gone.has(tree)), verified }
}

async function verifiedSnapshot(table: Table): Promise<Snapshot> {
  let snapshot = await table.snapshot()
  for (let n = 1; n < SNAPSHOTS && !snapshot.verified; n++) snapshot = await table.snapshot()
  return snapshot
}

async function readTree(table: Table, id: Wanted['id']): Promise<ServiceTreeStatus | undefined> {
  const service = await table.service(id)
  if (service === undefined) return undefined
  const destinations = await table.destinations(id)
  return destinations && { ...service, destinations }
}

function isNamable(seen: ServiceStatus): boolean {
  try {
    checkServiceId(serviceId(seen), 'service')
    return true
  } catch {
    return false
  }
}

async function each<T>(items: readonly T[], read: (item: T) => Promise<void>): Promise<void> {
  for (let at = 0; at < items.length; at += WINDOW) {
    await Promise.all(items.slice(at, at + WINDOW).map(read))
  }
}
