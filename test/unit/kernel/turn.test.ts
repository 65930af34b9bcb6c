import { expect, test } from 'vitest'
import type { WriteResult } from '../../../src/kernel/kernel.js'
import type { ChangeWriter } from '../../../src/kernel/records.js'
import { Turn } from '../../../src/kernel/turn.js'
import { type CheckedChange, checkChange } from '../../../src/validate.js'

const service = { protocol: 'udp', address: '192.0.2.1', port: 53 }

/** Changes of one server, as their writer's records: its number, and + if joined to the one before. */
function call(...servers: number[]): CheckedChange[] {
  return servers.map((n) => {
    const destination = { address: `10.1.0.${n}`, port: 53 }
    return checkChange({ op: 'remove-destination', service, destination }, '')
  })
}

/** Requests as they are handed over; `answer` settles the oldest one. */
function started(capacity = 100) {
  let written: string[] = []
  const writer = {
    get room() {
      return capacity - written.length
    },
    add: (change: CheckedChange, joined: boolean) => {
      written.push(`${joined ? '+' : ''}${change.destination?.address[3]}`)
    },
    take: () => written.join(' ') as unknown as Uint8Array,
    reset: () => {
      written = []
    },
  } as unknown as ChangeWriter
  const requests: string[] = []
  const waiting: ((result: WriteResult) => void)[] = []
  const turn = new Turn(writer, (records, count, deadlineMs, done) => {
    requests.push(`${records} (${count}, ${deadlineMs} ms)`)
    waiting.push(done)
  })
  const answer = (failed: number[] = [], cut: WriteResult['cut'] = 'answered') => {
    const failures = failed.map((index) => ({ index, code: 2, command: 8 }))
    waiting.shift()!({ failures, cut, until: 9 })
  }
  return { turn, requests, answer }
}

test('the first call of a turn goes out at once, the others together when it ends', async () => {
  const { turn, requests, answer } = started()
  const calls = [call(1, 1), call(2, 2), call(2), call(3, 3)].map((it) => turn.write(it, 5000))
  expect(requests).toEqual(['1 +1 (2, 5000 ms)'])
  await Promise.resolve()
  expect(requests).toEqual(['1 +1 (2, 5000 ms)', '2 +2 2 3 +3 (5, 5000 ms)'])
  const next = turn.write(call(4), 5000)
  expect(requests[2]).toBe('4 (1, 5000 ms)')
  for (let i = 0; i < 3; i++) answer()
  for (const { failures } of await Promise.all([...calls, next])) expect(failures).toEqual([])
})

test('each caller gets its own failures, by its own indices, and why they have no answer', async () => {
  const { turn, answer } = started()
  const calls = [call(1), call(2, 2), call(3), call(4, 4, 4)].map((it) => turn.write(it, 5000))
  await Promise.resolve()
  answer()
  answer([1, 3, 5], 'deadline')
  const results = await Promise.all(calls)
  expect(results.map(({ failures }) => failures.map(({ index }) => index))).toEqual([
    [],
    [1],
    [],
    [0, 2],
  ])
  expect(results.map(({ cut }) => cut)).toEqual(['answered', 'deadline', 'deadline', 'deadline'])
})

test('what is handed over in between comes after the calls before it', () => {
  const { turn, requests } = started()
  for (const n of [1, 2, 3]) void turn.write(call(n), 5000)
  turn.flush()
  void turn.write(call(4), 5000)
  turn.flush()
  turn.flush()
  expect(requests).toEqual(['1 (1, 5000 ms)', '2 3 (2, 5000 ms)', '4 (1, 5000 ms)'])
})

test('another deadline, or no room, begins another request', async () => {
  const { turn, requests } = started(5)
  void turn.write(call(1), 5000)
  void turn.write(call(2, 2), 5000)
  void turn.write(call(3, 3), 100)
  void turn.write(call(4, 4), 100)
  void turn.write(call(5, 5), 100)
  await Promise.resolve()
  expect(requests).toEqual([
    '1 (1, 5000 ms)',
    '2 +2 (2, 5000 ms)',
    '3 +3 4 +4 (4, 100 ms)',
    '5 +5 (2, 100 ms)',
  ])
})
