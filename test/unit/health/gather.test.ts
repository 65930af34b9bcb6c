import { describe, expect, it } from 'vitest'
import { gather, joinErrors } from '../../../src/health/checks/gather.js'
import { classify, isSystemError } from '../../../src/health/outcome.js'
import { failed } from './target.js'

const { signal } = new AbortController()

function error(code: string): Error {
  return new Error(`dns: ${code}`, { cause: failed(code) })
}

describe('joinErrors', () => {
  it.each([
    // Needed, of how many, what went wrong. All of two: one true failure settles it.
    [2, 2, ['ECONNREFUSED', 'EMFILE'], 'failure'],
    [2, 2, ['ENETUNREACH', 'EMFILE'], 'unknown'],
    [2, 2, ['ENETUNREACH', 'ENETUNREACH'], 'unreachable'],
    [2, 2, ['ENETUNREACH'], 'unreachable'],
    [2, 2, ['ENETUNREACH', 'ECONNREFUSED'], 'failure'],
    [2, 2, ['EMFILE'], 'unknown'],
    // Any of two: one unknown leaves it open.
    [1, 2, ['ECONNREFUSED', 'EMFILE'], 'unknown'],
    [1, 2, ['ECONNREFUSED', 'ENETUNREACH'], 'failure'],
    [1, 2, ['ENETUNREACH', 'ENETUNREACH'], 'unreachable'],
    // Two of three: the unknown one could make it up for one failure, not for two.
    [2, 3, ['ECONNREFUSED', 'EMFILE'], 'unknown'],
    [2, 3, ['ECONNREFUSED', 'ECONNREFUSED'], 'failure'],
    [2, 3, ['ECONNREFUSED', 'ECONNREFUSED', 'EMFILE'], 'failure'],
    [2, 3, ['ECONNREFUSED', 'EMFILE', 'EMFILE'], 'unknown'],
    [2, 3, ['ENETUNREACH', 'ENETUNREACH', 'ENETUNREACH'], 'unreachable'],
    [2, 3, ['ENETUNREACH', 'ENETUNREACH'], 'unreachable'],
  ] as const)('%i of %i with %j: %s', (needed, total, codes, fault) => {
    const joined = joinErrors(codes.map(error), needed, total)
    expect(classify(joined)).toBe(fault)
    expect(joined.message).toBe(codes.map((code) => `dns: ${code}`).join('; '))
  })
})

it.each([
  [2, 2, ['ECONNREFUSED', 'wrong'], true],
  [2, 2, ['wrong'], false],
  [1, 2, ['ECONNREFUSED', 'wrong'], false],
  [1, 2, ['ECONNREFUSED', 'ECONNREFUSED'], true],
] as const)('%i of %i with %j is the word of the kernel: %s', (needed, total, words, told) => {
  const errors = words.map((word) => (word === 'wrong' ? new Error(word) : error(word)))
  expect(isSystemError(joinErrors(errors, needed, total))).toBe(told)
})

describe('gather', () => {
  it('agrees with the definition, whatever succeeds, fails or is unknown', async () => {
    const kinds = ['success', 'ECONNREFUSED', 'EMFILE'] as const
    for (let n = 0; n < 81; n++) {
      const tries = [0, 1, 2, 3].map((digit) => kinds[Math.floor(n / 3 ** digit) % 3]!)
      for (const needed of [1, 2, 3, 4]) {
        const tasks = tries.map((kind) => async () => {
          if (kind !== 'success') throw error(kind)
          return kind
        })
        const outcome = await gather(needed, tasks, signal).then(() => 'success', classify)
        const count = (kind: string) => tries.filter((one) => one === kind).length
        const atMost = count('success') + count('EMFILE')
        const expected =
          count('success') >= needed ? 'success' : atMost >= needed ? 'unknown' : 'failure'
        expect(outcome, `${needed} of ${tries.join(' ')}`).toBe(expected)
      }
    }
  })

  it('aborts what can no longer change the outcome, and only then', async () => {
    const aborted: number[] = []
    const waiting = (n: number) => (own: AbortSignal) =>
      new Promise<never>((_resolve, reject) => {
        own.addEventListener('abort', () => {
          aborted.push(n)
          reject(new Error('stopped'))
        })
      })
    const good = async () => 'good'
    const bad = async () => {
      throw error('ECONNREFUSED')
    }
    const unknown = async () => {
      throw error('EMFILE')
    }
    expect(await gather(1, [waiting(1), good], signal)).toEqual(['good'])
    await expect(gather(2, [waiting(2), bad], signal)).rejects.toThrow('dns: ECONNREFUSED')
    // With two failures, three of four cannot be had any more.
    const three = gather(3, [waiting(3), bad, bad, waiting(4)], signal)
    await expect(three).rejects.toThrow('dns: ECONNREFUSED; dns: ECONNREFUSED')
    expect(aborted).toEqual([1, 2, 3, 4])
    // An unknown settles nothing: the other one may fail truly.
    const controller = new AbortController()
    const open = gather(2, [waiting(5), unknown], controller.signal)
    await new Promise((resolve) => setImmediate(resolve))
    expect(aborted).toEqual([1, 2, 3, 4])
    controller.abort(new Error('enough'))
    await expect(open).rejects.toThrow('stopped; dns: EMFILE')
  })

  it('names every one at an abort from outside', async () => {
    const controller = new AbortController()
    const waiting = (name: string) => (own: AbortSignal) =>
      new Promise<never>((_resolve, reject) =>
        own.addEventListener('abort', () => reject(new Error(name))),
      )
    const ended = gather(2, [waiting('udp'), waiting('tcp')], controller.signal)
    controller.abort()
    await expect(ended).rejects.toThrow('udp; tcp')
  })

  it('begins with an aborted signal no more than the tasks do', async () => {
    const task = async (own: AbortSignal) => own.throwIfAborted()
    const over = AbortSignal.abort(new Error('over'))
    await expect(gather(1, [task, task], over)).rejects.toThrow('over; over')
  })
})
