// Listings as ipvsadm and the kernel write them (Linux 7.2, ipvsadm 1.31), and as people paste them.
import { describe, expect, it, test } from 'vitest'
import { parseListing, readListing } from '../../../src/rules/index.js'

const LISTING = `IP Virtual Server version 1.2.1 (size=4096)
Prot LocalAddress:Port Scheduler Flags
  -> RemoteAddress:Port           Forward Weight ActiveConn InActConn
TCP  192.0.2.53:53 wrr persistent 300 mask 255.255.255.0
  -> 10.1.0.1:53                  Route   3      12         3
  -> 10.1.0.2:53                  Tunnel  0      0          0
UDP  192.0.2.53:53 sh (sh-fallback,sh-port) ops
  -> 10.1.0.1:5353                Masq    70000  0          0
UDP  192.0.2.60:5060 rr persistent 60 pe sip ops
SCTP 192.0.2.54:99 lblc
TCP  [2001:db8::53]:53 rr persistent 120 mask 64
  -> [2001:db8:1::1]:53           Local   1      0          0
FWM  7 mh (mh-fallback)
  -> 10.1.0.3:0                   Route   1      0          0
FWM  8 IPv6 wlc
`

const KERNEL = `IP Virtual Server version 1.2.1 (size=4096)
Prot LocalAddress:Port Scheduler Flags
  -> RemoteAddress:Port Forward Weight ActiveConn InActConn
FWM  00000008 wlc 
  -> [2001:0db8:0001:0000:0000:0000:0000:0009]:0000      Route   1      0          0         
TCP  [2001:0db8:0000:0000:0000:0000:0000:0053]:0035 rr persistent 12000 40000000
  -> [2001:0db8:0001:0000:0000:0000:0000:0001]:0035      Route   1      0          0         
TCP  C0000235:0035 wrr  persistent 30000 FFFFFF00
  -> 0A010002:0035      Tunnel  0      0          0         
  -> 0A010001:0035      Bypass  3      2          1         
UDP  C0000235:0035 sh ops  
FWM  00000009 wlc 
FWM  00000009 rr 
`

const COUNTERS = `IP Virtual Server version 1.2.1 (size=4096)
Prot LocalAddress:Port               Conns   InPkts  OutPkts  InBytes OutBytes
  -> RemoteAddress:Port
TCP  192.0.2.53:53                 12345K 99999999        0    1234M      17G
  -> 10.1.0.1:53                         1        2        3        4        5
FWM  8 IPv6                              0        0        0        0        0
`

const RATES = COUNTERS.replace(
  'Conns   InPkts  OutPkts  InBytes OutBytes',
  'CPS    InPPS   OutPPS    InBPS   OutBPS',
)

const address = '192.0.2.53'

describe('a listing of ipvsadm -Ln', () => {
  const { services, ...about } = parseListing(LISTING)

  it('has every service with its settings, in the order of the text', () => {
    expect(about).toMatchObject({ writer: 'ipvsadm', shows: 'connections' })
    expect(about.lacks).toContain('thresholds')
    expect(services.map(({ destinations, ...service }) => service)).toStrictEqual([
      {
        ...{ protocol: 'tcp', address, port: 53, scheduler: 'wrr', onePacket: false },
        persistence: { timeoutSeconds: 300, netmask: '255.255.255.0' },
      },
      {
        ...{ protocol: 'udp', address, port: 53, scheduler: 'sh', onePacket: true },
        schedulerFlags: ['sh-fallback', 'sh-port'],
      },
      {
        ...{ protocol: 'udp', address: '192.0.2.60', port: 5060, scheduler: 'rr', onePacket: true },
        persistence: { timeoutSeconds: 60, netmask: '255.255.255.255' },
        persistenceEngine: 'sip',
      },
      { protocol: 'sctp', address: '192.0.2.54', port: 99, scheduler: 'lblc', onePacket: false },
      {
        ...{
          protocol: 'tcp',
          address: '2001:db8::53',
          port: 53,
          scheduler: 'rr',
          onePacket: false,
        },
        persistence: { timeoutSeconds: 120, netmask: 64 },
      },
      {
        ...{ fwmark: 7, family: 'ipv4', scheduler: 'mh', onePacket: false },
        schedulerFlags: ['mh-fallback'],
      },
      { fwmark: 8, family: 'ipv6', scheduler: 'wlc', onePacket: false },
    ])
  })

  it('has every server with its columns', () => {
    expect(services[0]!.destinations).toStrictEqual([
      {
        ...{ address: '10.1.0.1', port: 53, forwarding: 'direct', weight: 3 },
        ...{ activeConnections: 12, inactiveConnections: 3 },
      },
      {
        ...{ address: '10.1.0.2', port: 53, forwarding: 'tunnel', weight: 0 },
        ...{ activeConnections: 0, inactiveConnections: 0 },
      },
    ])
    expect(services[1]!.destinations).toMatchObject([{ port: 5353, weight: 70_000 }])
    expect(services[4]!.destinations).toMatchObject([
      { address: '2001:db8:1::1', forwarding: 'local' },
    ])
  })

  test.each([
    [
      'with --thresholds',
      'Uthreshold Lthreshold ActiveConn InActConn ',
      '100        50         7          8',
      { upperThreshold: 100, lowerThreshold: 50, activeConnections: 7, inactiveConnections: 8 },
    ],
    [
      'with --persistent-conn',
      'Weight    PersistConn ActiveConn InActConn ',
      '3         4           7          8',
      { weight: 3, persistentConnections: 4, activeConnections: 7, inactiveConnections: 8 },
    ],
  ])('%s', (_, columns, row, wanted) => {
    const text = `Prot LocalAddress:Port            ${columns}\n  -> RemoteAddress:Port\nTCP  192.0.2.53:53 wrr\n  -> 10.1.0.1:53                  ${row}\n`
    expect(parseListing(text).services).toStrictEqual([
      {
        ...{ protocol: 'tcp', address, port: 53, scheduler: 'wrr', onePacket: false },
        destinations: [{ address: '10.1.0.1', port: 53, ...wanted }],
      },
    ])
  })

  it('with --stats has counters, large ones as rounded as they are printed', () => {
    const { shows, services, lacks } = parseListing(COUNTERS)
    expect(shows).toBe('counters')
    expect(lacks).toContain('schedulers')
    expect(services[0]).toStrictEqual({
      ...{ protocol: 'tcp', address, port: 53 },
      stats: {
        ...{ connections: 12_345_000n, inPackets: 99_999_999n, outPackets: 0n },
        ...{ inBytes: 1_234_000_000n, outBytes: 17_000_000_000n },
      },
      destinations: [
        {
          ...{ address: '10.1.0.1', port: 53 },
          stats: { connections: 1n, inPackets: 2n, outPackets: 3n, inBytes: 4n, outBytes: 5n },
        },
      ],
    })
    expect(services[1]).toMatchObject({ fwmark: 8, family: 'ipv6' })
  })

  it('with --rate has rates', () => {
    const { shows, services } = parseListing(RATES)
    expect(shows).toBe('rates')
    expect(services[0]!.destinations[0]!.stats).toStrictEqual({
      ...{ connectionRate: 1, inPacketRate: 2, outPacketRate: 3 },
      ...{ inByteRate: 4, outByteRate: 5 },
    })
  })

  it('may be empty, and may come with the prompt that it was copied with', () => {
    const empty = LISTING.split('\n').slice(0, 3).join('\r\n')
    expect(parseListing(`root@lb1:~# ipvsadm -Ln\r\n${empty}\r\n\r\n`).services).toEqual([])
  })

  it.each([LISTING, KERNEL, COUNTERS, RATES])('is the same with CR LF', (text) => {
    expect(parseListing(text.replaceAll('\n', '\r\n'))).toStrictEqual(parseListing(text))
  })

  it('shares no counters between servers that have the same', () => {
    const twice = COUNTERS.replace(/( {2}-> )10\.1\.0\.1(.*\n)/, '$&$110.1.0.2$2')
    const [one, two] = parseListing(twice).services[0]!.destinations
    expect(one!.stats).toEqual(two!.stats)
    expect(one!.stats).not.toBe(two!.stats)
  })
})

describe('readListing', () => {
  it('gives services one by one, up to a line that is wrong', () => {
    const { services, ...about } = readListing(LISTING.replace('lblc', 'lblc often'))
    const { services: whole, ...rest } = parseListing(LISTING)
    expect(about).toStrictEqual(rest)
    const read: unknown[] = []
    expect(() => {
      for (const service of services) read.push(service)
    }).toThrow(/^line 10: .*"often"/)
    // The service above that line might still have had servers.
    expect(read).toStrictEqual(whole.slice(0, 2))
  })

  it('reads no further than it is asked to, and once', () => {
    const { services } = readListing(LISTING.replace('FWM  8', 'nobody knows'))
    for (const service of services) {
      expect(service.port).toBe(53)
      break
    }
    expect([...services]).toEqual([])
    expect(() => readListing('TCP 192.0.2.1:53 rr')).toThrow(/^text must be a listing/)
  })
})

describe('the listing of the kernel', () => {
  const { services, ...about } = parseListing(KERNEL)

  it('has addresses in hexadecimal, the mask of IPv6 turned around, and no seconds', () => {
    expect(about).toMatchObject({ writer: 'kernel', shows: 'connections' })
    expect(about.lacks).toContain('scheduler flags')
    expect(services[1]).toStrictEqual({
      ...{ protocol: 'tcp', address: '2001:db8::53', port: 53, scheduler: 'rr' },
      persistence: { netmask: 64 },
      destinations: [
        {
          ...{ address: '2001:db8:1::1', port: 53, forwarding: 'direct', weight: 1 },
          ...{ activeConnections: 0, inactiveConnections: 0 },
        },
      ],
    })
    expect(services[2]).toMatchObject({
      ...{ address, port: 53, scheduler: 'wrr', onePacket: false },
      persistence: { netmask: '255.255.255.0' },
      destinations: [
        { address: '10.1.0.2', forwarding: 'tunnel' },
        {
          address: '10.1.0.1',
          forwarding: 'method-4',
          activeConnections: 2,
          inactiveConnections: 1,
        },
      ],
    })
    expect(services[3]).toMatchObject({ protocol: 'udp', scheduler: 'sh', onePacket: true })
  })

  it('has the family of a mark only where a server tells', () => {
    expect(services[0]).toMatchObject({ fwmark: 8, family: 'ipv6' })
    const same = services.slice(4)
    expect(same.map(({ scheduler }) => scheduler)).toEqual(['wlc', 'rr'])
    for (const service of same) expect(service).not.toHaveProperty('family')
  })

  it('has seconds where its ticks are known', () => {
    const { persistence } = parseListing(KERNEL, { hz: 100 }).services[2]!
    expect(persistence).toEqual({ timeoutSeconds: 300, netmask: '255.255.255.0' })
    expect(about.lacks).toContain('how long persistence lasts')
    expect(parseListing(KERNEL, { hz: 100 }).lacks).not.toContain('how long persistence lasts')
  })
})

describe('what is no listing is refused with its line', () => {
  const changed = (from: string | RegExp, to: string) => () => {
    const text = LISTING.replace(from, to)
    expect(text).not.toBe(LISTING)
    parseListing(text)
  }

  test.each([
    [
      'another dialect',
      'SCTP 192.0.2.54',
      'DCCP 192.0.2.54',
      /^line 10: a line of a listing must be a service .*DCCP/,
    ],
    ['names for ports', '10.1.0.1:53 ', '10.1.0.1:domain ', /^line 5: .*in numbers/],
    ['a column too many', 'Route   3 ', 'Route   3  4 ', /^line 5: a line must be with 4 columns/],
    [
      'a weight that is none',
      'Route   3 ',
      'Route   x ',
      /^line 5: column weight must be a number/,
    ],
    [
      'a method nobody knows',
      'Route   3 ',
      'Rout    3 ',
      /^line 5: a forwarding method must be one of Masq/,
    ],
    ['a word behind a service', 'lblc', 'lblc often', /^line 10: .*"often"/],
    ['a mask that is none', 'mask 255.255.255.0', 'mask much', /^line 4: -M must be a dotted mask/],
    [
      'a flag nobody has',
      '(sh-fallback,sh-port)',
      '(sh-nothing)',
      /^line 7: -b must be a flag of scheduler/,
    ],
    [
      'a setting twice',
      'pe sip ops',
      'ops ops',
      /^line 9: a service must be listed with each setting once/,
    ],
    ['a rounded weight', 'Route   3 ', 'Route   3K', /^line 5: column weight must be a number/],
    ['a port that is none', '192.0.2.54:99', '192.0.2.54:99999', /^line 10: .*port/],
    ['a service twice', '192.0.2.60:5060', '192.0.2.53:53', /^line 9: service must be listed once/],
    ['a server twice', '10.1.0.2:53 ', '10.1.0.1:53 ', /^line 6: server must be listed once/],
    ['a server twice, spelt otherwise', '10.1.0.2:53 ', '10.1.0.1:053 ', /^line 6: server must be/],
    [
      'a server without an address',
      /-> 10\.1\.0\.2.*/,
      '-> ',
      /^line 6: a server must be an address/,
    ],
    [
      'a service twice, spelt otherwise',
      'SCTP 192.0.2.54:99 lblc',
      'TCP  [2001:DB8:0::53]:053 lblc',
      /^line 11: service must be listed once; received "tcp \[2001:db8::53\]:53"/,
    ],
    [
      'a server of nobody',
      /^TCP {2}192.*\n/m,
      '',
      /^line 4: the service of a server must be listed/,
    ],
    ['a prompt behind it', 'FWM  8', 'root@lb1:~#', /^line 15: /],
  ])('%s', (_, from, to, message) => {
    expect(changed(from, to)).toThrow(message)
    expect(changed(from, to)).toThrow(expect.objectContaining({ code: 'ERR_IPVS_ARGUMENT' }))
  })

  test.each([
    [
      'no heading',
      () => parseListing('TCP 192.0.2.1:53 rr'),
      /^text must be a listing with its heading/,
    ],
    ['no text', () => parseListing(7 as never), /^text must be what "ipvsadm -Ln" prints/],
    [
      'no ticks',
      () => parseListing(KERNEL, { hz: 0 }),
      /^options\.hz must be an integer from 1 to 10000/,
    ],
    [
      'IPv4 of ipvsadm under the heading of the kernel',
      () => parseListing(KERNEL.replace('C0000235:0035 wrr', '192.0.2.53:53 wrr')),
      /^line 8: .*hexadecimal/,
    ],
  ])('%s', (_, parse, message) => {
    expect(parse).toThrow(message)
  })
})
