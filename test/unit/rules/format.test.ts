import { describe, expect, test } from 'vitest'
import { formatRules, parseRules } from '../../../src/rules/index.js'
import type { Destination, Service, ServiceTree, Snapshot } from '../../../src/types.js'

const tcp: Service = { protocol: 'tcp', address: '192.0.2.1', port: 80, scheduler: 'rr' }
const udp: Service = { protocol: 'udp', address: '192.0.2.1', port: 53, scheduler: 'rr' }
const udp6: Service = { ...udp, address: '2001:db8::1' }
const direct: Destination = { address: '10.1.0.1', port: 80, forwarding: 'direct' }

function tree(service: Service, ...destinations: Destination[]): ServiceTree {
  return { ...service, destinations }
}

describe('services', () => {
  const persistence = { timeoutSeconds: 300 }
  test.each<[string, Service]>([
    ['-A -t 192.0.2.1:80 -s rr', tcp],
    ['-A -u 192.0.2.1:53 -s rr', udp],
    ['-A --sctp-service 192.0.2.1:80 -s rr', { ...tcp, protocol: 'sctp' }],
    ['-A -u [2001:db8::1]:53 -s rr', { ...udp6, address: '2001:0DB8:0::1' }],
    ['-A -f 7 -s rr', { fwmark: 7, scheduler: 'rr' }],
    ['-A -f 4294967295 -6 -s rr', { fwmark: 4294967295, family: 'ipv6', scheduler: 'rr' }],
    ['-A -t 192.0.2.1:80 -s rr -p 300', { ...tcp, persistence }],
    ['-A -t 192.0.2.1:0 -s rr -p 300', { ...tcp, port: 0, persistence }],
    [
      '-A -t 192.0.2.1:80 -s rr -p 300',
      { ...tcp, persistence: { ...persistence, netmask: '255.255.255.255' } },
    ],
    [
      '-A -t 192.0.2.1:80 -s rr -p 300 -M 255.255.0.0',
      { ...tcp, persistence: { ...persistence, netmask: '255.255.0.0' } },
    ],
    [
      '-A -u [2001:db8::1]:53 -s rr -p 300',
      { ...udp6, persistence: { ...persistence, netmask: 128 } },
    ],
    [
      '-A -u [2001:db8::1]:53 -s rr -p 300 -M 64',
      { ...udp6, persistence: { ...persistence, netmask: 64 } },
    ],
    [
      '-A -u 192.0.2.1:53 -s sh -p 300 -M 255.255.255.0 --pe sip -o -b sh-fallback,sh-port',
      {
        ...udp,
        scheduler: 'sh',
        onePacket: true,
        persistence: { ...persistence, netmask: '255.255.255.0' },
        persistenceEngine: 'sip',
        schedulerFlags: ['sh-port', 'sh-fallback'],
      },
    ],
    [
      '-A -t 192.0.2.1:80 -s mh -b mh-port',
      { ...tcp, scheduler: 'mh', schedulerFlags: ['mh-port'] },
    ],
    [
      '-A -t 192.0.2.1:80 -s rr -b flag-1,flag-2,flag-3',
      { ...tcp, schedulerFlags: ['flag-3', 'flag-2', 'flag-1'] },
    ],
  ])('%s', (line, service) => {
    expect(formatRules([tree(service)])).toBe(`${line}\n`)
  })

  test.each([
    ['::1', '::1'],
    ['::ffff', '::ffff'],
    ['::1:2', '::0.1.0.2'],
    ['::c000:201', '::192.0.2.1'],
    ['1:0:0:2:0:0:0:3', '1:0:0:2::3'],
  ])('%s is written as inet_ntop does: %s', (address, written) => {
    expect(formatRules([tree({ ...udp, address })])).toBe(`-A -u [${written}]:53 -s rr\n`)
  })
})

describe('destinations', () => {
  const masquerade: Destination = { address: '10.1.0.2', port: 8080, forwarding: 'masquerade' }
  const tunnel: Destination = { address: '10.1.0.3', port: 80, forwarding: 'tunnel' }
  test.each<[string, Destination]>([
    ['-r 10.1.0.1:80 -g -w 1', direct],
    ['-r 10.1.0.2:8080 -m -w 0', { ...masquerade, weight: 0 }],
    ['-r 10.1.0.3:80 -i -w 2147483647 --tun-type ipip', { ...tunnel, weight: 2147483647 }],
    ['-r [2001:db8::3]:80 -i -w 1 --tun-type ipip', { ...tunnel, address: '2001:db8::3' }],
    [
      '-r 10.1.0.3:80 -i -w 1 --tun-type gue --tun-port 6080 --tun-nocsum',
      { ...tunnel, tunnel: { type: 'gue', port: 6080 } },
    ],
    [
      '-r 10.1.0.3:80 -i -w 1 --tun-type gue --tun-port 6080 --tun-csum',
      { ...tunnel, tunnel: { type: 'gue', port: 6080, checksum: 'standard' } },
    ],
    [
      '-r 10.1.0.3:80 -i -w 1 --tun-type gue --tun-port 6080 --tun-remcsum -x 9 -y 3',
      {
        ...tunnel,
        tunnel: { type: 'gue', port: 6080, checksum: 'remote' },
        upperThreshold: 9,
        lowerThreshold: 3,
      },
    ],
    ['-r 10.1.0.3:80 -i -w 1 --tun-type gre --tun-nocsum', { ...tunnel, tunnel: { type: 'gre' } }],
    [
      '-r 10.1.0.3:80 -i -w 1 --tun-type gre --tun-csum',
      { ...tunnel, tunnel: { type: 'gre', checksum: 'standard' } },
    ],
    ['-r 10.1.0.1:80 -g -w 1 -x 100', { ...direct, upperThreshold: 100 }],
    ['-r 10.1.0.1:80 -g -w 1 -x 100 -y 50', { ...direct, upperThreshold: 100, lowerThreshold: 50 }],
  ])('%s', (words, destination) => {
    const [, line] = formatRules([tree(tcp, destination)]).split('\n')
    expect(line).toBe(`-a -t 192.0.2.1:80 ${words}`)
  })

  test('follow their service, in the order given', () => {
    const fwmark: Service = { fwmark: 3, family: 'ipv6', scheduler: 'wlc' }
    const text = formatRules([
      tree(fwmark, { address: '2001:db8::5', port: 0, forwarding: 'direct' }),
      tree(tcp, { ...masquerade, weight: 5 }, direct),
    ])
    expect(text).toBe(`-A -f 3 -6 -s wlc
-a -f 3 -6 -r [2001:db8::5]:0 -g -w 1
-A -t 192.0.2.1:80 -s rr
-a -t 192.0.2.1:80 -r 10.1.0.2:8080 -m -w 5
-a -t 192.0.2.1:80 -r 10.1.0.1:80 -g -w 1
`)
  })
})

test('nothing gives nothing, a generator and a snapshot are read as an array is', () => {
  expect(formatRules([])).toBe('')
  const trees = [tree(tcp, direct), tree(udp)]
  const text = formatRules(trees)
  const snapshot = { services: trees, verified: true, attempts: 1 } as unknown as Snapshot
  expect(formatRules(snapshot)).toBe(text)
  expect(formatRules(new Set(trees))).toBe(text)
})

describe('refuses', () => {
  test.each<[string, unknown, string, RegExp]>([
    ['no list', 7, 'services', /must be a snapshot, or an iterable/],
    ['null', null, 'services', /must be a snapshot/],
    ['an object without services', { services: 1 }, 'services', /must be a snapshot/],
    ['a service that is none', ['x'], 'services[0]', /must be an object/],
    [
      'a bad service',
      [tree(tcp), { ...tcp, port: -1, destinations: [] }],
      'services[1].port',
      /0 to 65535/,
    ],
    ['a service without destinations', [tcp], 'services[0].destinations', /an array/],
    [
      'a bad destination',
      [tree(tcp, { ...direct, weight: -1 })],
      'services[0].destinations[0].weight',
      /0 to 2147483647/,
    ],
    [
      'a service twice',
      [tree(udp), tree(tcp), tree(udp)],
      'services[2]',
      /listed once in services/,
    ],
    [
      'a destination twice',
      [tree(tcp, direct, { ...direct, weight: 7 })],
      'services[0].destinations[1]',
      /listed once in services\[0\]\.destinations; received "10\.1\.0\.1:80"/,
    ],
  ])('%s', (_, services, option, message) => {
    expect(() => formatRules(services as ServiceTree[])).toThrow(
      expect.objectContaining({
        code: 'ERR_IPVS_ARGUMENT',
        option,
        message: expect.stringMatching(message),
      }),
    )
  })
})

describe('what others have put into the kernel is written, and all the rest with it', () => {
  const seen = (destination: object) => ({
    weight: 1,
    upperThreshold: 0,
    lowerThreshold: 0,
    ...destination,
  })
  const persistence = { timeoutSeconds: 300, netmask: '255.255.255.255' }
  test.each<[string, string, object]>([
    ['port 0 without persistence', '-A -u 192.0.2.1:0 -s rr', { ...udp, port: 0 }],
    ['the scheduler none', '-A -u 192.0.2.1:53 -s none', { ...udp, scheduler: 'none' }],
    ['one packet at a time on TCP', '-A -t 192.0.2.1:80 -s rr -o', { ...tcp, onePacket: true }],
    ['an unspecified address', '-A -u [::]:53 -s rr', { ...udp, address: '::' }],
    [
      'a mapped address',
      '-A -u [::ffff:10.0.0.1]:53 -s rr',
      { ...udp, address: '::ffff:10.0.0.1' },
    ],
    [
      'persistence for no time, for all clients at once',
      '-A -u 192.0.2.1:53 -s rr -p 0 -M 0.0.0.0',
      { ...udp, persistence: { timeoutSeconds: 0, netmask: '0.0.0.0' } },
    ],
    [
      'the longest persistence',
      '-A -u 192.0.2.1:53 -s rr -p 4294967295',
      { ...udp, persistence: { ...persistence, timeoutSeconds: 4294967295 } },
    ],
    [
      'an engine without persistence',
      '-A -u 192.0.2.1:53 -s rr --pe sip',
      { ...udp, persistenceEngine: 'sip' },
    ],
    [
      'a flag without a name',
      '-A -u 192.0.2.1:53 -s rr -b flag-7',
      { ...udp, schedulerFlags: ['flag-7'] },
    ],
    [
      'a protocol without a name',
      '-A --protocol-47 192.0.2.1:80 -s rr',
      { ...tcp, protocol: '47' },
    ],
  ])('%s', (_, line, service) => {
    const services = [{ ...service, destinations: [] }, tree(udp6)] as unknown as ServiceTree[]
    expect(formatRules(services)).toBe(`${line}\n-A -u [2001:db8::1]:53 -s rr\n`)
  })

  test.each<[string, string, object]>([
    [
      'a port of its own with direct routing',
      '-r 10.1.0.1:8080 -g -w 1',
      { ...direct, port: 8080 },
    ],
    [
      'a port of its own in a tunnel',
      '-r 10.1.0.1:8080 -i -w 1 --tun-type ipip',
      { ...direct, port: 8080, forwarding: 'tunnel' },
    ],
    ['port 0', '-r 10.1.0.1:0 -m -w 1', { ...direct, port: 0, forwarding: 'masquerade' }],
    [
      'another family without a tunnel',
      '-r [2001:db8::9]:80 -g -w 1',
      { ...direct, address: '2001:db8::9' },
    ],
    ['a multicast address', '-r 224.0.0.1:80 -g -w 1', { ...direct, address: '224.0.0.1' }],
    [
      'a mapped address',
      '-r [::ffff:10.0.0.1]:80 -g -w 1',
      { ...direct, address: '::ffff:10.0.0.1' },
    ],
    [
      'a threshold that older kernels took',
      '-r 10.1.0.1:80 -g -w 1 -x 4294967295',
      { ...direct, upperThreshold: 4294967295 },
    ],
    [
      'a lower threshold above the upper',
      '-r 10.1.0.1:80 -g -w 1 -x 3 -y 9',
      { ...direct, upperThreshold: 3, lowerThreshold: 9 },
    ],
    [
      'a checksum that does not belong to its tunnel',
      '-r 10.1.0.1:80 -i -w 1 --tun-type gre --tun-remcsum',
      { ...direct, forwarding: 'tunnel', tunnel: { type: 'gre', checksum: 'remote' } },
    ],
  ])('%s', (_, words, destination) => {
    const services = [
      { ...tcp, destinations: [seen(destination), seen({ ...direct, address: '10.1.0.9' })] },
    ]
    expect(formatRules(services as unknown as ServiceTree[])).toBe(
      `-A -t 192.0.2.1:80 -s rr\n-a -t 192.0.2.1:80 ${words}\n-a -t 192.0.2.1:80 -r 10.1.0.9:80 -g -w 1\n`,
    )
  })

  test.each<[string, string, object]>([
    [
      'a method without a name',
      '-r 10.1.0.1:80 --method 5 -w 1',
      { ...direct, forwarding: 'method-5' },
    ],
    [
      'a tunnel type without a name',
      '-r 10.1.0.1:80 -i -w 1 --tun-type type-3 --tun-port 9 --tun-csum',
      {
        ...direct,
        forwarding: 'tunnel',
        tunnel: { type: 'type-3', port: 9, checksum: 'standard' },
      },
    ],
    [
      'a checksum without a name',
      '-r 10.1.0.1:80 -i -w 1 --tun-type gre --tun-flags 3',
      { ...direct, forwarding: 'tunnel', tunnel: { type: 'gre', checksum: 'checksum-3' } },
    ],
  ])('%s: ipvsadm refuses the line, parseRules reads it', (_, words, destination) => {
    const services = [{ ...tcp, destinations: [seen(destination)] }] as unknown as ServiceTree[]
    const text = formatRules(services)
    expect(text).toBe(`-A -t 192.0.2.1:80 -s rr\n-a -t 192.0.2.1:80 ${words}\n`)
    expect(parseRules(text)).toMatchObject([{ destinations: [destination] }])
    expect(formatRules(parseRules(text))).toBe(text)
  })

  test('two protocols without a name at one address are two services', () => {
    const trees = ['47', '50'].map((protocol) => ({ ...tcp, protocol, destinations: [] }))
    expect(formatRules(trees as unknown as ServiceTree[]).split('\n').length).toBe(3)
  })

  test('a local destination is written as ipvsadm-save does, with a word that tells it from a directly routed one', () => {
    const local: Destination = { ...direct, forwarding: 'local' }
    const text = formatRules([tree(tcp, local, { ...local, port: 81, address: '10.1.0.2' })])
    expect(text).toBe(
      '-A -t 192.0.2.1:80 -s rr\n-a -t 192.0.2.1:80 -r 10.1.0.1:80 -g -w 1 --local\n-a -t 192.0.2.1:80 -r 10.1.0.2:81 -g -w 1 --local\n',
    )
    const [read] = parseRules(text)
    expect(read!.destinations.map(({ forwarding, port }) => [forwarding, port])).toEqual([
      ['local', 80],
      ['local', 81],
    ])
    expect(formatRules([read!])).toBe(text)
    for (const word of ['-m', '-i', '']) {
      expect(() => parseRules(`-A -f 1 -s rr\n-a -f 1 -r 10.1.0.1:0 ${word} --local`)).toThrow(
        /line 2: --local must be given with -g/,
      )
    }
  })
})
