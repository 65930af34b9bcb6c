// Delivers verdicts to the targets, and repeats those that were refused.
import type { Announce } from './announce.js'
import type { MemberMonitor, Owner } from './member-monitor.js'
import type { HealthMember, HealthTarget } from './types.js'

export class Reports {
  readonly #announce: Announce
  readonly #delivered: (monitor: MemberMonitor) => void

  /** `delivered`: all targets have taken a verdict on this member, or refused it. */
  constructor(announce: Announce, delivered: (monitor: MemberMonitor) => void) {
    this.#announce = announce
    this.#delivered = delivered
  }

  /** `target` lists the member from now on, as this object of its own. */
  own(monitor: MemberMonitor, target: HealthTarget, member: HealthMember): void {
    const owner: Owner = { member, calls: 0, accepted: false, refused: false, warned: false }
    monitor.owners.set(target, owner)
    // Decided for another target already: nothing to wait for.
    if (monitor.state.decided) void this.#report(monitor, target, owner)
  }

  /** Tells all targets the present verdict, and does not wait for them. */
  send(monitor: MemberMonitor): void {
    const reports = [...monitor.owners].map(([target, owner]) =>
      this.#report(monitor, target, owner),
    )
    void Promise.all(reports).then(() => this.#delivered(monitor))
  }

  /** Tells it again to those who have refused it. */
  sendRefused(monitor: MemberMonitor): void {
    for (const [target, owner] of monitor.owners) {
      if (owner.refused) void this.#report(monitor, target, owner)
    }
  }

  /** Never rejects. */
  async #report(monitor: MemberMonitor, target: HealthTarget, owner: Owner): Promise<void> {
    const call = ++owner.calls
    const initial = !owner.accepted && (call === 1 || owner.refused)
    owner.refused = false
    try {
      await target.report(owner.member, monitor.verdict(initial))
      owner.accepted = true
      owner.warned = false
    } catch (error) {
      // Only the latest verdict is worth repeating.
      if (call === owner.calls) owner.refused = true
      if (owner.warned) return
      owner.warned = true
      const { member } = monitor
      const message = `${member.key}: the target refused the verdict; it will be repeated`
      this.#announce.warning('target', message, member, error)
    }
  }
}
