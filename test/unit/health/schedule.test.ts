import { describe, expect, it } from 'vitest'
import { phaseOf, Schedule } from '../../../src/health/schedule.js'

describe('Schedule', () => {
  it('keeps its rate, however long the checks take', () => {
    const schedule = new Schedule(0, 1000, 1, 0)
    expect(schedule.next(7, 1000)).toBe(1000)
    expect(schedule.next(1400, 1000)).toBe(2000)
    expect(schedule.next(2001, 1000)).toBe(3000)
  })

  it('skips slots it has missed', () => {
    const schedule = new Schedule(0, 1000, 1, 0)
    expect(schedule.next(0, 1000)).toBe(1000)
    expect(schedule.next(4321, 1000)).toBe(5000)
    expect(schedule.next(5000, 1000)).toBe(6000)
  })

  it('puts retries between the slots without moving them', () => {
    const schedule = new Schedule(0, 1000, 1, 0)
    expect(schedule.retry(10, 1000, 250)).toBe(260)
    expect(schedule.next(270, 1000)).toBe(1000)
    expect(schedule.retry(1010, 1000, 250)).toBe(1260)
    expect(schedule.retry(1900, 1000, 250)).toBe(2150)
    // That retry has taken the place of the slot at 2000.
    expect(schedule.next(2160, 1000)).toBe(3000)
  })

  it('moves to another interval', () => {
    const schedule = new Schedule(0, 1000, 1, 0)
    expect(schedule.next(0, 1000)).toBe(1000)
    expect(schedule.next(1001, 5000)).toBe(6000)
    expect(schedule.next(6001, 1000)).toBe(7000)
  })

  it('jitters by half to either side, without adding up', () => {
    const schedule = new Schedule(0, 1000, 1, 0.2)
    let now = 0
    const off: number[] = []
    for (let slot = 1; slot <= 500; slot++) {
      const due = schedule.next(now, 1000)
      off.push(due - slot * 1000)
      now = Math.max(due, now) + 1
    }
    expect(Math.max(...off)).toBeLessThanOrEqual(100)
    expect(Math.min(...off)).toBeGreaterThanOrEqual(-100)
    expect(Math.max(...off) - Math.min(...off)).toBeGreaterThan(100)
  })
})

describe('phaseOf', () => {
  it.each([1, 2, 3, 10, 100, 2000])('spreads %i members evenly', (count) => {
    const phases = Array.from({ length: count }, (_, i) => phaseOf(i)).sort((a, b) => a - b)
    const gaps = phases.map((phase, i) => (phases[i + 1] ?? 1 + phases[0]!) - phase)
    expect(phases[0]).toBeGreaterThan(0)
    expect(phases.at(-1)).toBeLessThanOrEqual(1)
    // Three-distance theorem: the largest gap is less than 2.7 times the mean.
    expect(Math.max(...gaps) * count).toBeLessThan(2.7)
  })
})
