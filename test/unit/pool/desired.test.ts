import { expect, it } from 'vitest'
import { desiredWeight, effectiveWeight, type Intent } from '../../../src/pool/desired.js'

const plain: Intent = {
  admin: 'ready',
  duty: 'serves',
  weight: 10,
  factor: 1,
  ramp: 1,
  leaving: false,
}

it.each<[Partial<Intent>, number | 'absent' | 'as-is', number | 'absent' | 'as-is', number]>([
  //                                             remove    quiesce  effective
  [{}, 10, 10, 10],
  [{ duty: 'down' }, 'absent', 0, 0],
  [{ duty: 'as-is' }, 'as-is', 'as-is', 0],
  [{ admin: 'drain' }, 0, 0, 0],
  [{ admin: 'drain', duty: 'down' }, 'absent', 0, 0],
  [{ admin: 'drain', duty: 'as-is' }, 'as-is', 'as-is', 0],
  [{ admin: 'maintenance' }, 'absent', 0, 0],
  [{ admin: 'maintenance', duty: 'down' }, 'absent', 0, 0],
  [{ admin: 'maintenance', duty: 'as-is' }, 'absent', 0, 0],
  [{ leaving: true }, 'absent', 'absent', 10],
  [{ leaving: true, duty: 'as-is' }, 'absent', 'absent', 0],
  [{ leaving: true, admin: 'drain' }, 'absent', 'absent', 0],
  [{ factor: 0.5 }, 5, 5, 5],
  [{ factor: 0.26 }, 3, 3, 3],
  [{ factor: 0.01 }, 1, 1, 1],
  [{ factor: 0 }, 1, 1, 1],
  [{ ramp: 0.1 }, 1, 1, 1],
  [{ ramp: 0.55 }, 6, 6, 6],
  [{ ramp: 0.5, factor: 0.5 }, 3, 3, 3],
  [{ weight: 0 }, 0, 0, 0],
  [{ weight: 0, factor: 0.5 }, 0, 0, 0],
  [{ weight: 2147483647 }, 2147483647, 2147483647, 2147483647],
])('%j: remove %s, quiesce %s, effective %s', (change, remove, quiesce, effective) => {
  const intent = { ...plain, ...change }
  expect(desiredWeight(intent, 'remove')).toBe(remove)
  expect(desiredWeight(intent, 'quiesce')).toBe(quiesce)
  expect(effectiveWeight(intent)).toBe(effective)
})
