// The kernel's own listing, /proc/net/ip_vs: less than netlink says, for everybody, and in a tenth of the time.
import { closeSync, openSync, readSync } from 'node:fs'
import type { ListedService } from '../../rules/listed.js'
import { type Listing, parseListing, readListing } from '../../rules/listing.js'
import type { Call } from '../spec.js'

/** Of the namespace of `--netns`, if there is one: others show theirs through their processes only. */
export function listingFile(netns: Call['options'][string]): string | undefined {
  if (netns === undefined) return '/proc/net/ip_vs'
  const [, pid] = /^(?:\/proc\/)?(\d+)(?:\/ns\/net)?$/.exec(String(netns)) ?? []
  return pid === undefined ? undefined : `/proc/${pid}/net/ip_vs`
}

/** Nothing, if the file cannot be read. */
export function listingIn(file: string): Listing | undefined {
  const text = textIn(file)
  return text === undefined ? undefined : parseListing(text)
}

/**
 * What `show` makes of the services with their destinations, weights and connections. Nothing, if the listing does not say all that a
 * list shows of them, or if somebody changes the table.
 */
export function ofWholeListing<T>(
  file: string,
  show: (services: Iterable<ListedService>) => T,
): T | undefined {
  const text = textIn(file)
  // The kernel goes on by count where the reader had stopped (ip_vs_ctl.c: ip_vs_info_array): a change may make it skip a service.
  if (text === undefined || servicesIn(text) !== servicesIn(textIn(file) ?? '')) return undefined
  try {
    return show(whole(readListing(text).services))
  } catch (error) {
    // Not whole; or a line that this version does not know: netlink may say what it is.
    const { code } = error as { readonly code?: string }
    if (error instanceof NotWhole || code === 'ERR_IPVS_ARGUMENT') return undefined
    throw error
  }
}

class NotWhole extends Error {}

function* whole(services: Iterable<ListedService>): Generator<ListedService> {
  for (const service of services) {
    if (!isWhole(service)) throw new NotWhole()
    yield service
  }
}

/** The kernel gives so much at a time (seq_file.c). */
const PAGE = 4096
/** Schedulers of the kernel that know no flags: it keeps what they are given, and nobody asks for it. */
const WITHOUT_FLAGS: ReadonlySet<string> = new Set(
  'rr wrr lc wlc lblc lblcr dh sed nq fo ovf twos'.split(' '),
)

export function hasFlags({ scheduler = '' }: ListedService): boolean {
  return !WITHOUT_FLAGS.has(scheduler)
}

/** It leaves out half of what belongs to persistence, to tunnels, to IPv6 and to some firewall marks. */
function isWhole(service: ListedService): boolean {
  const { onePacket, persistence, fwmark, family, destinations } = service
  return (
    onePacket !== undefined &&
    persistence === undefined &&
    !hasFlags(service) &&
    (fwmark === undefined || family !== undefined) &&
    destinations.every(({ forwarding }) => forwarding !== 'tunnel')
  )
}

function servicesIn(text: string): string {
  return text.match(/^(?:TCP|UDP|SCTP|FWM) .*/gm)?.join('\n') ?? ''
}

/** By one buffer: of a file whose size nobody knows, Node.js would make one for each of the kernel's pages. */
function textIn(file: string): string | undefined {
  let fd: number | undefined
  try {
    fd = openSync(file, 'r')
    let buffer = Buffer.allocUnsafe(1 << 20)
    let end = 0
    for (let read = -1; read !== 0; end += read) {
      if (buffer.length - end < PAGE) buffer = Buffer.concat([buffer], 2 * buffer.length)
      read = readSync(fd, buffer, end, buffer.length - end, null)
    }
    return buffer.toString('latin1', 0, end)
  } catch {
    return undefined
  } finally {
    if (fd !== undefined) closeSync(fd)
  }
}
