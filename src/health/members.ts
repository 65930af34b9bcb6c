// Reads the members of all targets and joins those with the same key.
import { parseAddress } from '../address.js'
import { rangeError, typeError } from '../errors.js'
import { checkInteger } from '../validate.js'
import type { HealthMember, HealthState, HealthTarget } from './types.js'

export interface Listed {
  readonly member: HealthMember
  presumed: HealthState
  readonly owners: Map<HealthTarget, HealthMember>
}

/** @throws whatever a target's `members()` throws, and ArgumentError for a member that cannot be checked. */
export function listMembers(targets: readonly HealthTarget[]): Map<string, Listed> {
  const found = new Map<string, Listed>()
  for (const target of targets) {
    for (const member of target.members()) {
      checkMember(member)
      const presumed = member.state ?? 'unknown'
      const listed = found.get(member.key)
      if (listed === undefined) {
        const { key, address, port } = member
        found.set(key, {
          member: { key, address, port },
          presumed,
          owners: new Map([[target, member]]),
        })
      } else {
        listed.presumed = moreAlive(listed.presumed, presumed)
        listed.owners.set(target, member)
      }
    }
  }
  return found
}

/** What carries traffic for one target is not cut because another presumes worse. */
function moreAlive(a: HealthState, b: HealthState): HealthState {
  if (a === 'up' || b === 'up') return 'up'
  return a === 'unknown' || b === 'unknown' ? 'unknown' : 'down'
}

function checkMember(member: HealthMember): void {
  const { key, address, port, state } = member
  if (typeof key !== 'string' || key === '')
    throw typeError('member.key', 'a string such as 10.1.0.1:53', key)
  parseAddress(address, 'member.address')
  checkInteger(port, 'member.port', 0, 65_535)
  if (state !== undefined && state !== 'up' && state !== 'down' && state !== 'unknown') {
    throw rangeError('member.state', "'up', 'down' or 'unknown'", state)
  }
}
