// The kernel in memory and the real one are given the same random programs: they must agree about every change and end
// with the same table. Kernels in memory with one rule broken must not.
import { isDeepStrictEqual } from 'node:util'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { kernelSuite } from '../../lab/guest/suite.js'
import { Ipvs } from '../../src/client.js'
import { MemoryKernel } from '../../src/testing/index.js'
import { MUTATIONS, type Mutation, mutant, UNBROKEN } from '../contract/mutants.js'
import { type Program, program, type Run, run } from '../contract/programs.js'
import { ipvs, setUp } from './setup.js'

const CHANGES = 20_000
const CODES = [
  ...['ERR_IPVS_EXISTS', 'ERR_IPVS_NO_SERVICE', 'ERR_IPVS_NO_DESTINATION'],
  ...['ERR_IPVS_NO_SCHEDULER', 'ERR_IPVS_NO_ENGINE', 'ERR_IPVS_INVALID'],
  ...['ERR_IPVS_DAEMON_RUNNING', 'ERR_IPVS_DAEMON_STOPPED', 'ERR_IPVS_NO_DEVICE'],
]

/** A program, and what the real kernel did. */
interface Recorded {
  readonly program: Program
  readonly run: Run
}

kernelSuite('twins', () => {
  setUp()
  let recorded: Promise<Recorded[]> | undefined

  /** Runs random programs on both, once for all tests of the file. */
  const record = (): Promise<Recorded[]> => {
    recorded ??= play()
    return recorded
  }

  async function play(): Promise<Recorded[]> {
    await using memory = await Ipvs.open({ kernel: new MemoryKernel() })
    const played: Recorded[] = []
    let total = 0
    while (total < CHANGES) {
      await fc.assert(
        fc.asyncProperty(program, async (program) => {
          const wanted = await run(ipvs, program)
          expect(await run(memory, program)).toEqual(wanted)
          played.push({ program, run: wanted })
          total += wanted.outcomes.length
        }),
        { numRuns: 40 },
      )
    }
    return played
  }

  test('random programs have the same outcomes and leave the same table', async () => {
    const outcomes = (await record()).flatMap(({ run }) => run.outcomes)
    const counts = new Map<string, number>()
    const count = (key: string): void => void counts.set(key, (counts.get(key) ?? 0) + 1)
    for (const [op, outcome] of outcomes) {
      const [status, code] = outcome.split(' ')
      count(op)
      count(`${op} ${code ?? status}`)
      count(code ?? status!)
    }
    const lines = [...counts].sort(([a], [b]) => (a < b ? -1 : 1)).map(([k, n]) => `${n}\t${k}`)
    console.log(`${outcomes.length} changes\n${lines.join('\n')}`)
    expect(counts.get('applied')!).toBeGreaterThan(outcomes.length * 0.4)
    const ops = new Set(outcomes.map(([op]) => op))
    expect(ops.size).toBe(15)
    for (const key of [...ops, ...CODES]) {
      expect(counts.get(key) ?? 0, key).toBeGreaterThanOrEqual(50)
    }
  })

  /** The first recorded program that a kernel runs otherwise than the real one did. */
  async function firstDifference(mutation: Mutation, number: number): Promise<number> {
    const Mutant = await mutant(mutation, number)
    await using memory = await Ipvs.open({ kernel: new Mutant() })
    for (const [index, { program, run: wanted }] of (await record()).entries()) {
      if (!isDeepStrictEqual(await run(memory, program), wanted)) return index
    }
    return -1
  }

  test('a copy with nothing broken is not told from the real kernel', async () => {
    expect(await firstDifference(UNBROKEN, MUTATIONS.length)).toBe(-1)
  })

  test.each(MUTATIONS.map((mutation, number) => [mutation.rule, mutation, number] as const))(
    'it would be noticed without the rule: %s',
    async (_, mutation, number) => {
      expect(await firstDifference(mutation, number)).toBeGreaterThanOrEqual(0)
    },
  )
})
