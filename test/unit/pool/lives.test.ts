import fc from 'fast-check'
import { afterEach, beforeEach, it, vi } from 'vitest'
import { MirroredPool } from '../../../src/pool/index.js'
import { life } from './lives/life.js'
import { live } from './lives/live.js'

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance', 'Date'] })
})
afterEach(() => {
  vi.useRealTimers()
})

// LIVES=100000 npx vitest run --project unit test/unit/pool/lives.test.ts
const LIVES = Number(process.env.LIVES ?? 2000)

it(
  'whatever happens to a pool, once it stops the table is what the pool says',
  async () => {
    await fc.assert(
      fc.asyncProperty(life, (given) => live(MirroredPool, given)),
      { numRuns: LIVES },
    )
  },
  LIVES * 600,
)
