import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { MemberMonitor } from '../../../src/health/member-monitor.js'
import { Schedule } from '../../../src/health/schedule.js'
import { Uplink } from '../../../src/health/uplink.js'
import { member } from './target.js'

function monitor(n: number): MemberMonitor {
  const begin = () => () => {}
  return new MemberMonitor(member(n), 'up', begin, 2, 3, new Schedule(0, 1000, 1, 0), {
    min: 500,
    max: 500,
  })
}

/** Members, and the uplink that knows them. */
function members(count: number): { all: MemberMonitor[]; uplink: Uplink } {
  const uplink = new Uplink()
  const all = Array.from({ length: count }, (_, n) => monitor(n + 1))
  for (const one of all) uplink.add(one)
  return { all, uplink }
}

/** Notes a check that takes 5 ms; judges it if it found no route. */
function check(uplink: Uplink, who: MemberMonitor, at: number, reached: boolean, endedAt = at + 5) {
  who.startedAt = at
  try {
    if (!reached) return uplink.judge(who, endedAt, 3000)
    uplink.reached(who)
    return undefined
  } finally {
    who.endedAt = endedAt
  }
}

describe('Uplink', () => {
  it('holds results back until the others are checked, then counts them', () => {
    const { all, uplink } = members(2)
    const [a, b] = all as [MemberMonitor, MemberMonitor]
    check(uplink, b, 0, true)
    expect(check(uplink, a, 100, false)).toEqual({ kind: 'held' })
    expect(check(uplink, a, 350, false)).toEqual({ kind: 'held' })
    check(uplink, b, 1000, true)
    expect(check(uplink, a, 1100, false)).toEqual({ kind: 'fault', count: 3 })
    expect(check(uplink, a, 1350, false)).toEqual({ kind: 'fault', count: 1 })
  })

  it('forgets what it held back once it was the uplink', () => {
    const { all, uplink } = members(2)
    const [a, b] = all as [MemberMonitor, MemberMonitor]
    check(uplink, b, 0, true)
    expect(check(uplink, a, 100, false)).toEqual({ kind: 'held' })
    expect(check(uplink, b, 200, false)).toEqual({ kind: 'uplink' })
    expect(check(uplink, a, 350, false)).toEqual({ kind: 'uplink' })
    check(uplink, b, 1200, true)
    expect(check(uplink, a, 1350, false)).toEqual({ kind: 'fault', count: 1 })
  })

  it('does not take a check for a witness that began before', () => {
    const { all, uplink } = members(2)
    const [a, b] = all as [MemberMonitor, MemberMonitor]
    check(uplink, b, 98, true, 99)
    expect(check(uplink, a, 100, false)).toEqual({ kind: 'held' })
  })

  it('does not compare with results that are too old', () => {
    const { all, uplink } = members(2)
    const [a, b] = all as [MemberMonitor, MemberMonitor]
    check(uplink, b, 0, false)
    expect(check(uplink, a, 2000, false)).toEqual({ kind: 'uplink' })
    expect(check(uplink, a, 5000, false)).toEqual({ kind: 'held' })
  })

  it('starts anew after a route', () => {
    const { all, uplink } = members(2)
    const [a] = all as [MemberMonitor, MemberMonitor]
    check(uplink, a, 100, false)
    check(uplink, a, 350, true)
    expect(a).toMatchObject({ held: 0, noRouteSince: undefined })
  })

  it('forgets who has left', () => {
    const { all, uplink } = members(2)
    const [a, b] = all as [MemberMonitor, MemberMonitor]
    check(uplink, a, 0, false)
    check(uplink, b, 100, true)
    uplink.remove(b)
    expect(check(uplink, a, 200, false)).toEqual({ kind: 'uplink' })
  })

  it('says what comparing each result with every other member would say', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.nat({ max: 4 }), fc.nat({ max: 900 }), fc.nat({ max: 2 })), {
          maxLength: 60,
        }),
        (results) => {
          const { all, uplink } = members(5)
          const model = all.map(() => ({ endedAt: 0, since: -1, reachedAt: -1, held: 0 }))
          let at = 0
          for (const [n, pause, what] of results) {
            at += pause + 6
            const [who, own] = [all[n]!, model[n]!]
            const others = model.filter((_, index) => index !== n)
            own.reachedAt = -1
            if (what === 1) {
              Object.assign(own, { since: -1, held: 0, reachedAt: at })
              check(uplink, who, at, true)
            } else if (what === 2) {
              who.startedAt = at
              uplink.inconclusive(who)
              who.endedAt = at + 5
            } else {
              if (own.since < 0) own.since = at
              const kind = others.some((other) => other.reachedAt > own.since)
                ? 'fault'
                : others.every((it) => it.since >= 0 && it.endedAt >= at + 5 - 3000)
                  ? 'uplink'
                  : 'held'
              const count = own.held + 1
              own.held = kind === 'held' ? count : 0
              if (kind === 'uplink') own.since = at + 5
              const said = kind === 'fault' ? { kind, count } : { kind }
              expect(check(uplink, who, at, false)).toEqual(said)
            }
            own.endedAt = at + 5
          }
        },
      ),
    )
  })

  it('10,000 members that lose their uplink cost no walk over all of them each', () => {
    const { all, uplink } = members(10_000)
    for (const [n, one] of all.entries()) check(uplink, one, n, true)
    const from = process.cpuUsage()
    for (const [n, one] of all.entries()) check(uplink, one, 20_000 + n, false)
    const { user, system } = process.cpuUsage(from)
    // Some 10 ms; each against every other one took seconds.
    expect(user + system).toBeLessThan(500_000)
  })
})
