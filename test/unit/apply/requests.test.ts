import { expect, test } from 'vitest'
import { RequestBatcher } from '../../../src/apply/requests.js'
import type { Kernel, WriteResult } from '../../../src/kernel/kernel.js'
import { type CheckedChange, checkChange } from '../../../src/validate.js'

const service = { protocol: 'udp', address: '192.0.2.1', port: 53 }

/** Changes of servers, by their number. */
function call(...servers: number[]): CheckedChange[] {
  return servers.map((n) => {
    const destination = { address: `10.1.${n >> 8}.${n & 255}`, port: 53 }
    return checkChange({ op: 'remove-destination', service, destination }, '')
  })
}

/** Requests as the kernel gets them; `answer` settles the oldest one. */
function started() {
  const requests: string[] = []
  const waiting: { resolve(result: WriteResult): void; reject(error: unknown): void }[] = []
  let holds = 0
  const kernel = {
    hold: () => {
      holds++
      return () => holds--
    },
    write: (changes: readonly CheckedChange[], count: number, options: { deadlineMs: number }) => {
      const servers = changes.map(({ destination }) => {
        const { address } = destination!
        return address[2]! * 256 + address[3]!
      })
      expect(servers.length).toBe(count)
      requests.push(`${servers.join(' ')} (${options.deadlineMs} ms)`)
      return new Promise<WriteResult>((resolve, reject) => waiting.push({ resolve, reject }))
    },
  } as unknown as Kernel
  const answer = (failed: number[] = [], cut: WriteResult['cut'] = 'answered') => {
    const failures = failed.map((index) => ({ index, code: 2, command: 7 }))
    waiting.shift()!.resolve({ failures, cut, until: 9 })
  }
  const fail = (error: Error) => waiting.shift()!.reject(error)
  return { batcher: new RequestBatcher(kernel), requests, answer, fail, holds: () => holds }
}

test('the first call of a turn goes out at once, the others together when it ends', async () => {
  const { batcher, requests } = started()
  const slices = [call(1, 1), call(2, 2), call(2), call(3, 3)].map((it) => batcher.add(it, 5000))
  expect(requests).toEqual(['1 1 (5000 ms)'])
  await Promise.resolve()
  expect(requests).toEqual(['1 1 (5000 ms)', '2 2 2 3 3 (5000 ms)'])
  batcher.add(call(4), 5000)
  expect(requests[2]).toBe('4 (5000 ms)')
  expect(slices.map(({ from }) => from)).toEqual([0, 0, 2, 3])
  expect(new Set(slices.slice(1).map(({ request }) => request)).size).toBe(1)
})

test('calls of one request share one promise; its errors say which of them have failed', async () => {
  const { batcher, answer, holds } = started()
  const slices = [call(1), call(2, 2), call(3)].map((it) => batcher.add(it, 5000))
  await Promise.resolve()
  const [first, second, third] = slices.map(({ request }) => request)
  expect(second!.answer).toBe(third!.answer)
  expect(holds()).toBe(2)
  answer()
  answer([1])
  await Promise.all([first!.answer, second!.answer])
  const errors = await second!.errors
  expect([...errors.keys()]).toEqual([1])
  expect(errors.get(1)).toMatchObject({ code: 'ERR_IPVS_NO_DESTINATION', command: 'DEL_DEST' })
  expect((await first!.errors).size).toBe(0)
  await new Promise(setImmediate)
  expect(holds()).toBe(0)
})

test('what is handed over in between comes after the calls before it', () => {
  const { batcher, requests } = started()
  for (const n of [1, 2, 3]) batcher.add(call(n), 5000)
  batcher.flush()
  batcher.add(call(4), 5000)
  batcher.flush()
  batcher.flush()
  expect(requests).toEqual(['1 (5000 ms)', '2 3 (5000 ms)', '4 (5000 ms)'])
})

test('another deadline begins another request', async () => {
  const { batcher, requests } = started()
  for (const [n, deadlineMs] of [1, 2, 3, 4].entries())
    batcher.add(call(deadlineMs), n < 2 ? 5000 : 9)
  await Promise.resolve()
  expect(requests).toEqual(['1 (5000 ms)', '2 (5000 ms)', '3 4 (9 ms)'])
})

test('a full request goes out before the turn ends, and no call is split', () => {
  const { batcher, requests } = started()
  batcher.add(call(0), 5000)
  const slices = Array.from({ length: 500 }, () => batcher.add(call(1, 1, 1), 5000))
  expect(requests.map((request) => request.split(' ').length - 2)).toEqual([1, 1023])
  expect(new Set(slices.map(({ request }) => request)).size).toBe(2)
  for (const { from } of slices) expect(from % 3).toBe(0)
})

test('where nothing can be said of a request, all of its callers hear why, and it is not held', async () => {
  const { batcher, fail, holds } = started()
  batcher.add(call(1), 5000)
  const [a, b] = [batcher.add(call(2), 5000), batcher.add(call(3), 5000)]
  batcher.flush()
  fail(new Error('nobody has listened to this one'))
  fail(new Error('no kernel'))
  await expect(a.request.answer).rejects.toThrow('no kernel')
  await expect(b.request.answer).rejects.toThrow('no kernel')
  await new Promise(setImmediate)
  expect(holds()).toBe(0)
})
