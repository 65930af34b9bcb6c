import { afterEach, describe, expect, it } from 'vitest'
import { serviceKey } from '../../../src/identity.js'
import type { MirroredPoolOptions } from '../../../src/pool/api.js'
import { readOptions } from '../../../src/pool/config/options.js'
import { MirroredPool } from '../../../src/pool/index.js'
import { needs } from '../../../src/pool/needs.js'
import { settingsWarnings } from '../../../src/pool/warnings.js'
import type { Sysctls } from '../../../src/system/sysctls.js'
import { closeAll, ground } from './kinds/ground.js'

const dns: MirroredPoolOptions = {
  address: '192.0.2.1',
  port: 53,
  scheduler: 'wrr',
  forwarding: 'direct',
  servers: ['10.1.0.1', '10.1.0.2'],
}
const { address: _, port: __, ...frontless } = dns as Extract<MirroredPoolOptions, { port: number }>
const fronts = [{ address: '192.0.2.1', port: 53 }]

afterEach(closeAll)

/** What opening says about options it refuses. Nothing may have been sent. */
async function refusal(
  options: unknown,
): Promise<{ option: string; message: string; name: string }> {
  const world = await ground()
  const [reads, tries] = [world.reads(), world.tries()]
  try {
    const pool = await MirroredPool.open(world.ipvs, options as MirroredPoolOptions)
    await pool.close()
  } catch (error) {
    expect(error).toMatchObject({ code: 'ERR_IPVS_ARGUMENT' })
    expect(reads.count + tries.count).toBe(0)
    return error as { option: string; message: string; name: string }
  }
  throw new Error('not refused')
}

describe('refused options', () => {
  it.each<[string, unknown, string, RegExp]>([
    ['nothing at all', undefined, 'options', /must be an object/],
    ['an unknown option', { ...dns, quorums: 2 }, 'options.quorums', /no such option.*quorum/],
    ['no address', { ...dns, address: undefined }, 'options.address', /an IPv4 or IPv6 address/],
    ['no port', { ...dns, port: undefined }, 'options.port', /from 0 to 65535/],
    ['port 0 without persistence', { ...dns, port: 0 }, 'options.port', /needs persistence/],
    ['no protocols', { ...dns, protocols: [] }, 'options.protocols', /at least one/],
    ['a bad protocol', { ...dns, protocols: ['udp', 'icmp'] }, 'options.protocols[1]', /one of/],
    [
      'a protocol twice',
      { ...dns, protocols: ['udp', 'udp'] },
      'options.fronts',
      /udp 192.0.2.1:53 is there twice/,
    ],
    ['a family', { ...dns, family: 'ipv4' }, 'options.family', /no such option/],
    ['fronts and address', { ...dns, fronts }, 'options.address', /belongs in options.fronts/],
    [
      'fronts and protocols',
      { ...frontless, protocols: ['udp'], fronts },
      'options.protocols',
      /belongs in/,
    ],
    ['empty fronts', { ...frontless, fronts: [] }, 'options.fronts', /at least one/],
    ['fronts no array', { ...frontless, fronts: fronts[0] }, 'options.fronts', /an array/],
    ['a bad front', { ...frontless, fronts: [...fronts, null] }, 'options.fronts[1]', /an object/],
    [
      'a front twice',
      { ...frontless, fronts: [...fronts, { address: '192.0.2.1', port: 53, protocols: ['udp'] }] },
      'options.fronts',
      /udp 192.0.2.1:53/,
    ],
    [
      'a mark and a port',
      { ...frontless, fronts: [{ fwmark: 1, port: 53 }] },
      'options.fronts[0].port',
      /either a fwmark/,
    ],
    ['mark 0', { ...frontless, fronts: [{ fwmark: 0 }] }, 'options.fronts[0].fwmark', /from 1/],
    ['a bad scheduler', { ...dns, scheduler: 'none' }, 'options.scheduler', /refuses every/],
    ['a bad flag', { ...dns, schedulerFlags: ['sh-fallback'] }, 'options.schedulerFlags[0]', /wrr/],
    ['no forwarding', { ...dns, forwarding: undefined }, 'options.forwarding', /one of/],
    [
      'bad persistence',
      { ...dns, persistence: { timeoutSeconds: 0 } },
      'options.persistence.timeoutSeconds',
      /from 1/,
    ],
    ['servers left out', { ...dns, servers: undefined }, 'options.servers', /an array/],
    [
      'a server that is no address',
      { ...dns, servers: ['ns1.example'] },
      'options.servers[0]',
      /not a host name/,
    ],
    [
      'a server twice',
      { ...dns, servers: ['10.1.0.1', { address: '10.1.0.1' }] },
      'options.servers[1]',
      /10\.1\.0\.1:53 is/,
    ],
    [
      'a server twice, with its port',
      { ...dns, servers: ['10.1.0.1', '10.1.0.1:53'] },
      'options.servers[1]',
      /10\.1\.0\.1:53 is/,
    ],
    [
      'a port too high',
      { ...dns, servers: ['10.1.0.1:70000'] },
      'options.servers[0]',
      /port from 1 to 65535/,
    ],
    [
      'another port than the front with direct',
      { ...dns, servers: ['10.1.0.1:5353'] },
      'options.servers[0].port',
      /does not rewrite/,
    ],
    [
      'another port than the front with tunnel',
      { ...dns, forwarding: 'tunnel', servers: ['10.1.0.1:5353'] },
      'options.servers[0].port',
      /does not rewrite/,
    ],
    [
      'a port that fits one of two fronts',
      {
        ...frontless,
        fronts: [...fronts, { address: '192.0.2.1', port: 853 }],
        servers: ['10.1.0.1:53'],
      },
      'options.servers[0].port',
      /853/,
    ],
    [
      'servers that meet in one front',
      {
        ...frontless,
        forwarding: 'masquerade',
        fronts: [...fronts, { address: '192.0.2.1', port: 853 }],
        servers: ['10.1.0.1', '10.1.0.1:853'],
      },
      'options.servers[1]',
      /10\.1\.0\.1:53 is/,
    ],
    [
      'an IPv6 server of an IPv4 front',
      { ...dns, servers: ['2001:db8::5'] },
      'options.servers[0].address',
      /only forwarding "tunnel" crosses/,
    ],
    [
      'a bad weight',
      { ...dns, servers: [{ address: '10.1.0.1', weight: -1 }] },
      'options.servers[0].weight',
      /from 0/,
    ],
    [
      'a server with an unknown option',
      { ...dns, servers: [{ address: '10.1.0.1', wieght: 1 }] },
      'options.servers[0].wieght',
      /weight/,
    ],
    ['a null server', { ...dns, servers: [null] }, 'options.servers[0]', /an object/],
    [
      'one-packet with masquerade',
      { ...dns, forwarding: 'masquerade', onePacket: true },
      'options.onePacket',
      /replies/,
    ],
    [
      'one-packet without UDP',
      { ...dns, protocols: ['tcp'], onePacket: true },
      'options.onePacket',
      /no front carries UDP/,
    ],
    ['one-packet no boolean', { ...dns, onePacket: 1 }, 'options.onePacket', /true or false/],
    [
      'a tunnel without tunnel',
      { ...dns, tunnel: { type: 'ipip' } },
      'options.servers[0].tunnel',
      /unless forwarding is "tunnel"/,
    ],
    ['a bad initial', { ...dns, initial: 'adopted' }, 'options.initial', /did you mean "adopt"/],
    ['a bad onDown', { ...dns, onDown: 'delete' }, 'options.onDown', /"remove", "quiesce"/],
    [
      'a bad onDown of one protocol',
      { ...dns, onDown: { udp: 1 } },
      'options.onDown.udp',
      /"remove"/,
    ],
    [
      'onDown of a mark',
      { ...dns, onDown: { fwmark: 'remove' } },
      'options.onDown.fwmark',
      /no such option/,
    ],
    ['an empty name', { ...dns, name: '' }, 'options.name', /some name/],
  ])('%s', async (_, options, option, message) => {
    const error = await refusal(options)
    expect(error.option).toBe(option)
    expect(error.message).toMatch(message)
  })

  it('says what nothing good can come of with a RangeError', async () => {
    expect((await refusal({ ...dns, forwarding: 'masquerade', onePacket: true })).name).toBe(
      'RangeError',
    )
    expect((await refusal({ ...dns, servers: ['10.1.0.1:5353'] })).name).toBe('RangeError')
  })
})

describe('what options mean', () => {
  it('makes TCP and UDP of an address', () => {
    const { fronts, name, port } = readOptions(dns)
    expect(fronts.map(({ id }) => serviceKey(id))).toEqual(['tcp 192.0.2.1:53', 'udp 192.0.2.1:53'])
    expect(name).toBe('tcp 192.0.2.1:53, udp 192.0.2.1:53')
    expect(port).toBe(53)
  })

  it('keeps no object of the caller', () => {
    const persistence = { timeoutSeconds: 300 }
    const { fronts } = readOptions({ ...dns, persistence })
    persistence.timeoutSeconds = 1
    expect(fronts[0]!.service.persistence).toEqual({ timeoutSeconds: 300 })
  })

  it('reads several fronts, marks too', () => {
    const { fronts, port } = readOptions({
      ...frontless,
      fronts: [
        { fwmark: 7 },
        { address: '192.0.2.1', port: 853, protocols: ['tcp'] },
        { fwmark: 7, family: 'ipv6' },
      ],
      forwarding: 'tunnel',
    })
    expect(fronts.map(({ key }) => key)).toEqual([
      'fwmark 7 ipv4',
      'tcp 192.0.2.1:853',
      'fwmark 7 ipv6',
    ])
    expect(port).toBe(853)
  })

  it.each<[string, Partial<MirroredPoolOptions>, boolean[]]>([
    ['DNS, direct, wrr', {}, [false, true]],
    ['tunnel', { forwarding: 'tunnel' }, [false, true]],
    ['rr', { scheduler: 'rr' }, [false, true]],
    ['sh', { scheduler: 'sh' }, [false, true]],
    ['mh', { scheduler: 'mh' }, [false, true]],
    ['masquerade', { forwarding: 'masquerade' }, [false, false]],
    ['local', { forwarding: 'local' }, [false, false]],
    ['wlc', { scheduler: 'wlc' }, [false, false]],
    ['persistence', { persistence: { timeoutSeconds: 60 } }, [false, false]],
    ['another port', { port: 123 } as Partial<MirroredPoolOptions>, [false, false]],
    ['told not to', { onePacket: false }, [false, false]],
    ['told to', { port: 123, onePacket: true } as Partial<MirroredPoolOptions>, [false, true]],
  ])('one-packet scheduling: %s', (_, options, expected) => {
    const { fronts } = readOptions({ ...dns, ...options } as MirroredPoolOptions)
    expect(fronts.map(({ service }) => service.onePacket === true)).toEqual(expected)
  })

  it('does not presume it for a mark', () => {
    const marked = { ...frontless, fronts: [{ fwmark: 53 }] }
    expect(readOptions(marked).fronts[0]!.service.onePacket).toBeUndefined()
    expect(readOptions({ ...marked, onePacket: true }).fronts[0]!.service.onePacket).toBe(true)
  })

  it.each<[Partial<MirroredPoolOptions>, string[] | undefined]>([
    [{ scheduler: 'sh' }, ['sh-fallback']],
    [{ scheduler: 'mh' }, ['mh-fallback']],
    [{ scheduler: 'mh', schedulerFlags: ['mh-port'] }, ['mh-port']],
    [{ scheduler: 'mh', schedulerFlags: [] }, []],
    [{}, undefined],
  ])('fallback flags: %j', (options, flags) => {
    const { fronts } = readOptions({ ...dns, ...options } as MirroredPoolOptions)
    expect(fronts[0]!.service.schedulerFlags).toEqual(flags)
  })

  it.each<[MirroredPoolOptions['onDown'], string[]]>([
    [undefined, ['remove', 'remove', 'remove', 'remove']],
    ['quiesce', ['quiesce', 'quiesce', 'quiesce', 'quiesce']],
    [{ tcp: 'quiesce' }, ['quiesce', 'remove', 'remove', 'remove']],
    [{ tcp: 'quiesce', udp: 'quiesce' }, ['quiesce', 'quiesce', 'remove', 'quiesce']],
  ])('onDown %j', (onDown, expected) => {
    const { fronts } = readOptions({
      ...frontless,
      fronts: [
        { address: '192.0.2.1', port: 53, protocols: ['tcp', 'udp', 'sctp'] },
        { fwmark: 1 },
      ],
      ...(onDown === undefined ? {} : { onDown }),
    })
    expect(fronts.map((front) => front.onDown)).toEqual(expected)
  })
})

describe('warnings', () => {
  const codes = (options: Partial<MirroredPoolOptions>, sysctls: Sysctls, draining = false) =>
    settingsWarnings(
      readOptions({ ...dns, ...options } as MirroredPoolOptions),
      sysctls,
      draining,
    ).map(({ code }) => code)
  const good = { expire_nodest_conn: 1, expire_quiescent_template: 1 }
  const bad = { expire_nodest_conn: 0, expire_quiescent_template: 0 }
  const persistence = { timeoutSeconds: 60 }

  it.each<[string, Partial<MirroredPoolOptions>, Sysctls, boolean, string[]]>([
    ['good defaults', {}, bad, false, []],
    ['UDP entries', { onePacket: false }, bad, false, ['udp-black-hole']],
    ['UDP entries that expire', { onePacket: false }, good, false, []],
    ['sysctls that cannot be read', { onePacket: false }, {}, false, []],
    ['no UDP', { protocols: ['tcp'] } as Partial<MirroredPoolOptions>, bad, false, []],
    ['quiesce, one-packet', { onDown: 'quiesce' }, good, false, []],
    ['quiesce for UDP', { onDown: 'quiesce', onePacket: false }, good, false, ['udp-quiesce']],
    ['quiesce for TCP', { onDown: { tcp: 'quiesce' }, onePacket: false }, good, false, []],
    [
      'one-packet with lc',
      { scheduler: 'wlc', onePacket: true },
      good,
      false,
      ['one-packet-scheduler'],
    ],
    [
      'quiesce with persistence',
      { persistence, onDown: { tcp: 'quiesce' } },
      { ...good, expire_quiescent_template: 0 },
      false,
      ['persistent-quiesce'],
    ],
    ['persistence alone', { persistence }, { ...good, expire_quiescent_template: 0 }, false, []],
    [
      'persistence and a drain',
      { persistence },
      { ...good, expire_quiescent_template: 0 },
      true,
      ['persistent-quiesce'],
    ],
    [
      'sh without fallback',
      { scheduler: 'sh', schedulerFlags: ['sh-port'] },
      good,
      false,
      ['hash-refuses'],
    ],
    ['sh', { scheduler: 'sh' }, good, false, []],
    ['conntrack', {}, { ...good, conntrack: 1 }, false, []],
    [
      'conntrack and masquerading',
      { forwarding: 'masquerade' },
      { ...good, conntrack: 1 },
      false,
      ['udp-conntrack'],
    ],
  ])('%s', (_, options, sysctls, draining, expected) => {
    expect(codes(options, sysctls, draining)).toEqual(expected)
  })

  it.each<[Partial<MirroredPoolOptions>, Sysctls, RegExp[]]>([
    [
      { forwarding: 'masquerade' },
      good,
      [/^masquerade: .*ip_forward=1/, /expire_nodest_conn=1.*it is 1$/],
    ],
    [
      { forwarding: 'tunnel', tunnel: { type: 'gue', port: 6080 }, onePacket: false },
      {},
      [/^tunnel: every server decapsulates gue/, /it is not readable here$/],
    ],
    [
      { protocols: ['tcp'], persistence } as Partial<MirroredPoolOptions>,
      bad,
      [/^direct/, /^persistence: .*it is 0$/],
    ],
  ])('needs of %j', (options, sysctls, expected) => {
    const said = needs(readOptions({ ...dns, ...options } as MirroredPoolOptions), sysctls)
    expect(said).toEqual(expected.map((text) => expect.stringMatching(text)))
  })

  it('name the services and the command', () => {
    const [warning] = settingsWarnings(readOptions({ ...dns, onePacket: false }), bad, false)
    expect(warning!.message).toMatch(
      /^udp 192\.0\.2\.1:53: .*sysctl -w net\.ipv4\.vs\.expire_nodest_conn=1/,
    )
  })
})
