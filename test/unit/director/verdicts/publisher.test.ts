import { expect, onTestFinished, test } from 'vitest'
import { Publisher } from '../../../../src/director/verdicts/publisher.js'
import { EtcdError } from '../../../../src/etcd/index.js'

test('a lease that is over as soon as it is there is not taken again and again without a pause', async () => {
  let grants = 0
  let grantsAtFailure = 0
  const turn = () => new Promise((resolve) => setImmediate(resolve))
  const publisher = new Publisher({
    store: {
      grant: async () => {
        await turn()
        return String(++grants)
      },
      commit: async () => {
        await turn()
        throw new EtcdError('ERR_ETCD_NO_LEASE', 'requested lease not found')
      },
      keepAlive: async () => 10,
      revoke: async () => {},
    },
    ttlMs: 10_000,
    keyOf: (server) => server,
    answered: () => {},
    failed: () => {
      grantsAtFailure ||= grants
    },
  })
  onTestFinished(() => publisher.close())
  publisher.set('s1', 'up')
  await expect.poll(() => grantsAtFailure).toBe(2)
})
