import { describe, expect, it } from 'vitest'
import type { ServingState } from '../../../src/pool/policy/assignment.js'
import {
  desiredWeight,
  effectiveWeight,
  type Intent,
  WISHES,
  type Wish,
} from '../../../src/pool/policy/weight.js'
import type { AdminState } from '../../../src/servers.js'

const plain: Intent = {
  admin: 'ready',
  serving: 'serves',
  weight: 10,
  healthFactor: 1,
  slowStartFactor: 1,
  leaving: false,
}

it.each<[Partial<Intent>, number | 'absent' | 'as-is', number | 'absent' | 'as-is', number]>([
  //                                             remove    quiesce  effective
  [{}, 10, 10, 10],
  [{ serving: 'down' }, 'absent', 0, 0],
  [{ serving: 'tried' }, 10, 10, 10],
  [{ admin: 'drain', serving: 'tried' }, 0, 0, 0],
  [{ admin: 'maintenance', serving: 'tried' }, 'absent', 0, 0],
  [{ serving: 'as-is' }, 'as-is', 'as-is', 0],
  [{ admin: 'drain' }, 0, 0, 0],
  [{ admin: 'drain', serving: 'down' }, 'absent', 0, 0],
  [{ admin: 'drain', serving: 'as-is' }, 'as-is', 'as-is', 0],
  [{ admin: 'maintenance' }, 'absent', 0, 0],
  [{ admin: 'maintenance', serving: 'down' }, 'absent', 0, 0],
  [{ admin: 'maintenance', serving: 'as-is' }, 'absent', 0, 0],
  [{ leaving: true }, 'absent', 'absent', 10],
  [{ leaving: true, serving: 'as-is' }, 'absent', 'absent', 0],
  [{ leaving: true, admin: 'drain' }, 'absent', 'absent', 0],
  [{ healthFactor: 0.5 }, 5, 5, 5],
  [{ healthFactor: 0.26 }, 3, 3, 3],
  [{ healthFactor: 0.01 }, 1, 1, 1],
  [{ healthFactor: 0 }, 1, 1, 1],
  [{ slowStartFactor: 0.1 }, 1, 1, 1],
  [{ slowStartFactor: 0.55 }, 6, 6, 6],
  [{ slowStartFactor: 0.5, healthFactor: 0.5 }, 3, 3, 3],
  [{ weight: 0 }, 0, 0, 0],
  [{ weight: 0, healthFactor: 0.5 }, 0, 0, 0],
  [{ weight: 2147483647 }, 2147483647, 2147483647, 2147483647],
])('%j: remove %s, quiesce %s, effective %s', (change, remove, quiesce, effective) => {
  const intent = { ...plain, ...change }
  expect(desiredWeight(intent, 'remove')).toBe(remove)
  expect(desiredWeight(intent, 'quiesce')).toBe(quiesce)
  expect(effectiveWeight(intent)).toBe(effective)
})

describe('the table of what is wanted of a server', () => {
  const outcomes: Record<Wish, readonly unknown[]> = {
    weight: [10, 10],
    zero: [0, 0],
    out: ['absent', 0],
    'as-is': ['as-is', 'as-is'],
  }
  const cells = Object.entries(WISHES).flatMap(([serving, row]) =>
    Object.entries(row).map(([admin, wish]) => [serving, admin, wish] as const),
  )

  it('has a cell for each state', () => {
    expect(cells).toHaveLength(4 * 3)
  })

  it.each(cells)('%s, %s: %s', (serving, admin, wish) => {
    const intent = { ...plain, serving: serving as ServingState, admin: admin as AdminState }
    const [removed, quiesced] = outcomes[wish]
    expect(desiredWeight(intent, 'remove')).toBe(removed)
    expect(desiredWeight(intent, 'quiesce')).toBe(quiesced)
  })
})
