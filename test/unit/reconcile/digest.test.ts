// Whether the table is the one that the caller has looked at is decided by the read that the changes rest on.
import { expect, test } from 'vitest'
import { Ipvs, tableDigest } from '../../../src/index.js'
import { MemoryKernel } from '../../../src/testing/index.js'

const RULES = '-A -u 192.0.2.1:53 -s wrr\n-a -u 192.0.2.1:53 -r 10.1.0.1:53 -m -w 1\n'
const desired = [
  {
    protocol: 'udp',
    address: '192.0.2.1',
    port: 53,
    scheduler: 'wrr',
    destinations: [{ address: '10.1.0.2', port: 53, forwarding: 'masquerade' }],
  },
] as const

test('the table that was looked at is changed', async () => {
  const kernel = new MemoryKernel({ rules: RULES })
  await using ipvs = await Ipvs.open({ kernel })
  const ifDigest = tableDigest(await ipvs.snapshot())
  expect(await ipvs.reconcile(desired, { ifDigest })).toMatchObject({ failed: 0, total: 2 })
})

test('another one is not, though it has become another one in the last moment', async () => {
  const kernel = new MemoryKernel({ rules: RULES })
  await using ipvs = await Ipvs.open({ kernel })
  const ifDigest = tableDigest(await ipvs.snapshot())
  const other = await Ipvs.open({ kernel })
  const reconciled = ipvs.reconcile(desired, { ifDigest })
  await other.apply([
    {
      op: 'ensure-destination',
      service: desired[0],
      destination: { address: '10.1.0.9', port: 53, forwarding: 'masquerade' },
    },
  ])
  await expect(reconciled).rejects.toMatchObject({
    code: 'ERR_IPVS_CHANGED',
    message: expect.stringContaining(ifDigest),
  })
  expect(kernel.rules()).toContain('10.1.0.1:53')
  expect(kernel.rules()).not.toContain('10.1.0.2:53')
  await other.close()
})
