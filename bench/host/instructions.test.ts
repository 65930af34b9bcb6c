import { describe, expect, test } from 'vitest'
import { callgrind, countInstructions, instructionsPerOperation, perf } from './instructions.js'

describe('instructions per operation', () => {
  test('are what more operations take more: starting does not count', () => {
    const run = (batches: number) => ({
      instructions: 1_000_000 + 250 * batches * 10,
      operations: batches * 10,
    })
    expect(instructionsPerOperation(run)).toBe(250)
  })

  test('are no figure where two counts differ by more than a hundredth', () => {
    let per = 1000
    const drifting = (by: number) => (batches: number) => {
      per += by
      return { instructions: per * batches, operations: batches }
    }
    expect(instructionsPerOperation(drifting(0.5))).toBeCloseTo(1001.5, 0)
    per = 1000
    expect(() => instructionsPerOperation(drifting(10))).toThrow('more than 1 % apart')
    expect(() => instructionsPerOperation(() => ({ instructions: 1, operations: 1 }))).toThrow()
  })
})

describe('a counter', () => {
  const program = (script: string) => ['sh', '-c', script, 'program']

  test('is asked with the number of batches last', () => {
    const counter = { name: 'made up', words: [], pattern: /^(\d+) counted$/m }
    const script = 'echo "$((500 + 7 * $1)) counted" >&2; echo "{\\"operations\\":$1}"'
    expect(countInstructions(counter, program(script))).toBe(7)
  })

  test('that says nothing, or a program that fails, is an error with what was said', () => {
    const counter = { name: 'made up', words: [], pattern: /^(\d+) counted$/m }
    expect(() => countInstructions(counter, program('echo "no such thing" >&2'))).toThrow(
      'no such thing',
    )
    expect(() => countInstructions(counter, program('echo "1 counted" >&2; exit 3'))).toThrow(
      '1 counted',
    )
  })

  test('reads what perf and callgrind write', () => {
    expect(perf.pattern.exec('131072,,instructions:u,412210,100.00,,\n')?.[1]).toBe('131072')
    expect(perf.pattern.test('<not supported>,,instructions:u,0,100.00,,\n')).toBe(false)
    expect(callgrind.pattern.exec('==7== \n==7== Collected : 3653675\n==7== \n')?.[1]).toBe(
      '3653675',
    )
  })
})
