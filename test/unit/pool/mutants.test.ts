// Each fault that pools have had is found when it is put back: by the random lives here, and by the tests of its kind on
// MUTANTS=all npx vitest run --project unit test/unit/pool/mutants.test.ts
import { spawnSync } from 'node:child_process'
import path from 'node:path'
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { life } from './lives/life.js'
import { live, type Pools } from './lives/live.js'
import { MUTATIONS, type Mutation, mutated, UNBROKEN } from './mutants.js'

/** Most are found within some dozens. */
const LIVES = 5000
const LIMIT_MS = 1_200_000
const checkout = path.join(import.meta.dirname, '../../..')

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance', 'Date'] })
})
afterEach(() => {
  vi.useRealTimers()
})

/** A life shows that something is wrong. */
async function isFound(mutation: Mutation, lives: number): Promise<boolean> {
  using copy = mutated(mutation)
  const { MirroredPool } = (await import(/* @vite-ignore */ copy.index)) as { MirroredPool: Pools }
  const wrong = fc.asyncProperty(life, (given) => live(MirroredPool, given))
  return (await fc.check(wrong, { numRuns: lives, endOnFailure: true })).failed
}

/** What the tests of a kind say about a copy. */
function judge(mutation: Mutation, kind: string): { passed: boolean; output: string } {
  using copy = mutated(mutation)
  const tests =
    kind === 'judged-once'
      ? ['kinds.test.ts', '-t', kind.replace('-', ' ')]
      : [`kinds/${kind}.test.ts`]
  const vitest = ['node_modules/vitest/vitest.mjs', 'run', '--project', 'unit', '--bail', '1']
  const { status, stdout, stderr } = spawnSync(process.execPath, [...vitest, ...tests], {
    cwd: checkout,
    encoding: 'utf8',
    env: { ...process.env, IPVS_POOL: path.dirname(copy.index), NO_COLOR: '1' },
  })
  return { passed: status === 0, output: stdout + stderr }
}

const named = (mutations: readonly Mutation[]) =>
  mutations.map((mutation) => [mutation.rule, mutation] as const)

test('the lives find nothing in a copy with nothing put back', async () => {
  expect(await isFound(UNBROKEN, 100)).toBe(false)
})

describe.each(Object.entries(MUTATIONS))('%s', (_, mutations) => {
  const byLives = mutations.filter(({ by }) => by === 'lives')
  const byTests = mutations.filter(({ by }) => by !== 'lives')

  test.each(named(byLives))(
    'the lives find it without the rule: %s',
    async (_, mutation) => {
      expect(await isFound(mutation, LIVES)).toBe(true)
    },
    LIMIT_MS,
  )

  test.each(named(byTests))('its place is known: %s', (_, mutation) => {
    expect(() => mutated(mutation)[Symbol.dispose]()).not.toThrow()
  })

  if (process.env.MUTANTS !== 'all') return

  test.each([...new Set(byTests.map(({ by }) => by))])(
    'the tests find nothing in a copy with nothing put back: %s',
    (kind) => {
      const { passed, output } = judge(UNBROKEN, kind)
      expect(passed, output).toBe(true)
    },
    LIMIT_MS,
  )

  test.each(named(byTests))(
    'the tests find it without the rule: %s',
    (_, mutation) => {
      const { passed, output } = judge(mutation, mutation.by)
      expect(passed, output).toBe(false)
      expect(output).toMatch(/AssertionError/)
    },
    LIMIT_MS,
  )
})
