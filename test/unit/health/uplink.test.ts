import { describe, expect, it } from 'vitest'
import { Schedule } from '../../../src/health/schedule.js'
import { judgeNoRoute, noteRoute } from '../../../src/health/uplink.js'
import { Watched } from '../../../src/health/watched.js'
import { member } from './target.js'

function watched(n: number): Watched {
  return new Watched(member(n), 'up', 2, 3, new Schedule(0, 1000, 1, 0))
}

/** Notes a check that takes 5 ms; judges it if it found no route. */
function check(who: Watched, all: Watched[], at: number, reached: boolean) {
  who.startedAt = at
  who.endedAt = at + 5
  who.routed = reached
  if (!reached) return judgeNoRoute(who, all, at + 5, 3000)
  noteRoute(who)
  return undefined
}

describe('judgeNoRoute', () => {
  it('holds results back until the others are checked, then counts them', () => {
    const [a, b] = [watched(1), watched(2)]
    check(b, [a, b], 0, true)
    expect(check(a, [a, b], 100, false)).toEqual({ kind: 'held' })
    expect(check(a, [a, b], 350, false)).toEqual({ kind: 'held' })
    check(b, [a, b], 1000, true)
    expect(check(a, [a, b], 1100, false)).toEqual({ kind: 'fault', count: 3 })
    expect(check(a, [a, b], 1350, false)).toEqual({ kind: 'fault', count: 1 })
  })

  it('forgets what it held back once it was the uplink', () => {
    const [a, b] = [watched(1), watched(2)]
    check(b, [a, b], 0, true)
    expect(check(a, [a, b], 100, false)).toEqual({ kind: 'held' })
    expect(check(b, [a, b], 200, false)).toEqual({ kind: 'uplink' })
    expect(check(a, [a, b], 350, false)).toEqual({ kind: 'uplink' })
    check(b, [a, b], 1200, true)
    expect(check(a, [a, b], 1350, false)).toEqual({ kind: 'fault', count: 1 })
  })

  it('does not take a check for a witness that began before', () => {
    const [a, b] = [watched(1), watched(2)]
    check(b, [a, b], 98, true)
    b.endedAt = 400
    expect(check(a, [a, b], 100, false)).toEqual({ kind: 'held' })
  })

  it('does not compare with results that are too old', () => {
    const [a, b] = [watched(1), watched(2)]
    check(b, [a, b], 0, false)
    expect(check(a, [a, b], 2000, false)).toEqual({ kind: 'uplink' })
    expect(check(a, [a, b], 5000, false)).toEqual({ kind: 'held' })
  })

  it('starts anew after a route', () => {
    const [a, b] = [watched(1), watched(2)]
    check(a, [a, b], 100, false)
    check(a, [a, b], 350, true)
    expect(a).toMatchObject({ held: 0, noRouteSince: undefined })
  })
})
