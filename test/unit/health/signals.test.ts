import { describe, expect, it } from 'vitest'
import { Signals } from '../../../src/health/signals.js'

describe('Signals', () => {
  it('gives the same signal again while nobody listens on it', () => {
    const signals = new Signals()
    const { signal } = signals.next()
    const listener = () => {}
    signal.addEventListener('abort', listener, { once: true })
    signal.removeEventListener('abort', listener)
    expect(signals.next().signal).toBe(signal)
  })

  it('gives another one after an abort, or to spare a check the listeners of the last one', () => {
    const signals = new Signals()
    const first = signals.next()
    first.abort()
    const second = signals.next()
    expect(second.signal.aborted).toBe(false)
    second.signal.addEventListener('abort', () => {})
    const third = signals.next()
    expect(third).not.toBe(second)
    expect(signals.next()).toBe(third)
  })

  it('gives another one now and then: what cannot be seen does not pile up', () => {
    const signals = new Signals()
    const seen = new Set(Array.from({ length: 1000 }, () => signals.next()))
    expect(seen.size).toBe(10)
  })
})
