import { describe, expect, it } from 'vitest'
import { checks, type TcpCheckOptions } from '../../../src/health/checks/index.js'
import { CheckTimeoutError, classify } from '../../../src/health/outcome.js'
import type { HealthMember } from '../../../src/health/types.js'
import { nothingLeftOpen, outcomeOf, run, serve } from './loopback.js'

const signal = new AbortController().signal

describe('checks.tcp', () => {
  it('is healthy when connected, and closes with a reset', async () => {
    let seen: string | undefined
    const server = await serve({
      tcp: (socket) => {
        socket.on('error', (error: NodeJS.ErrnoException) => {
          seen = error.code
        })
        socket.resume()
      },
    })
    expect(await outcomeOf(checks.tcp()(server.member, { signal }))).toBe('healthy: connected')
    await nothingLeftOpen()
    await expect.poll(() => seen).toBe('ECONNRESET')
  })

  it('says refused', async () => {
    const { member } = await serve({})
    expect(await outcomeOf(checks.tcp()(member, { signal }))).toBe(
      `tcp ${member.key}: connection refused`,
    )
    await nothingLeftOpen()
  })

  it('works over IPv6', async () => {
    const server = await serve({ tcp: () => {} }, '::1')
    expect(await outcomeOf(checks.tcp()(server.member, { signal }))).toBe('healthy: connected')
    await server.close()
    const refused = await outcomeOf(checks.tcp()(server.member, { signal }))
    expect(refused).toMatch(/^tcp \[::1\]:\d+: connection refused$/)
  })

  it('gives up at the abort and leaves nothing open', async () => {
    // TEST-NET-1: nobody answers, and the abort comes before any error can.
    const controller = new AbortController()
    const member = { key: 'x', address: '192.0.2.1', port: 9 }
    const check = outcomeOf(checks.tcp()(member, { signal: controller.signal }))
    controller.abort(new CheckTimeoutError(50))
    expect(await check).toBe('tcp 192.0.2.1:9: no answer within 50 ms (no connection)')
    await nothingLeftOpen()
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
    const from: (string | undefined)[] = []
    const { member } = await serve({ tcp: (socket) => from.push(socket.remoteAddress) })
    const check = checks.tcp({ localAddress: '127.0.0.9' })
    expect(await run(check, member)).toBe('healthy: connected')
    await expect.poll(() => from).toEqual(['127.0.0.9'])
    const six = await serve({ tcp: () => {} }, '::1')
    expect(await run(check, six.member)).toBe(
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
