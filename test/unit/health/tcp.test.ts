import { getEventListeners } from 'node:events'
import { readFileSync } from 'node:fs'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import { checks, type TcpCheckOptions } from '../../../src/health/checks/index.js'
import { CheckTimeoutError, classify } from '../../../src/health/outcome.js'
import type { HealthMember } from '../../../src/health/types.js'
import { type DeafServer, startDeaf } from './deaf.js'
import { nothingLeftOpen, outcomeOf, run, serve } from './loopback.js'

const signal = new AbortController().signal

/** As include/net/tcp_states.h has them. */
const ESTABLISHED = '01'
const SYN_SENT = '02'

/** The addresses, as the kernel writes them, of the sockets in this state with somebody at this port. */
function addresses(state: string, port: number): string[] {
  const remote = `:${port.toString(16).toUpperCase().padStart(4, '0')}`
  const rows = readFileSync('/proc/net/tcp', 'utf8').trim().split('\n').slice(1)
  return rows
    .map((row) => row.trim().split(/\s+/))
    .filter(([, , there, its]) => its === state && there!.endsWith(remote))
    .map(([, here]) => here!.split(':')[0]!)
}

const sockets = (state: string, port: number): number => addresses(state, port).length

describe.each([
  ['the addon', undefined],
  ['Node.js, where there is no addon,', '/nonexistent/ipvs.node'],
])('a connection by %s', (_name, addon) => {
  let tcp: typeof checks.tcp
  let TimeoutError: typeof CheckTimeoutError
  let deaf: DeafServer
  beforeAll(async () => {
    vi.stubEnv('IPVS_ADDON', addon)
    vi.resetModules()
    const { checks: fresh } = await import('../../../src/health/checks/index.js')
    tcp = fresh.tcp
    ;({ CheckTimeoutError: TimeoutError } = await import('../../../src/health/outcome.js'))
    // It looks for the addon when it is used first.
    await outcomeOf(tcp()({ key: 'x', address: '127.0.0.1', port: 1 }, { signal }))
  })
  beforeEach(async () => {
    deaf = await startDeaf()
  })
  afterEach(() => deaf.close())
  afterAll(() => {
    vi.unstubAllEnvs()
    vi.resetModules()
  })
  const deafMember = () => ({ key: 'deaf', address: '127.0.0.1', port: deaf.port })

  it('is healthy when it is made, and closed with a reset', async () => {
    let seen: string | undefined
    const server = await serve({
      tcp: (socket) => {
        socket.on('error', (error: NodeJS.ErrnoException) => {
          seen = error.code
        })
        socket.resume()
      },
    })
    expect(await outcomeOf(tcp()(server.member, { signal }))).toBe('healthy: connected')
    await nothingLeftOpen()
    await expect.poll(() => seen).toBe('ECONNRESET')
  })

  it('says refused', async () => {
    const { member } = await serve({})
    const error = await tcp()(member, { signal }).catch((thrown: unknown) => thrown)
    expect(error).toMatchObject({
      message: `tcp ${member.key}: connection refused`,
      cause: {
        message: `connect ECONNREFUSED ${member.key}`,
        ...{ code: 'ECONNREFUSED', syscall: 'connect', errno: -111 },
        ...{ address: member.address, port: member.port },
      },
    })
    await nothingLeftOpen()
  })

  it('works over IPv6', async () => {
    const server = await serve({ tcp: () => {} }, '::1')
    expect(await outcomeOf(tcp()(server.member, { signal }))).toBe('healthy: connected')
    await server.close()
    const refused = await outcomeOf(tcp()(server.member, { signal }))
    expect(refused).toMatch(/^tcp \[::1\]:\d+: connection refused$/)
  })

  it('gives up at the abort and leaves nothing open', async () => {
    const controller = new AbortController()
    const check = outcomeOf(tcp()(deafMember(), { signal: controller.signal }))
    await expect.poll(() => sockets(SYN_SENT, deaf.port)).toBe(1)
    controller.abort(new TimeoutError(50))
    expect(await check).toBe(`tcp 127.0.0.1:${deaf.port}: no answer within 50 ms (no connection)`)
    await nothingLeftOpen()
    expect(sockets(SYN_SENT, deaf.port)).toBe(0)
    expect(getEventListeners(controller.signal, 'abort')).toEqual([])
  })

  it('gives up many at once', async () => {
    const controller = new AbortController()
    const all = Array.from({ length: 100 }, () =>
      outcomeOf(tcp()(deafMember(), { signal: controller.signal })),
    )
    await expect.poll(() => sockets(SYN_SENT, deaf.port)).toBe(100)
    controller.abort()
    expect(new Set(await Promise.all(all)).size).toBe(1)
    expect(sockets(SYN_SENT, deaf.port)).toBe(0)
  })

  it('is healthy when it is made later', async () => {
    const controller = new AbortController()
    const all = Array.from({ length: 20 }, () =>
      outcomeOf(tcp()(deafMember(), { signal: controller.signal })),
    )
    await expect.poll(() => sockets(SYN_SENT, deaf.port)).toBe(20)
    deaf.hear()
    expect(new Set(await Promise.all(all))).toEqual(new Set(['healthy: connected']))
    await nothingLeftOpen()
    // Those that fill its queue stay.
    await expect.poll(() => sockets(ESTABLISHED, deaf.port)).toBe(2)
    expect(getEventListeners(controller.signal, 'abort')).toEqual([])
  })
})

describe('checks.tcp', () => {
  it('finds an answer that nobody has told of yet when it is aborted', async () => {
    const deaf = await startDeaf()
    const controller = new AbortController()
    const member = { key: 'deaf', address: '127.0.0.1', port: deaf.port }
    const check = outcomeOf(checks.tcp()(member, { signal: controller.signal }))
    const others = sockets(ESTABLISHED, deaf.port)
    deaf.hear()
    // The event loop does not turn.
    while (sockets(ESTABLISHED, deaf.port) === others);
    controller.abort(new CheckTimeoutError(50))
    expect(await check).toBe('healthy: connected')
    await deaf.close()
  })

  it('wants a literal address', async () => {
    const member = { key: 'x', address: 'localhost', port: 1 }
    const error = await checks
      .tcp()(member, { signal })
      .catch((thrown: unknown) => thrown)
    expect(classify(error)).toBe('unknown')
    expect((error as Error).message).toMatch(/^tcp localhost:1: member\.address must be a literal/)
  })

  it('does not even begin with an aborted signal', async () => {
    const server = await serve({ tcp: () => {} })
    const check = checks.tcp()(server.member, { signal: AbortSignal.abort() })
    expect(await outcomeOf(check)).toBe(`tcp ${server.member.key}: stopped`)
    expect(server.connections.size).toBe(0)
  })

  it('connects to another port or place when told', async () => {
    const { member } = await serve({ tcp: () => {} })
    const other = { key: 'x', address: '127.0.0.2', port: 0 }
    const { address, port } = member
    const elsewhere = { address, port }
    expect(await outcomeOf(checks.tcp({ port })({ ...other, address }, { signal }))).toBe(
      'healthy: connected',
    )
    expect(await outcomeOf(checks.tcp({ connect: elsewhere })(other, { signal }))).toBe(
      'healthy: connected',
    )
    expect(await outcomeOf(checks.tcp({ connect: () => elsewhere })(other, { signal }))).toBe(
      'healthy: connected',
    )
    expect(await outcomeOf(checks.tcp()(other, { signal }))).toMatch(/member\.port.*1 to 65535/)
  })

  it('takes the address or the port alone from connect', async () => {
    const { member } = await serve({ tcp: () => {} })
    const { address, port } = member
    const ask = (options: TcpCheckOptions, other: HealthMember) =>
      outcomeOf(checks.tcp(options)(other, { signal }))
    const elsewhere = { key: 'other', address: '192.0.2.1', port }
    expect(await ask({ connect: { address } }, elsewhere)).toBe('healthy: connected')
    expect(await ask({ connect: { address }, port }, { ...elsewhere, port: 0 })).toBe(
      'healthy: connected',
    )
    expect(await ask({ connect: { port } }, { ...member, port: 1 })).toBe('healthy: connected')
    expect(await ask({ connect: () => ({ address }) }, elsewhere)).toBe('healthy: connected')
    expect(await ask({ connect: () => undefined as never }, member)).toMatch(
      /^options\.connect must be an object/,
    )
  })

  it('connects from another address when told', async () => {
    const deaf = await startDeaf()
    const controller = new AbortController()
    const check = checks.tcp({ localAddress: '127.0.0.9', port: deaf.port })
    const said = run(check, { key: 'x', address: '127.0.0.1', port: 0 }, controller.signal)
    expect(addresses(SYN_SENT, deaf.port)).toEqual(['0900007F'])
    controller.abort()
    expect(await said).toMatch(/stopped \(no connection\)$/)
    await deaf.close()
    const { member } = await serve({ tcp: () => {} })
    expect(await run(checks.tcp({ localAddress: '127.0.0.9' }), member)).toBe('healthy: connected')
    const six = await serve({ tcp: () => {} }, '::1')
    expect(await run(checks.tcp({ localAddress: '127.0.0.9' }), six.member)).toBe(
      'options.localAddress must be an IPv6 address, as that of HOST; received "127.0.0.9"',
    )
  })

  it('does not blame the member for a source address that this host has not', async () => {
    const { member } = await serve({ tcp: () => {} })
    const check = checks.tcp({ localAddress: '192.0.2.9' })
    const error = await check(member, { signal }).catch((thrown: unknown) => thrown)
    expect((error as Error).message).toMatch(/\(EADDRNOTAVAIL\), on our side$/)
    expect(classify(error)).toBe('unknown')
    await nothingLeftOpen()
  })

  it.each([
    [{ port: 0 }, 'options.port'],
    [{ port: '53' }, 'options.port'],
    [{ ports: 53 }, 'options.ports'],
    [{ connect: { address: 'localhost', port: 1 } }, 'options.connect.address'],
    [{ connect: { address: '127.0.0.1', port: 70_000 } }, 'options.connect.port'],
    [{ connect: '127.0.0.1:53' }, 'options.connect'],
    [{ connect: null }, 'options.connect'],
    [{ connect: { devise: 'eth1' } }, 'options.connect.devise'],
    [{ connect: { mark: -1 } }, 'options.connect.mark'],
    [{ connect: { mark: 2 ** 32 } }, 'options.connect.mark'],
    [{ connect: { mark: '7' } }, 'options.connect.mark'],
    [{ connect: { device: '' } }, 'options.connect.device'],
    [{ connect: { device: 'sixteen-bytes-16' } }, 'options.connect.device'],
    [{ connect: { device: 'ääääääää' } }, 'options.connect.device'],
    [{ connect: { device: '..' } }, 'options.connect.device'],
    [{ connect: { device: 'eth0:1' } }, 'options.connect.device'],
    [{ connect: { device: 'a/b' } }, 'options.connect.device'],
    [{ connect: { device: 'eth 0' } }, 'options.connect.device'],
    [{ connect: { device: 'eth0\0' } }, 'options.connect.device'],
    [{ connect: { device: 1 } }, 'options.connect.device'],
    [{ connect: { netns: '' } }, 'options.connect.netns'],
    [{ connect: { netns: { pid: 0 } } }, 'options.connect.netns.pid'],
    [{ connect: { netns: { fd: -1 } } }, 'options.connect.netns.fd'],
    [{ localAddress: 'eth0' }, 'options.localAddress'],
    [{ localAddress: 1 }, 'options.localAddress'],
    [{ port: 1, connect: { address: '127.0.0.1', port: 1 } }, 'options.port'],
  ])('refuses %j', (options, option) => {
    expect(() => checks.tcp(options as never)).toThrow(
      expect.objectContaining({ code: 'ERR_IPVS_ARGUMENT', option }),
    )
  })

  it.each([
    { mark: 0 },
    { mark: 2 ** 32 - 1 },
    { device: 'fifteen-bytes.1' },
    { device: '...' },
    { device: 'äääääää' },
    { netns: 'blue' },
    { netns: { pid: 1 }, device: 'eth1', mark: 1, port: 1, address: '::1' },
  ])('takes connect: %j', (connect) => {
    expect(checks.tcp({ connect })).toBeTypeOf('function')
  })
})
