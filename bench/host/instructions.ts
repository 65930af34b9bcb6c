// How many instructions one operation of a program takes, in the program itself and not in the kernel: unlike a time, no
// neighbour on the machine can move it.
import { spawnSync } from 'node:child_process'

/** A program's answer to a number of batches. */
export interface Count {
  readonly instructions: number
  readonly operations: number
}

export interface Counter {
  readonly name: string
  readonly words: readonly string[]
  /** Finds the number in what it says on stderr. */
  readonly pattern: RegExp
}

export const perf: Counter = {
  name: 'perf',
  words: ['perf', 'stat', '-x,', '-e', 'instructions:u', '--'],
  pattern: /^(\d+),.*instructions/m,
}

export const callgrind: Counter = {
  name: 'callgrind',
  words: ['valgrind', '--tool=callgrind', '--callgrind-out-file=/dev/null'],
  pattern: /Collected : (\d+)$/m,
}

/** The CPU's own counter; callgrind where the machine, a virtual one say, lets nobody read it. */
export function pickCounter(): Counter {
  const [program, ...words] = perf.words
  const { stderr } = spawnSync(program!, [...words, 'true'], { encoding: 'utf8' })
  return perf.pattern.test(stderr ?? '') ? perf : callgrind
}

/** @param command of a program that takes a number of batches and prints how many operations they were */
export function countInstructions({ words, pattern }: Counter, command: readonly string[]): number {
  return instructionsPerOperation((batches) => {
    const [program, ...rest] = [...words, ...command, String(batches)]
    const { status, stdout, stderr, error } = spawnSync(program!, rest, { encoding: 'utf8' })
    const instructions = pattern.exec(stderr ?? '')?.[1]
    if (error !== undefined || status !== 0 || instructions === undefined) {
      throw new Error(`${words[0]} has not counted: ${error?.message ?? stderr.trim()}`)
    }
    const { operations } = JSON.parse(stdout) as { operations: number }
    return { instructions: Number(instructions), operations }
  })
}

const few = 20
const many = 2 * few
const mostApart = 0.01

/** What more operations take more, so that starting falls out. Counted twice: a figure that moves is none. */
export function instructionsPerOperation(run: (batches: number) => Count): number {
  const [one, other] = [more(), more()]
  if (!(Math.abs(one - other) <= mostApart * one)) {
    throw new Error(`two counts of instructions are more than 1 % apart: ${one} and ${other}`)
  }
  return one

  function more(): number {
    const [short, long] = [run(few), run(many)]
    return (long.instructions - short.instructions) / (long.operations - short.operations)
  }
}
