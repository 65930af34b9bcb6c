import { describe, expect, it } from 'vitest'
import { checks } from '../../../src/health/checks/index.js'
import { classify } from '../../../src/health/outcome.js'
import { type Client, outOfTime, run, serve, stopAnywhere } from './loopback.js'

interface Time {
  readonly leap?: number
  readonly version?: number
  readonly mode?: number
  readonly stratum?: number
  readonly code?: string
  readonly origin?: Buffer
  readonly transmit?: number
}

const reply = (request: Buffer, time: Time = {}) => {
  const { leap = 0, version = 4, mode = 4, stratum = 2, code = '\x0a\0\0\x01' } = time
  const packet = Buffer.alloc(48)
  packet[0] = (leap << 6) | (version << 3) | mode
  packet[1] = stratum
  packet.write(code, 12, 'latin1')
  const { origin = request.subarray(40, 48), transmit = 0xe8000000 } = time
  origin.copy(packet, 24)
  packet.writeUInt32BE(transmit, 40)
  return packet
}
const answering = (...times: (Time | Buffer)[]) =>
  serve({
    udp: (request, send) => {
      for (const time of times) send(Buffer.isBuffer(time) ? time : reply(request, time))
    },
  })
const heard =
  (datagrams = 1) =>
  (client: Client) =>
    client.datagrams >= datagrams

describe('checks.ntp', () => {
  it('asks as a client, with a time that is nobody’s', async () => {
    const server = await answering({})
    const check = checks.ntp()
    for (let i = 0; i < 2; i++) expect(await run(check, server.member)).toBe('healthy: stratum 2')
    const [first, second] = server.datagrams
    expect(first).toHaveLength(48)
    expect(first!.subarray(0, 40)).toEqual(Buffer.concat([Buffer.from([0x23]), Buffer.alloc(39)]))
    expect(first!.subarray(40)).not.toEqual(second!.subarray(40))
  })

  it.each([
    [{ stratum: 15 }, {}, 'healthy: stratum 15'],
    [{ version: 3, leap: 1 }, {}, 'healthy: stratum 2'],
    [{ stratum: 3 }, { maxStratum: 3 }, 'healthy: stratum 3'],
    [{ stratum: 4 }, { maxStratum: 3 }, 'ntp HOST: stratum 4, at most 3 expected'],
    [{ leap: 3 }, {}, 'ntp HOST: not synchronised'],
    [{ stratum: 16 }, {}, 'ntp HOST: not synchronised'],
    [{ stratum: 255 }, {}, 'ntp HOST: not synchronised'],
    [{ stratum: 0, leap: 3, code: '\0\0\0\0' }, {}, 'ntp HOST: not synchronised'],
    [{ stratum: 0, leap: 3, code: 'DENY' }, {}, "ntp HOST: kiss-o'-death DENY"],
    [{ stratum: 0, code: 'RATE' }, {}, "ntp HOST: kiss-o'-death RATE: asked too often"],
    [{ transmit: 0 }, {}, 'ntp HOST: a reply without a time'],
  ] as [Time, object, string][])('%j %j: %s', async (time, options, said) => {
    const { member } = await answering(time)
    expect(await run(checks.ntp(options), member)).toBe(said)
  })

  it('takes being asked too often for nothing against the server', async () => {
    const { member } = await answering({ stratum: 0, code: 'RATE' })
    const { signal } = new AbortController()
    const thrown = await checks
      .ntp()(member, { signal })
      .catch((error: unknown) => error)
    expect(classify(thrown)).toBe('unknown')
    const other = await answering({ stratum: 0, code: 'RSTR' })
    const failed = await checks
      .ntp()(other.member, { signal })
      .catch((error: unknown) => error)
    expect(classify(failed)).toBe('failure')
  })

  it.each([
    [{ origin: Buffer.alloc(8) }, 'not to our request'],
    [{ mode: 3 }, 'mode 3'],
    [{ mode: 5 }, 'mode 5'],
    [Buffer.alloc(47, 0x24), 'only 47 bytes'],
    [Buffer.alloc(0), 'only 0 bytes'],
  ] as [Time | Buffer, string][])('ignores what is not its reply: %j', async (other, why) => {
    const lying = await answering(other)
    expect(await outOfTime(checks.ntp(), lying.member, heard())).toBe(
      `ntp HOST: no answer within 80 ms (1 ignored: ${why})`,
    )
    const both = await answering(other, {})
    expect(await run(checks.ntp(), both.member)).toBe('healthy: stratum 2')
  })

  it('fails when refused, and when nothing comes', async () => {
    const { member } = await serve({})
    expect(await run(checks.ntp(), member)).toBe('ntp HOST: connection refused')
    const silent = await serve({ udp: () => {} })
    const asked = () => silent.datagrams.length === 1
    expect(await outOfTime(checks.ntp(), silent.member, asked)).toBe(
      'ntp HOST: no answer within 80 ms',
    )
  })

  it('leaves nothing open at an abort, whenever it comes', async () => {
    const { member } = await answering({})
    for (const reason of await stopAnywhere(checks.ntp(), member))
      expect(reason).toBe('ntp HOST: stopped')
  })

  it.each([
    [{ maxStratum: 0 }, 'options.maxStratum'],
    [{ maxStratum: 16 }, 'options.maxStratum'],
    [{ maxStratum: '2' }, 'options.maxStratum'],
    [{ stratum: 2 }, 'options.stratum'],
  ])('refuses %j', (options, option) => {
    expect(() => checks.ntp(options as never)).toThrow(
      expect.objectContaining({ code: 'ERR_IPVS_ARGUMENT', option }),
    )
  })
})
