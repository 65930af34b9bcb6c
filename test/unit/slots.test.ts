import { expect, test } from 'vitest'
import { Slots } from '../../src/slots.js'

/** Work that ends when it is told to. */
function works(slots: Slots) {
  const begun: string[] = []
  const ends = new Map<string, () => void>()
  const start = (name: string, signal?: AbortSignal) =>
    slots.run(() => {
      begun.push(name)
      return new Promise<void>((resolve) => ends.set(name, resolve))
    }, signal)
  return { begun, start, end: (name: string) => ends.get(name)!() }
}

test('so many at a time, the others in order', async () => {
  const { begun, start, end } = works(new Slots(2))
  const all = ['a', 'b', 'c', 'd'].map((name) => start(name))
  expect(begun).toEqual(['a', 'b'])
  end('b')
  await all[1]
  await expect.poll(() => begun).toEqual(['a', 'b', 'c'])
  end('a')
  await all[0]
  await expect.poll(() => begun).toEqual(['a', 'b', 'c', 'd'])
  end('c')
  end('d')
  await Promise.all(all)
})

test('work that fails gives its place back', async () => {
  const slots = new Slots(1)
  await expect(slots.run(() => Promise.reject(new Error('no')))).rejects.toThrow('no')
  expect(await slots.run(async () => 'yes')).toBe('yes')
})

test('at its abort whoever waits does not wait, and nobody gets a place by that', async () => {
  const { begun, start, end } = works(new Slots(1))
  const end1 = new AbortController()
  const first = start('a')
  const second = start('b', end1.signal)
  const third = start('c')
  end1.abort()
  await expect.poll(() => begun).toEqual(['a', 'b'])
  end('b')
  await second
  expect(begun).toEqual(['a', 'b'])
  end('a')
  await first
  await expect.poll(() => begun).toEqual(['a', 'b', 'c'])
  end('c')
  await third
})
