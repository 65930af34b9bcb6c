// What a kernel does, whichever it is: run unchanged on the real one and on the one in memory.
import { type describe, expect, test } from 'vitest'
import { changesContract } from './changes.js'
import { errorsContract } from './errors.js'
import { lanesContract } from './lanes.js'
import { lifetimeContract } from './lifetime.js'
import type { Subject } from './subject.js'
import { systemContract } from './system.js'
import { trashContract } from './trash.js'

export type Suite = (name: string, body: () => void) => void

export function contract(
  name: string,
  openKernel: () => Promise<Subject>,
  suite: Suite | typeof describe,
): void {
  suite(`${name}: the contract`, () => {
    changesContract(openKernel)
    errorsContract(openKernel)
    lanesContract(openKernel)
    lifetimeContract(openKernel)
    trashContract(openKernel)
    systemContract(openKernel)
    test('two kernels have nothing in common', async () => {
      const [a, b] = [await openKernel(), await openKernel()]
      const [one, other] = [await a.open(), await b.open()]
      expect(one.namespace).not.toBe(other.namespace)
      await one.addService({ fwmark: 7, scheduler: 'rr' })
      expect(await other.services()).toEqual([])
      await Promise.all([one.close(), other.close()])
      a.close()
      b.close()
    })
  })
}
