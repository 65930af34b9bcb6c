import { getEventListeners } from 'node:events'
import { describe, expect, it } from 'vitest'
import { beginOf, type CheckEnd, quickCheck } from '../../../src/health/begin.js'
import type { Check } from '../../../src/health/types.js'
import { member } from './target.js'

const one = member(1)

/** A quick check that ends when told. */
function quick() {
  const ends: ((end: CheckEnd) => void)[] = []
  const cancelled: unknown[] = []
  const check = quickCheck(
    ({ key }) => `x ${key}`,
    (_member, done) => {
      ends.push(done)
      return (reason) => {
        cancelled.push(reason)
        done({ error: reason })
      }
    },
  )
  return { check, ends, cancelled }
}

describe('a quick check', () => {
  it('is a check like others: it resolves, rejects, and obeys its signal', async () => {
    const { check, ends, cancelled } = quick()
    const { signal } = new AbortController()
    const good = check(one, { signal })
    const bad = check(one, { signal })
    ends[0]!({ value: { detail: 'fine' } })
    ends[1]!({ error: new Error('broken') })
    expect(await good).toEqual({ detail: 'fine' })
    await expect(bad).rejects.toThrow('broken')
    expect(getEventListeners(signal, 'abort')).toEqual([])

    const controller = new AbortController()
    const stopped = check(one, { signal: controller.signal })
    controller.abort(new Error('enough'))
    await expect(stopped).rejects.toThrow('enough')
    expect(cancelled.length).toBe(1)
  })

  it('does not begin with an aborted signal', async () => {
    const { check, ends } = quick()
    await expect(check(one, { signal: AbortSignal.abort() })).rejects.toThrow(
      `x ${one.key}: stopped`,
    )
    expect(ends).toEqual([])
  })

  it('may end before it has begun, or throw', async () => {
    const { signal } = new AbortController()
    const cancel = () => {}
    const atOnce = quickCheck(
      () => 'x',
      (_member, done) => {
        done({ value: undefined })
        return cancel
      },
    )
    expect(await atOnce(one, { signal })).toBe(undefined)
    const thrown = quickCheck(
      () => 'x',
      () => {
        throw new Error('no such member')
      },
    )
    await expect(thrown(one, { signal })).rejects.toThrow('no such member')
    expect(getEventListeners(signal, 'abort')).toEqual([])
  })

  it('is begun without a promise by a checker, and others by theirs', async () => {
    const { check, ends } = quick()
    const heard: CheckEnd[] = []
    beginOf(check)(one, (end) => heard.push(end))
    ends[0]!({ value: 1 })
    expect(heard).toEqual([{ value: 1 }])

    const slow: Check = (_member, { signal }) =>
      new Promise((_resolve, reject) =>
        signal.addEventListener('abort', () => reject(signal.reason)),
      )
    const end = new Promise<CheckEnd>((resolve) => beginOf(slow)(one, resolve)('stop'))
    expect(await end).toEqual({ error: 'stop' })
  })
})
