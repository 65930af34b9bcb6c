// The kernel's table: over netlink, or, where that is not permitted, as /proc/net/ip_vs shows it.
import type { Ipvs } from '../client.js'
import type { Netns } from '../netns.js'
import { CommandError } from './errors.js'
import { tell } from './output.js'
import type { Call } from './spec.js'
import { listingFile, listingIn } from './table/proc.js'
import { KERNEL, type SeenTable } from './table/seen.js'

/** Large tables, and kernels that are busy with somebody else's. */
const DEADLINE_MS = 30_000
/** Each is several rounds of dumps. */
const SNAPSHOTS = 3

/** Opens the namespace of `--netns`, and closes it when the work is done. */
export async function withKernel<T>(
  { options }: Call,
  work: (ipvs: Ipvs) => Promise<T>,
): Promise<T> {
  const { Ipvs } = await import('../client.js')
  const netns = netnsOf(options.netns)
  const ipvs = await Ipvs.open({
    deadlineMs: DEADLINE_MS,
    ...(netns !== undefined && { netns }),
  })
  try {
    return await work(ipvs)
  } finally {
    await ipvs.close()
  }
}

/** @throws CommandError if the table keeps changing while it is read */
export async function wholeTable(ipvs: Ipvs) {
  for (let n = 1; n <= SNAPSHOTS; n++) {
    const snapshot = await ipvs.snapshot()
    if (snapshot.verified) return snapshot
  }
  throw new CommandError(
    'the table kept changing while it was read, so that something might be missing. Nothing was changed; traffic goes on. See who writes it ("ipvs watch"), and try again.',
  )
}

/** Reads the table, without privilege too. What is missing then is said on stderr. */
export async function readKernel(name: string, call: Call): Promise<SeenTable> {
  try {
    return await withKernel(call, async (ipvs) => {
      const snapshot = await ipvs.snapshot()
      if (!snapshot.verified) {
        tell(`${name}: the table kept changing while it was read: something may be missing.`)
      }
      return { source: KERNEL, services: snapshot.services, lacks: [] }
    })
  } catch (error) {
    return readProc(name, call, error)
  }
}

/**
 * The table as /proc shows it, where that is why netlink did not do. What is missing then is said on stderr.
 *
 * @throws what netlink has thrown, where /proc does not do either
 */
export async function readProc(name: string, call: Call, refused: unknown): Promise<SeenTable> {
  const file = listingFile(call.options.netns)
  const listing = isRefusal(refused) && file !== undefined ? listingIn(file) : undefined
  if (listing === undefined) throw refused
  const { message } = refused as Error
  tell(
    `${name}: this is what ${file} shows, which lacks ${listing.lacks.join(', ')}. For those: ${message}`,
  )
  return { source: file!, services: listing.services, lacks: listing.lacks }
}

/** Digits are a process; a namespace whose name is a number has a path. */
function netnsOf(netns: Call['options'][string]): Netns | undefined {
  if (netns === undefined) return undefined
  return /^\d+$/.test(String(netns)) ? { pid: Number(netns) } : String(netns)
}

/** Netlink is not to be had; the kernel may well have IPVS. */
function isRefusal(error: unknown): boolean {
  const { code, reason } = error as { readonly code?: string; readonly reason?: string }
  if (code === 'ERR_IPVS_PERMISSION') return true
  return code === 'ERR_IPVS_UNAVAILABLE' && reason !== 'no-module' && reason !== 'platform'
}
