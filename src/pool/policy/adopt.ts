// What the pool takes over from what it finds in the kernel.

import type { PoolWarning } from '../api.js'
import { carries } from '../config/fronts.js'
import type { Front } from '../state/front.js'
import type { Server } from './server.js'

/**
 * Settles the one-packet scheduling of a service that exists: unless the caller has said what it should be, it
 * keeps what it has, because a change does not reach the clients that are known already.
 *
 * @returns a warning if it is going to change all the same
 */
export function adoptOnePacket(front: Front, keep: boolean): PoolWarning | undefined {
  const { known } = front.entry
  if (typeof known !== 'object') return undefined
  const seen = known.onePacket === true
  if (keep && carries(front.spec, 'udp')) {
    const { onePacket: _, ...service } = front.service
    front.adopt(seen ? { ...service, onePacket: true } : service)
  }
  if (seen === (front.service.onePacket === true)) return undefined
  return {
    code: 'one-packet-live',
    message: `${front.key}: one-packet scheduling was turned ${seen ? 'off' : 'on'} for a service that exists; clients that are known already stay with their server for up to 300 s after their last packet`,
  }
}

/** What carries traffic is presumed healthy; anything else waits for a verdict. */
export function presumedHealth({ places }: Server): 'up' | 'unknown' {
  return places.some(({ entry: { known } }) => typeof known === 'object' && known.weight !== 0)
    ? 'up'
    : 'unknown'
}
