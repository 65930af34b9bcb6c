// Answers come from the kernel. Whoever owns the namespace can send to the client's sockets, without any right outside of it.
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { beforeAll, expect, test } from 'vitest'
import { kernelSuite } from '../../lab/guest/suite.js'
import type { Change } from '../../src/types.js'
import { command } from './namespace.js'
import { programPath } from './programs.js'
import { ipvs, ns, setUp } from './setup.js'
import { traced } from './traced.js'

/** Netlink's number of generic netlink, and the kernel's own port. */
const GENERIC = '16'
const KERNEL = '0'

kernelSuite('trust', () => {
  setUp()
  let forge: string

  beforeAll(() => {
    forge = path.join(ns.folder, 'forge')
    command(['gcc', '-Wall', '-Wextra', '-Werror', '-o', forge, programPath('forge.c')])
  })

  /** The ports of all sockets in the namespace but the kernel's. */
  function ports(): string[] {
    return readFileSync(`/proc/${ns.pid}/net/netlink`, 'utf8')
      .split('\n')
      .slice(1)
      .map((line) => line.trim().split(/\s+/))
      .filter(([, protocol, port]) => protocol === GENERIC && port !== KERNEL)
      .map(([, , port]) => port!)
  }

  test('what others send to a client is refused, and its calls fail or succeed as the kernel says', async () => {
    const sockets = ports()
    expect(sockets.length).toBe(2)
    for (const port of sockets) {
      expect(JSON.parse(ns.run([forge, port, '1', '100']))).toEqual({ sent: 0, refused: 100 })
    }
    const missing = Array.from(
      { length: 30 },
      (_, n): Change => ({ op: 'remove-service', service: { fwmark: n + 1 } }),
    )
    const { applied, errors } = await ipvs.apply(missing)
    expect(applied).toBe(0)
    const codes = errors.map(({ error }) => (error as { code?: string }).code)
    expect(new Set(codes)).toEqual(new Set(['ERR_IPVS_NO_SERVICE']))
    expect((await ipvs.services()).length).toBe(0)
  })

  test('the sequence of a socket begins anywhere, and that of the next one elsewhere', async () => {
    const calls = await traced('sendmsg', async () => {
      for (let i = 0; i < 3; i++) await (await ns.open()).close()
    })
    // Of each client's thread the first message: struct nlmsghdr has its number at byte 8.
    const starts = new Map<string, number>()
    for (const { bytes, thread, netlink } of calls) {
      if (netlink && !starts.has(thread)) starts.set(thread, Buffer.from(bytes).readUInt32LE(8))
    }
    const numbers = [...starts.values()]
    expect(new Set(numbers).size).toBe(3)
    expect(Math.max(...numbers)).toBeGreaterThan(1000)
  })
})
