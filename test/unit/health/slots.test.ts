import { expect, it } from 'vitest'
import { Slots } from '../../../src/health/slots.js'

const never = new AbortController().signal

it('serves in order of arrival', async () => {
  const slots = new Slots(2)
  const order: number[] = []
  const releases = [await slots.take(never), await slots.take(never)]
  const waiting = [1, 2, 3].map(async (n) => {
    const release = await slots.take(never)
    order.push(n)
    return release
  })
  releases[0]?.()
  // A second call gives nothing back.
  releases[0]?.()
  ;(await waiting[0])?.()
  await waiting[1]
  expect(order).toEqual([1, 2])
  releases[1]?.()
  await waiting[2]
  expect(order).toEqual([1, 2, 3])
})

it('passes over those who gave up', async () => {
  const slots = new Slots(1)
  const first = await slots.take(never)
  const controller = new AbortController()
  const second = slots.take(controller.signal)
  const third = slots.take(never)
  controller.abort()
  expect(await second).toBeUndefined()
  first?.()
  expect(await third).toBeTypeOf('function')
  expect(await slots.take(AbortSignal.abort())).toBeUndefined()
})
