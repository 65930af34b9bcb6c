// Delivers verdicts to the targets, and repeats those that were refused.
import type { Announce } from './announce.js'
import type { HealthMember, HealthTarget } from './types.js'
import type { Owner, Watched } from './watched.js'

export class Reports {
  readonly #announce: Announce
  readonly #delivered: (watched: Watched) => void

  /** `delivered`: all targets have taken a verdict on this member, or refused it. */
  constructor(announce: Announce, delivered: (watched: Watched) => void) {
    this.#announce = announce
    this.#delivered = delivered
  }

  /** `target` lists the member from now on, as this object of its own. */
  own(watched: Watched, target: HealthTarget, member: HealthMember): void {
    const owner: Owner = { member, calls: 0, accepted: false, refused: false, warned: false }
    watched.owners.set(target, owner)
    // Decided for another target already: nothing to wait for.
    if (watched.state.decided) void this.#report(watched, target, owner)
  }

  /** Tells all targets the present verdict, and does not wait for them. */
  send(watched: Watched): void {
    const reports = [...watched.owners].map(([target, owner]) =>
      this.#report(watched, target, owner),
    )
    void Promise.all(reports).then(() => this.#delivered(watched))
  }

  /** Tells it again to those who have refused it. */
  sendRefused(watched: Watched): void {
    for (const [target, owner] of watched.owners) {
      if (owner.refused) void this.#report(watched, target, owner)
    }
  }

  /** Never rejects. */
  async #report(watched: Watched, target: HealthTarget, owner: Owner): Promise<void> {
    const call = ++owner.calls
    const initial = !owner.accepted && (call === 1 || owner.refused)
    owner.refused = false
    try {
      await target.report(owner.member, watched.verdict(initial))
      owner.accepted = true
      owner.warned = false
    } catch (error) {
      // Only the latest verdict is worth repeating.
      if (call === owner.calls) owner.refused = true
      if (owner.warned) return
      owner.warned = true
      const { member } = watched
      const message = `${member.key}: the target refused the verdict; it will be repeated`
      this.#announce.warning('target', message, member, error)
    }
  }
}
