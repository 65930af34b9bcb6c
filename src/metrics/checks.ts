// Figures of checkers: what their members are, how checks end and how long they take.
import type { HealthChecker } from '../health/checker.js'
import type { CheckOutcome, HealthStatus } from '../health/types.js'
import { CheckCounts } from './check-counts.js'
import { FAILURE_CLASSES } from './failure-class.js'
import { type Family, leftOutOf, type MetricValue, type SeenChecks } from './family.js'

const OUTCOMES: readonly CheckOutcome[] = ['success', 'failure', 'unknown']

type Checkers = Readonly<Record<string, HealthChecker>>

/** Listens to the checkers there are, and takes in those that come. */
export class CheckReader {
  readonly #checkers: () => Checkers
  readonly #buckets: readonly number[]
  /** By names: one that is replaced is counted on. */
  readonly #counted = new Map<string, { checker: HealthChecker; readonly counts: CheckCounts }>()

  constructor(checkers: () => Checkers, buckets: readonly number[]) {
    this.#checkers = checkers
    this.#buckets = buckets
    this.#listen()
  }

  read(): SeenChecks[] {
    this.#listen()
    return [...this.#counted].map(([name, { checker, counts }]) => {
      const members = checker.status()
      counts.keep(new Set(members.map(({ key }) => key)))
      return { labels: labelsOf(name), members, counted: counts }
    })
  }

  close(): void {
    for (const name of this.#counted.keys()) this.#leave(name)
  }

  #listen(): void {
    const now = this.#checkers()
    for (const name of this.#counted.keys()) if (!Object.hasOwn(now, name)) this.#leave(name)
    for (const [name, checker] of Object.entries(now)) {
      const known = this.#counted.get(name)
      if (known?.checker === checker) continue
      const { counts } = known ?? { counts: new CheckCounts(this.#buckets) }
      known?.checker.off('result', counts.add)
      checker.on('result', counts.add)
      this.#counted.set(name, { checker, counts })
    }
  }

  #leave(name: string): void {
    const { checker, counts } = this.#counted.get(name)!
    checker.off('result', counts.add)
    this.#counted.delete(name)
  }
}

/** `dns/resolver`, as a director names them: a check of a pool. */
function labelsOf(name: string): Readonly<Record<string, string>> {
  const slash = name.indexOf('/')
  if (slash === -1) return { checker: name }
  return { pool: name.slice(0, slash), checker: name.slice(slash + 1) }
}

const duration = 'ipvs_check_duration_seconds'

export const checkFamilies: readonly Family[] = [
  leftOutOf('check'),
  {
    name: duration,
    help: 'How long checks take, whatever comes of them',
    type: 'histogram',
    *values({ checks }) {
      for (const { labels, counted } of checks) {
        let sum = 0
        for (const [index, value] of counted.durations.entries()) {
          sum += value
          const le = counted.buckets[index] ?? '+Inf'
          yield { metricName: `${duration}_bucket`, labels: { le, ...labels }, value: sum }
        }
        yield { metricName: `${duration}_sum`, labels, value: counted.seconds }
        yield { metricName: `${duration}_count`, labels, value: sum }
      }
    },
  },
  {
    name: 'ipvs_check_failures_total',
    help: 'Checks that have failed, by reason',
    type: 'counter',
    *values({ checks }) {
      for (const { labels, counted } of checks) {
        for (const reason of FAILURE_CLASSES) {
          yield { labels: { ...labels, reason }, value: counted.failures.get(reason) ?? 0 }
        }
      }
    },
  },
]

type MemberValues = (member: HealthStatus, counted: CheckCounts) => Iterable<MetricValue>

function ofMembers(
  name: string,
  help: string,
  values: MemberValues,
  type: Family['type'] = 'gauge',
): Family {
  return {
    name: `ipvs_check_${name}`,
    help,
    type,
    *values({ checks }) {
      for (const { labels, members, counted } of checks) {
        for (const member of members) {
          for (const one of values(member, counted)) {
            yield { labels: { ...labels, server: member.key, ...one.labels }, value: one.value }
          }
        }
      }
    },
  }
}

const plain = (value: number | undefined): MetricValue[] =>
  value === undefined ? [] : [{ labels: {}, value }]

export const memberFamilies: readonly Family[] = [
  ofMembers('up', 'By its checks: up 1, down 0; absent before the first verdict', ({ state }) =>
    plain(state === 'unknown' ? undefined : Number(state === 'up')),
  ),
  ofMembers('last_duration_seconds', 'How long the last check took', ({ lastMs }) =>
    plain(lastMs === undefined ? undefined : lastMs / 1000),
  ),
  ofMembers('last_timestamp_seconds', 'When the last check ended, since the epoch', ({ lastAt }) =>
    plain(lastAt === undefined ? undefined : lastAt / 1000),
  ),
  ofMembers('consecutive_failures', 'Failures in a row', ({ failures }) => plain(failures)),
  ofMembers('held', 'It flaps and is kept down for a while: 1, else 0', ({ heldUntil }) =>
    plain(Number(heldUntil !== undefined)),
  ),
  ofMembers(
    'results_total',
    'Checks that have ended, by outcome; unknown: we were at fault, it counts neither way',
    ({ key }, counted) =>
      OUTCOMES.map((outcome) => ({ labels: { outcome }, value: counted.results(key, outcome) })),
    'counter',
  ),
]
