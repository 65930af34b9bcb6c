import { setImmediate as turn } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { type Due, DueQueue } from '../../../src/health/due-queue.js'
import { block } from './block.js'

interface Item extends Due {
  readonly name: string
}

const item = (name: string): Item => ({ name, due: Number.POSITIVE_INFINITY })

describe('on a fake clock', () => {
  let started: string[] = []
  const table = (slots: number) =>
    new DueQueue<Item>(slots, ({ name }) => {
      started.push(`${name} ${Math.round(performance.now())}`)
    })
  const pass = (ms: number) => vi.advanceTimersByTimeAsync(ms)

  beforeEach(() => {
    vi.useFakeTimers()
    started = []
  })
  afterEach(() => {
    vi.useRealTimers()
  })

  it('begins each when it is due, never early, on one timer', async () => {
    const queue = table(10)
    queue.add(item('b'), 20)
    queue.add(item('c'), 30.5)
    queue.add(item('a'), 10)
    expect(vi.getTimerCount()).toBe(1)
    await pass(100)
    expect(started).toEqual(['a 10', 'b 20', 'c 31'])
    expect(vi.getTimerCount()).toBe(0)
  })

  it('begins whoever is overdue for longest when a slot is free', async () => {
    const queue = table(1)
    for (const [name, due] of [
      ['a', 5],
      ['c', 15],
      ['b', 10],
    ] as const)
      queue.add(item(name), due)
    await pass(50)
    expect(started).toEqual(['a 5'])
    // Nothing to look at before a slot is free.
    expect(vi.getTimerCount()).toBe(0)
    queue.release()
    await pass(10)
    expect(started).toEqual(['a 5', 'b 50'])
    queue.release()
    await pass(10)
    expect(started).toEqual(['a 5', 'b 50', 'c 60'])
  })

  it('says how long it has waited for a slot', async () => {
    const waited: number[] = []
    const queue = new DueQueue<Item>(1, (_item, waitedMs) => waited.push(waitedMs))
    queue.add(item('a'), 0)
    queue.add(item('b'), 10)
    await pass(110)
    queue.release()
    await pass(0)
    expect(waited).toEqual([0, 100])
  })

  it('forgets the removed, and everything when cleared', async () => {
    const queue = table(10)
    const [a, b, c] = [item('a'), item('b'), item('c')]
    queue.add(a, 10)
    queue.add(b, 20)
    queue.remove(a)
    queue.remove(a)
    queue.remove(c)
    expect(a.due).toBe(Number.POSITIVE_INFINITY)
    await pass(15)
    expect(started).toEqual([])
    queue.add(c, 30)
    queue.clear()
    expect(b.due).toBe(Number.POSITIVE_INFINITY)
    expect(vi.getTimerCount()).toBe(0)
    await pass(100)
    expect(started).toEqual([])
  })

  it('keeps the order whatever comes and goes', async () => {
    // A generator of its own, so that a failure can be repeated.
    let seed = 1
    const random = (below: number) => {
      seed = (seed * 48_271) % 2_147_483_647
      return seed % below
    }
    const queue = table(100_000)
    const expected = new Map<Item, number>()
    for (let i = 0; i < 3000; i++) {
      const all = [...expected.keys()]
      if (random(3) === 0 && all.length > 0) {
        const gone = all[random(all.length)]!
        queue.remove(gone)
        expected.delete(gone)
      } else {
        const one = item(String(i))
        const due = 1 + random(500)
        queue.add(one, due)
        expected.set(one, due)
      }
    }
    await pass(1000)
    const times = started.map((line) => Number(line.split(' ')[1]))
    expect(times).toEqual([...expected.values()].sort((a, b) => a - b))
    expect(new Set(started)).toEqual(
      new Set([...expected].map(([{ name }, due]) => `${name} ${due}`)),
    )
  })
})

it('does not call it waiting for a slot when the event loop was blocked', async () => {
  const waited: number[] = []
  const queue = new DueQueue<Item>(1, (_item, waitedMs) => waited.push(waitedMs))
  queue.add(item('a'), performance.now())
  await expect.poll(() => waited.length).toBe(1)
  queue.release()
  queue.add(item('b'), performance.now() + 5)
  // Its timer and the slot are there, but nobody looks.
  await turn()
  block(50)
  await expect.poll(() => waited.length).toBe(2)
  expect(waited).toEqual([0, 0])
})

it('gives the event loop its turns when many are due at once', async () => {
  const turns = new Set<number>()
  let turnNumber = 0
  let begun = 0
  const queue = new DueQueue<Item>(1000, () => {
    begun++
    turns.add(turnNumber)
    block(1)
  })
  const now = performance.now()
  for (let i = 0; i < 40; i++) queue.add(item(String(i)), now)
  while (begun < 40) {
    await turn()
    turnNumber++
  }
  expect(turns.size).toBeGreaterThanOrEqual(10)
})
