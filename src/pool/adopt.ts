// What the pool takes over from what it finds in the kernel.

import type { Front } from './front.js'
import { carries } from './front.js'
import type { Member } from './member.js'
import type { PoolWarning } from './types.js'

/**
 * Settles the one-packet scheduling of a service that exists: unless the caller has said what it should be, it
 * keeps what it has, because a change does not reach the clients that are known already.
 *
 * @returns a warning if it is going to change all the same
 */
export function adoptOnePacket(front: Front, keep: boolean): PoolWarning | undefined {
  if (typeof front.known !== 'object') return undefined
  const seen = front.known.onePacket === true
  if (keep && carries(front, 'udp')) {
    const { onePacket: _, ...service } = front.service
    front.service = seen ? { ...service, onePacket: true } : service
  }
  if (seen === (front.service.onePacket === true)) return undefined
  return {
    code: 'one-packet-live',
    message: `${front.key}: one-packet scheduling was turned ${seen ? 'off' : 'on'} for a service that exists; clients that are known already stay with their server for up to 300 s after their last packet`,
  }
}

/** What carries traffic is presumed healthy; anything else waits for a verdict. */
export function presumedHealth({ seats }: Member): 'up' | 'unknown' {
  return seats.some(({ known }) => typeof known === 'object' && known.weight !== 0)
    ? 'up'
    : 'unknown'
}
