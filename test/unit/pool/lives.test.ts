import fc from 'fast-check'
import { afterEach, beforeEach, it, vi } from 'vitest'
import { MirroredPool } from '../../../src/pool/index.js'
import { action, live, options } from './lives.js'

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
    const life = fc.asyncProperty(fc.array(action, { maxLength: 25 }), options, (actions, given) =>
      live(MirroredPool, actions, given),
    )
    await fc.assert(life, { numRuns: LIVES })
  },
  LIVES * 600,
)
