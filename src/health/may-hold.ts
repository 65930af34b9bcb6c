// How many members may be held down at once.
import type { MemberMonitor } from './member-monitor.js'

/**
 * Whether a member that flaps, and would be up, may be held down: not if in one of its targets more members were held
 * like that than are up. If all flap it is not their fault, and few would break down under the load of all.
 */
export function mayHold(member: MemberMonitor, all: Iterable<MemberMonitor>, now: number): boolean {
  const counts = new Map([...member.owners.keys()].map((target) => [target, { up: 0, held: 1 }]))
  for (const other of all) {
    if (other === member) continue
    const isUp = other.state.state === 'up'
    if (!isUp && !(other.isHeld(now) && other.state.risen)) continue
    for (const [target, count] of counts) {
      if (!other.owners.has(target)) continue
      if (isUp) count.up++
      else count.held++
    }
  }
  return [...counts.values()].every(({ up, held }) => held <= up)
}
