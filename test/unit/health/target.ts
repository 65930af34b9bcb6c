// A target that remembers, and checks that do as told.
import type {
  Check,
  HealthMember,
  HealthState,
  HealthTarget,
  Verdict,
} from '../../../src/health/types.js'

export function member(n: number, state?: HealthState): HealthMember {
  return { key: `10.1.0.${n}:53`, address: `10.1.0.${n}`, port: 53, state }
}

export class TestTarget implements HealthTarget {
  list: HealthMember[]
  readonly reports: { member: HealthMember; verdict: Verdict }[] = []
  readonly listeners = new Set<() => void>()
  /** What `report` does besides remembering. */
  onReport: (member: HealthMember, verdict: Verdict) => void | Promise<void> = () => {}

  constructor(...list: HealthMember[]) {
    this.list = list
  }

  members(): Iterable<HealthMember> {
    return this.list
  }

  report(member: HealthMember, verdict: Verdict): void | Promise<void> {
    this.reports.push({ member, verdict })
    return this.onReport(member, verdict)
  }

  onMembers(listener: () => void): () => void {
    this.listeners.add(listener)
    return () => this.listeners.delete(listener)
  }

  change(...list: HealthMember[]): void {
    this.list = list
    for (const listener of this.listeners) listener()
  }

  /** `10.1.0.1:53 up!`, with ! for the initial one. */
  log(): string[] {
    return this.reports.map(
      ({ member, verdict }) =>
        `${member.key} ${verdict.healthy ? 'up' : 'down'}${verdict.initial ? '!' : ''}`,
    )
  }
}

export function failed(code: string): Error {
  return Object.assign(new Error(`connect ${code}`), { code, syscall: 'connect' })
}

/** Members are healthy unless their key is in `bad`, with the error to reject with. */
export class TestServers {
  readonly bad = new Map<string, unknown>()
  readonly started: { key: string; at: number }[] = []
  running = 0
  most = 0
  /** How long a check takes. */
  tookMs = 0

  readonly check: Check = async (member, { signal }) => {
    this.started.push({ key: member.key, at: performance.now() })
    this.running++
    this.most = Math.max(this.most, this.running)
    try {
      if (this.tookMs > 0) {
        await new Promise<void>((resolve, reject) => {
          const timer = setTimeout(resolve, this.tookMs)
          signal.addEventListener('abort', () => {
            clearTimeout(timer)
            reject(signal.reason)
          })
        })
      }
      if (this.bad.has(member.key)) throw this.bad.get(member.key)
    } finally {
      this.running--
    }
  }

  times(key: string): number[] {
    return this.started.filter((start) => start.key === key).map((start) => start.at)
  }
}
