// What ends: memory for a caller's mistake, request numbers, descriptors, threads, and clients that nobody closes.
import path from 'node:path'
import { expect, test } from 'vitest'
import { kernelSuite } from '../../lab/guest/suite.js'
import { Ipvs } from '../../src/client.js'
import { CONNECT } from '../../src/kernel/kernel.js'
import { NativeKernel } from '../../src/kernel/native-kernel.js'
import type { Change } from '../../src/types.js'
import { checkChange } from '../../src/validate.js'
import { command } from './namespace.js'
import { programPath, programValue } from './programs.js'
import { ipvs, ns, setUp } from './setup.js'
import { threads } from './threads.js'

const PATIENCE_MS = 3_600_000
const service = { fwmark: 1, scheduler: 'rr' } as const
const MEGABYTE = 2 ** 20

interface Told {
  readonly code: string
  readonly errno: number
  readonly message: string
}

function ensure(mark: number): Change {
  return { op: 'ensure-service', service: { ...service, fwmark: mark } }
}

function* ensures(count: number) {
  for (let n = 1; n <= count; n++) yield checkChange(ensure(n), '')
}

function open(lastId?: number): Promise<NativeKernel> {
  return NativeKernel.open({ kind: 'path', path: `/run/netns/${ns.name}` }, PATIENCE_MS, lastId)
}

kernelSuite('limits', () => {
  setUp()

  test('a list with holes ends its own call, and takes no memory for what is not there', async () => {
    const before = process.memoryUsage().rss
    for (const length of [3e6, 3e7, 2 ** 31, 2 ** 32 - 1]) {
      for (const options of [{}, { priority: 'bulk' }, { signal: AbortSignal.abort() }] as const) {
        const holes: Change[] = []
        holes[length - 1] = ensure(1)
        await expect(ipvs.apply(holes, options)).rejects.toMatchObject({
          code: 'ERR_IPVS_ARGUMENT',
          option: expect.stringMatching(/^changes(\[0\])?$/),
        })
      }
    }
    expect(process.memoryUsage().rss - before).toBeLessThan(200 * MEGABYTE)
    expect(await ipvs.services()).toEqual([])
  })

  test.each([
    [4000, 3999],
    [4000, 0],
    [4000, 4001],
    [4096, 4097],
  ])(
    'a list that has not %i changes but %i ends its own call; nothing of it is sent, and nobody waits for it',
    async (said, found) => {
      const kernel = await open()
      const options = { bulk: false, deadlineMs: PATIENCE_MS, signal: undefined }
      const broken = kernel.write(ensures(found), said, options)
      const next = kernel.write(ensures(1), 1, options)
      await expect(broken).rejects.toMatchObject({ code: 'ERR_IPVS_ARGUMENT', option: 'changes' })
      expect((await next).failures).toEqual([])
      expect(ns.rules()).toEqual(['-A -f 1 -s rr'])
      await kernel.close()
    },
  )

  test('request numbers begin again: every call before, at and after the last one settles, and close() too', async () => {
    const kernel = await open(2 ** 31 - 12)
    const client = await Ipvs.open({ kernel: { [CONNECT]: () => kernel } as never })
    for (let round = 0; round < 4; round++) {
      const calls = [
        client.apply([ensure(round + 1)]),
        client.apply(Array.from({ length: 300 }, (_, n) => ensure(1 + (n % 4)))),
        client.apply([ensure(1)], { priority: 'bulk' }),
        client.setTimeouts({ udpSeconds: 300 }),
        client.services(),
        client.snapshot(),
        client.sysctls(),
      ]
      await Promise.all(calls)
      expect((await client.services()).length).toBe(4)
    }
    const last = client.apply([ensure(9)])
    await client.close()
    expect((await last).applied).toBe(1)
  })

  test('a thread that cannot be made is said so, and the next client opens', () => {
    const shim = path.join(ns.folder, 'fail-threads.so')
    const gcc = ['gcc', '-Wall', '-Wextra', '-Werror', '-shared', '-fPIC', '-o', shim]
    command([...gcc, programPath('fail-threads.c'), '-ldl'])
    const { refused, services } = programValue<{ refused: Told; services: number }>(
      'no-threads.mjs',
      [ns.name],
      { env: { LD_PRELOAD: shim } },
    )
    expect(refused).toMatchObject({ code: 'ERR_IPVS_KERNEL', errno: -11 })
    expect(refused.message).toMatch(/thread could not be made \(EAGAIN\)/)
    expect(services).toBe(0)
  })

  test('without a descriptor each call says so; what is open goes on, and all works when there are some again', () => {
    const { said, after } = programValue<{ said: Record<string, Told | 'done'>; after: string }>(
      'no-descriptors.mjs',
      [ns.name],
      { under: ['prlimit', '--nofile=256:256'] },
    )
    const { services, ...refused } = said
    expect(Object.keys(refused)).toEqual(['open', 'netns', 'sysctls', 'setSysctl', 'connections'])
    for (const [call, told] of Object.entries(refused)) {
      expect(told, call).toMatchObject({ code: 'ERR_IPVS_KERNEL', errno: -24 })
      expect((told as Told).message, call).toMatch(/no file descriptor left/)
    }
    expect(services).toBe('done')
    expect(after).toBe('done')
  })

  test('clients that nobody closes, and connections that nobody reads to their end, are collected with all they have', async () => {
    ns.run(['ip', 'address', 'replace', '192.0.2.1/32', 'dev', 'lo'])
    const id = { protocol: 'udp', address: '192.0.2.1', port: 53 } as const
    await ipvs.apply([
      { op: 'add-service', service: { ...id, scheduler: 'rr' } },
      {
        op: 'add-destination',
        service: id,
        destination: { address: '127.0.0.1', port: 5300, forwarding: 'masquerade' },
      },
    ])
    ns.run([process.execPath, programPath('send.mjs'), id.address, '53', '20000', '3'])
    const { before, used, after } = programValue<
      Record<'before' | 'used' | 'after', { threads: number; descriptors: number }>
    >('dropped.mjs', [ns.name], { node: ['--expose-gc'] })
    expect(before.threads).toBe(1)
    expect(used.threads).toBeGreaterThan(before.threads)
    expect(after).toEqual(before)
  })

  test('a path that is no namespace is refused at once, and leaves no thread', async () => {
    const fifo = path.join(ns.folder, 'fifo')
    command(['mkfifo', fifo])
    for (const netns of [fifo, '/dev/null', '/etc/passwd', ns.folder]) {
      await expect(Ipvs.open({ netns, deadlineMs: PATIENCE_MS })).rejects.toMatchObject({
        code: 'ERR_IPVS_NO_NAMESPACE',
      })
    }
    await expect.poll(() => Object.values(threads().clients)).toEqual([1])
  })
})
