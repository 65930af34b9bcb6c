import { describe, expect, it } from 'vitest'
import { MemberState } from '../../../src/health/member-state.js'
import type { HealthState } from '../../../src/health/types.js'

/** S and F are results; a decision is written behind the one that led to it, with ! if it is the initial one. */
function play(presumed: HealthState, results: string, rise = 2, fall = 3): string {
  const state = new MemberState(presumed, rise, fall)
  let log = ''
  for (const result of results) {
    const decision = result === 'S' ? state.success() : state.failure()
    log += result
    if (decision !== undefined)
      log += `(${decision.from}>${decision.to}${decision.initial ? '!' : ''})`
  }
  return log
}

describe('rise 2, fall 3', () => {
  it.each<[HealthState, string]>([
    // Unknown waits for rise or fall.
    ['unknown', 'SS(unknown>up!)S'],
    ['unknown', 'FFF(unknown>down!)F'],
    ['unknown', 'SFSFFSS(unknown>up!)'],
    // Adopted: one success confirms it, fall failures end it, anything less does not.
    ['up', 'S(up>up!)S'],
    ['up', 'FFS(up>up!)'],
    ['up', 'FFF(up>down!)F'],
    ['up', 'S(up>up!)FFSFFSFFF(up>down)SFSS(down>up)'],
    // Presumed down: one failure confirms it, rise successes end it.
    ['down', 'F(down>down!)F'],
    ['down', 'SF(down>down!)'],
    ['down', 'SS(down>up!)'],
    ['down', 'F(down>down!)SFSS(down>up)FFF(up>down)'],
  ])('from %s: %s', (presumed, log) => {
    expect(play(presumed, log.replace(/\(.*?\)/g, ''))).toBe(log)
  })

  it('reaches further thresholds', () => {
    expect(play('unknown', 'S', 1, 1)).toBe('S(unknown>up!)')
    expect(play('up', 'F', 1, 1)).toBe('F(up>down!)')
    expect(play('down', 'SSSS', 5, 1)).toBe('SSSS')
  })

  it('counts failures that were held back', () => {
    const state = new MemberState('up', 2, 3)
    expect(state.failure(2)).toBeUndefined()
    expect(state.failure(1)).toEqual({ from: 'up', to: 'down', initial: true })
  })
})
