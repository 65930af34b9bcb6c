// Rules and the real ipvsadm: what one writes the other reads.
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { kernelSuite } from '../../lab/guest/suite.js'
import { NativeKernel } from '../../src/kernel/native-kernel.js'
import { formatRules, parseRules } from '../../src/rules/index.js'
import type { Destination, Service, ServiceTree } from '../../src/types.js'
import { type CheckedChange, checkDestination, checkService } from '../../src/validate.js'
import { additions, normal, sorted, trees } from '../unit/rules/trees.js'
import { lines } from './namespace.js'
import { ipvs, ns, setUp } from './setup.js'

// Each run starts several programs in a guest with one CPU.
const RUNS = { numRuns: 15 }
const PATIENCE_MS = 3_600_000

const tcp: Service = { protocol: 'tcp', address: '192.0.2.1', port: 80, scheduler: 'rr' }
const udp: Service = { ...tcp, protocol: 'udp', port: 53 }

/** Everything that ipvsadm prints as it is. */
const EVERY_KIND: readonly ServiceTree[] = [
  tree(tcp, '10.1.0.', 80),
  tree({ ...tcp, protocol: 'sctp', scheduler: 'wlc' }, '10.1.0.', 80),
  tree({ ...udp, scheduler: 'wrr', onePacket: true }, '10.1.0.', 53),
  tree({ ...udp, address: '2001:db8::1' }, '2001:db8:1::', 53),
  tree({ fwmark: 7, scheduler: 'lc', onePacket: true }, '10.1.0.', 0),
  tree({ fwmark: 2147483647, family: 'ipv6', scheduler: 'sed' }, '2001:db8:1::', 8080),
  tree(
    {
      ...tcp,
      port: 443,
      scheduler: 'sh',
      schedulerFlags: ['sh-fallback', 'sh-port'],
      persistence: { timeoutSeconds: 2_678_400, netmask: '255.0.255.0' },
      persistenceEngine: 'sip',
    },
    '10.1.0.',
    443,
  ),
  tree(
    {
      ...tcp,
      // Which ipvsadm writes "::192.0.2.1".
      address: '::c000:201',
      port: 0,
      scheduler: 'mh',
      schedulerFlags: ['mh-port'],
      persistence: { timeoutSeconds: 1, netmask: 56 },
    },
    '2001:db8:1::',
    0,
  ),
  tree(
    {
      ...tcp,
      port: 25,
      schedulerFlags: ['flag-1', 'flag-2', 'flag-3'],
      persistence: { timeoutSeconds: 300 },
    },
    '10.1.0.',
    25,
  ),
]

/** A service with one destination of every forwarding method. */
function tree(service: Service, prefix: string, port: number): ServiceTree {
  const server = (n: number): { address: string; port: number } => ({
    address: `${prefix}${n}`,
    port,
  })
  const tunnel = { ...server(3), forwarding: 'tunnel' } as const
  const destinations: Destination[] = [
    { ...server(1), forwarding: 'direct', weight: 0 },
    { ...server(2), port: port === 0 ? 8080 : port + 1, forwarding: 'masquerade' },
    { ...tunnel, weight: 2147483647 },
    { ...tunnel, ...server(4), tunnel: { type: 'gue', port: 6080 } },
    { ...tunnel, ...server(5), tunnel: { type: 'gue', port: 1, checksum: 'standard' } },
    { ...tunnel, ...server(6), tunnel: { type: 'gue', port: 65535, checksum: 'remote' } },
    { ...tunnel, ...server(7), tunnel: { type: 'gre' } },
    { ...tunnel, ...server(8), tunnel: { type: 'gre', checksum: 'standard' } },
    { ...tunnel, address: prefix.includes(':') ? '10.9.0.1' : '2001:db8:9::1' },
  ]
  return { ...service, destinations }
}

kernelSuite('rules', () => {
  setUp()

  /** `ipvsadm --restore` of `text` into an empty table. Returns what it says, which is nothing if all is well. */
  async function restore(text: string): Promise<string> {
    await ipvs.flush()
    const file = join(ns.folder, 'rules')
    writeFileSync(file, text)
    const script = 'ipvsadm --restore < "$0" 2>&1 || echo "status $?"'
    return ns.run(['sh', '-c', script, file])
  }

  async function program(table: readonly ServiceTree[]): Promise<void> {
    await ipvs.flush()
    await ipvs.apply(additions(table), { onError: 'throw' })
  }

  async function table(): Promise<readonly ServiceTree[]> {
    return (await ipvs.snapshot()).services
  }

  describe('every kind that ipvsadm prints as it is', () => {
    test('written by us, restored by ipvsadm', async () => {
      expect(await restore(formatRules(EVERY_KIND))).toBe('')
      expect(sorted(await table())).toEqual(sorted(EVERY_KIND))
    })

    test('programmed by us, saved by ipvsadm, read by us', async () => {
      await program(EVERY_KIND)
      const parsed = parseRules(ns.ipvsadm('-Sn'))
      expect(sorted(parsed)).toEqual(sorted(EVERY_KIND))
      expect(parsed).toStrictEqual(normal(parsed))
    })

    test('the lines of ipvsadm -Sn', async () => {
      await program(EVERY_KIND)
      expect(lines(formatRules(await ipvs.snapshot())).sort()).toEqual(ns.rules())
      expect(lines(formatRules(parseRules(ns.ipvsadm('-Sn'))))).toEqual(lines(ns.ipvsadm('-Sn')))
    })
  })

  test('random tables, written by us, restored by ipvsadm', async () => {
    await fc.assert(
      fc.asyncProperty(trees(), async (trees) => {
        expect(await restore(formatRules(trees))).toBe('')
        const snapshot = await ipvs.snapshot()
        expect(sorted(snapshot.services)).toEqual(sorted(trees))
        expect(sorted(parseRules(formatRules(snapshot)))).toEqual(sorted(trees))
      }),
      RUNS,
    )
  })

  test('random tables, saved by ipvsadm, line by line ours', async () => {
    await fc.assert(
      fc.asyncProperty(trees({ faithful: true }), async (trees) => {
        await program(trees)
        const snapshot = await ipvs.snapshot()
        expect(lines(formatRules(snapshot)).sort()).toEqual(ns.rules())
        expect(sorted(parseRules(ns.ipvsadm('-Sn')))).toEqual(sorted(snapshot.services))
      }),
      RUNS,
    )
  })

  test('large firewall marks: read as ipvsadm -Sn prints them, written as ipvsadm --restore reads them', async () => {
    const marks: ServiceTree[] = [
      { fwmark: 2147483648, family: 'ipv4', scheduler: 'rr', destinations: [] },
      { fwmark: 4294967290, family: 'ipv6', scheduler: 'rr', destinations: [] },
    ]
    await program(marks)
    expect(sorted(parseRules(ns.ipvsadm('-Sn')))).toEqual(sorted(marks))
    expect(await restore(formatRules(marks))).toBe('')
    expect(sorted(await table())).toEqual(sorted(marks))
  })

  test('thresholds: lost by ipvsadm -Sn, kept by us', async () => {
    const server: Destination = {
      ...{ address: '10.1.0.1', port: 80, forwarding: 'direct' },
      ...{ upperThreshold: 2147483647, lowerThreshold: 70_000 },
    }
    const limited: ServiceTree[] = [{ ...tcp, destinations: [server] }]
    expect(await restore(formatRules(limited))).toBe('')
    expect(sorted(await table())).toEqual(sorted(limited))
    expect(ns.rules()).toEqual([
      '-A -t 192.0.2.1:80 -s rr',
      '-a -t 192.0.2.1:80 -r 10.1.0.1:80 -g -w 1',
    ])
  })

  test('a local destination: written as ipvsadm saves it, with a word that ipvsadm refuses', async () => {
    const local: Destination = { address: '127.0.0.1', port: 80, forwarding: 'local' }
    await program([{ ...tcp, destinations: [local] }])
    const text = formatRules(await ipvs.snapshot())
    const saved = lines(text.replaceAll(' --local', ''))
    expect(saved.sort()).toEqual(ns.rules())
    expect(parseRules(text)[0]!.destinations[0]!.forwarding).toBe('local')
    expect(parseRules(ns.ipvsadm('-Sn'))[0]!.destinations[0]!.forwarding).toBe('direct')
    await ipvs.flush()
    expect(await restore(text)).toContain('--local')
    expect((await table())[0]!.destinations).toEqual([])
  })

  test('what only other programs put into the kernel is written, line by line as ipvsadm saves it', async () => {
    const seen = { weight: 1, upperThreshold: 0, lowerThreshold: 0 }
    const foreign: [service: object, ...destinations: object[]][] = [
      [{ ...udp, port: 0 }],
      [
        { ...tcp, onePacket: true },
        { ...seen, address: '10.1.0.1', port: 8080, forwarding: 'direct' },
        { ...seen, address: '10.1.0.2', port: 8081, forwarding: 'tunnel' },
        { ...seen, address: '10.1.0.3', port: 0, forwarding: 'masquerade' },
      ],
      [
        { ...udp, persistence: { timeoutSeconds: 60, netmask: '0.0.0.0' } },
        { ...seen, address: '10.1.0.1', port: 54, forwarding: 'direct' },
      ],
    ]
    const kernel = await NativeKernel.open(
      { kind: 'path', path: `/var/run/netns/${ns.name}` },
      PATIENCE_MS,
    )
    try {
      const changes = foreign.flatMap(([service, ...destinations]): CheckedChange[] => {
        const checked = checkService(service, 'service', undefined, 'seen')
        return [
          { op: 'add-service', service: checked, destination: undefined },
          ...destinations.map((it): CheckedChange => {
            const destination = checkDestination(it, 'destination', checked, 'seen')
            return { op: 'add-destination', service: checked, destination }
          }),
        ]
      })
      const options = { bulk: false, deadlineMs: PATIENCE_MS, signal: undefined }
      expect((await kernel.write(changes, changes.length, options)).failures).toEqual([])
    } finally {
      await kernel.close()
    }
    const text = formatRules(await ipvs.snapshot())
    expect(lines(text).sort()).toEqual(ns.rules())
    expect(lines(text).length).toBe(7)
  })

  describe('means what it means to ipvsadm --restore', () => {
    const service = '-A -t 192.0.2.1:80 -s rr\n'
    test.each([
      '-A -t 192.0.2.1:80',
      '-A -t 192.0.2.1:80 -p',
      '-A -t 192.0.2.1 -p -M 255.255.255.0 -s rr',
      '-At 192.0.2.1:80 -srr -p=100',
      '-A -t192.0.2.1:80 --scheduler=sh --persistent=100 -b flag-1,,flag-2',
      '-A -f 007 -p -6 -M 64 --ops',
      '-A -f 4294967295 --ipv6 --netmask=1 --persistent\n-a -f 4294967295 -6 -r [2001:db8::1]:80',
      '-A -t 2001:db8::1 -p 20',
      '--add-service --sctp-service=192.0.2.1:80 --pe=sip --persistent 30',
      ' \t -A   -t\t192.0.2.1:80  \t -s  rr  \r\n\n  \nipvsadm -a -t 192.0.2.1:80 -r 10.1.0.1:80 -m  ',
      `${service}-a -t 192.0.2.1:80 -r 10.1.0.1\n--add-server -t 192.0.2.1:80 -mr 10.1.0.2 -w+05`,
      `${service}-a -t 192.0.2.1:80 -ir10.1.0.1 --tun-type=gre\n-a -t 192.0.2.1:80 -i -r 2001:db8::2`,
      `${service}-a -t 192.0.2.1:80 -r 10.1.0.3 -x9 -y=3 --weight=0 --gatewaying`,
      '-A -f 5\n-a -f 5 -r 10.1.0.2 -m\n-a -f 5 -r 10.1.0.3:90 -m\n-a -f 5 -r 10.1.0.4:90 -g',
    ])('%j', async (text) => {
      expect(await restore(`${text}\n`)).toBe('')
      expect(sorted(parseRules(text))).toEqual(sorted(await table()))
    })
  })
})
