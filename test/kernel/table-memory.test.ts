// The memory of a table that nobody looks at any more is for the next one; its rows are not.
import { setImmediate } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { expect, test } from 'vitest'
import { kernelSuite } from '../../lab/guest/suite.js'
import type { Change, Snapshot } from '../../src/types.js'
import { ipvs, setUp } from './setup.js'

setFlagsFromString('--expose-gc')
const collect: () => void = runInNewContext('gc')

/** In order: the kernel lists the newest first. */
function weights({ services }: Snapshot): number[] {
  return services[0]!.destinations.map(({ weight }) => weight).toSorted((a, b) => a - b)
}

const id = { protocol: 'tcp', address: '192.0.2.1', port: 80 } as const

kernelSuite('the memory of tables', () => {
  setUp()

  async function hold(weights: readonly number[]): Promise<void> {
    const changes: Change[] = weights.map((weight, index) => ({
      op: 'add-destination',
      service: id,
      destination: { address: `10.0.0.${index + 1}`, port: 80, forwarding: 'direct', weight },
    }))
    await ipvs.flush()
    const service = { ...id, scheduler: 'rr' } as const
    await ipvs.apply([{ op: 'add-service', service }, ...changes], { onError: 'throw' })
  }

  async function forget(): Promise<void> {
    collect()
    // What is done with collected memory is done in the next turn.
    await setImmediate()
  }

  test('each table has its own rows, larger or smaller than the last one', async () => {
    for (const lengths of [
      [200, 7, 199, 0, 40],
      [1, 250, 3],
    ]) {
      for (const [round, length] of lengths.entries()) {
        const wanted = Array.from({ length }, (_, n) => 1000 * (round + 1) + n)
        await hold(wanted)
        expect(weights(await ipvs.snapshot())).toEqual(wanted)
        await forget()
      }
    }
  })

  test('a table that is kept stays as it was read', async () => {
    await hold([1, 2, 3])
    const kept = await ipvs.snapshot()
    await hold([4, 5, 6])
    await forget()
    const next = await ipvs.snapshot()
    await forget()
    await ipvs.snapshot()
    expect(weights(kept)).toEqual([1, 2, 3])
    expect(weights(next)).toEqual([4, 5, 6])
  })
})
