// Byte by byte: what we send beside what ipvsadm sends for the same thing, both as strace sees it.
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { beforeAll, expect, test } from 'vitest'
import { kernelSuite } from '../../lab/guest/suite.js'
import { isArgumentError } from '../../src/errors.js'
import { ipvs, ns, setUp } from './setup.js'
import { STRACE, type SystemCall } from './strace.js'
import { traced } from './traced.js'

const v4 = { protocol: 'tcp', address: '192.0.2.1', port: 53 } as const
const v6 = { protocol: 'udp', address: '2001:db8::1', port: 5353 } as const
const sctp = { protocol: 'sctp', address: '192.0.2.1', port: 9 } as const
const mark = { fwmark: 7 } as const
const mark6 = { fwmark: 4_000_000, family: 'ipv6' } as const
const to = { address: '10.1.0.1', port: 53, forwarding: 'direct' } as const
const tunnel = (settings: object) => ({ ...to, forwarding: 'tunnel', tunnel: settings })

/** What ipvsadm is told, and the call that is to send the same. */
const SAME: [words: string, call: unknown[]][] = [
  ['-A -t 192.0.2.1:53 -s rr', ['addService', { ...v4, scheduler: 'rr' }]],
  ['-A -u [2001:db8::1]:5353 -s wlc', ['addService', { ...v6, scheduler: 'wlc' }]],
  [
    '-A --sctp-service 192.0.2.1:9 -s sh -b sh-port,sh-fallback',
    ['addService', { ...sctp, scheduler: 'sh', schedulerFlags: ['sh-port', 'sh-fallback'] }],
  ],
  ['-A -f 7 -s wrr -o', ['addService', { ...mark, scheduler: 'wrr', onePacket: true }]],
  [
    '-A -f 4000000 -6 -s mh -b mh-port',
    ['addService', { ...mark6, scheduler: 'mh', schedulerFlags: ['mh-port'] }],
  ],
  [
    '-E -t 192.0.2.1:53 -s lc -p 600 -M 255.255.255.0',
    [
      'replaceService',
      { ...v4, scheduler: 'lc', persistence: { timeoutSeconds: 600, netmask: '255.255.255.0' } },
    ],
  ],
  [
    '-E -u [2001:db8::1]:5353 -s rr -p 60 -M 64 --pe sip',
    [
      'replaceService',
      {
        ...v6,
        scheduler: 'rr',
        persistence: { timeoutSeconds: 60, netmask: 64 },
        persistenceEngine: 'sip',
      },
    ],
  ],
  [
    '-a -t 192.0.2.1:53 -r 10.1.0.1:53 -g -w 5 -x 100 -y 10',
    ['addDestination', v4, { ...to, weight: 5, upperThreshold: 100, lowerThreshold: 10 }],
  ],
  [
    '-e -t 192.0.2.1:53 -r 10.1.0.1:53 -m -w 0',
    ['replaceDestination', v4, { ...to, forwarding: 'masquerade', weight: 0 }],
  ],
  [
    '-a -u [2001:db8::1]:5353 -r [2001:db8::9]:5353 -i',
    ['addDestination', v6, { address: '2001:db8::9', port: 5353, forwarding: 'tunnel' }],
  ],
  [
    '-a -f 7 -r 10.1.0.1:53 -i --tun-type gue --tun-port 6080 --tun-csum',
    ['addDestination', mark, tunnel({ type: 'gue', port: 6080, checksum: 'standard' })],
  ],
  [
    '-e -f 7 -r 10.1.0.1:53 -i --tun-type gue --tun-port 6080 --tun-remcsum',
    ['replaceDestination', mark, tunnel({ type: 'gue', port: 6080, checksum: 'remote' })],
  ],
  [
    '-e -f 7 -r 10.1.0.1:53 -i --tun-type gre --tun-csum',
    ['replaceDestination', mark, tunnel({ type: 'gre', checksum: 'standard' })],
  ],
  [
    '-a -t 192.0.2.1:53 -r [2001:db8::9]:53 -i',
    ['addDestination', v4, { address: '2001:db8::9', port: 53, forwarding: 'tunnel' }],
  ],
  [
    '-d -t 192.0.2.1:53 -r [2001:db8::9]:53',
    ['removeDestination', v4, { address: '2001:db8::9', port: 53 }],
  ],
  ['-d -t 192.0.2.1:53 -r 10.1.0.1:53', ['removeDestination', v4, to]],
  ['-D -t 192.0.2.1:53', ['removeService', v4]],
  ['-D -f 4000000 -6', ['removeService', mark6]],
  ['-Z -f 7', ['zero', mark]],
  ['-Z', ['zero']],
  ['-C', ['flush']],
  ['--set 900 120 30', ['setTimeouts', { tcpSeconds: 900, tcpFinSeconds: 120, udpSeconds: 30 }]],
  [
    '--start-daemon master --mcast-interface lo',
    ['startSyncDaemon', { role: 'master', interface: 'lo' }],
  ],
  ['--stop-daemon master', ['stopSyncDaemon', 'master']],
  [
    '--start-daemon backup --mcast-interface lo --syncid 9 --sync-maxlen 1400 --mcast-group 239.9.9.9 --mcast-port 8900 --mcast-ttl 7',
    [
      'startSyncDaemon',
      {
        role: 'backup',
        interface: 'lo',
        syncId: 9,
        maxLength: 1400,
        group: '239.9.9.9',
        port: 8900,
        ttl: 7,
      },
    ],
  ],
  ['--stop-daemon backup', ['stopSyncDaemon', 'backup']],
  [
    '--start-daemon master --mcast-interface lo --mcast-group ff02::9',
    ['startSyncDaemon', { role: 'master', interface: 'lo', group: 'ff02::9' }],
  ],
]

/** What ipvsadm lists, the call that reads the same, and the command that both are to ask with. */
const READS: [words: string, command: string, call: unknown[]][] = [
  ['-Ln', 'GET_INFO', ['info']],
  ['-Ln', 'GET_SERVICE', ['services']],
  ['-Ln -t 192.0.2.1:53', 'GET_SERVICE', ['service', v4]],
  ['-Ln -f 4000000 -6', 'GET_SERVICE', ['service', mark6]],
  ['-Ln -t 192.0.2.1:53', 'GET_DEST', ['destinations', v4]],
  ['-Ln -f 4000000 -6', 'GET_DEST', ['destinations', mark6]],
  ['-L --timeout', 'GET_CONFIG', ['timeouts']],
  ['-L --daemon', 'GET_DAEMON', ['syncDaemons']],
]
const READING: ReadonlyMap<string, number> = new Map([
  ...[['GET_SERVICE', 4] as const, ['GET_DEST', 8] as const, ['GET_DAEMON', 11] as const],
  ...[['GET_CONFIG', 13] as const, ['GET_INFO', 15] as const],
])

const CONTROLLER = 0x10
const MUTATING = [1, 2, 3, 5, 6, 7, 9, 10, 12, 16, 17]
const NESTS = [1, 2, 3] // SERVICE, DEST, DAEMON

/** `command`, whether it is a dump, then attribute by attribute: hex by path. */
type Meaning = { command: number; dump: boolean; attributes: Record<string, string> }

/** Ours: without a destination address, strace shows the buffer as bytes. */
function ourMeanings(calls: readonly SystemCall[]): Meaning[] {
  const found: Meaning[] = []
  for (const { netlink, bytes } of calls) {
    if (!netlink) continue
    const buffer = Buffer.from(bytes)
    for (let at = 0; at < buffer.length; ) {
      const length = buffer.readUInt32LE(at)
      const dump = (buffer.readUInt16LE(at + 6) & 0x300) !== 0
      const ipvs = buffer.readUInt16LE(at + 4) > CONTROLLER
      if (ipvs) found.push(meaning(buffer.subarray(at + 16, at + length), dump))
      at += (length + 3) & ~3
    }
  }
  return found
}

/** Theirs: with one, it decodes the header. */
function theirMeanings(trace: string): Meaning[] {
  const pattern = /nlmsg_type=IPVS, nlmsg_flags=([\w|]+),[^}]*\}, "((?:\\x[0-9a-f]{2})*)"/g
  return [...trace.matchAll(pattern)].map(([, flags, hex]) =>
    meaning(Buffer.from(hex!.replaceAll('\\x', ''), 'hex'), /NLM_F_DUMP|0x300/.test(flags!)),
  )
}

const changes = (meanings: Meaning[]) =>
  meanings.filter(({ command }) => MUTATING.includes(command))

/** Of a message behind its netlink header. */
function meaning(bytes: Buffer, dump: boolean): Meaning {
  const attributes: Record<string, string> = {}
  flatten(bytes.subarray(4), '', attributes)
  return { command: bytes[0]!, dump, attributes }
}

function flatten(bytes: Buffer, prefix: string, into: Record<string, string>): void {
  for (let at = 0; at + 4 <= bytes.length; ) {
    const length = bytes.readUInt16LE(at)
    const type = bytes.readUInt16LE(at + 2) & 0x3fff
    const value = bytes.subarray(at + 4, at + length)
    const isNest = prefix === '' && NESTS.includes(type)
    if (isNest) flatten(value, `${type}.`, into)
    else into[prefix + type] = value.toString('hex')
    at += (length + 3) & ~3
  }
}

const SERVICE_SETTINGS = /^1\.([6-9]|1\d)$/
const DESTINATION_SETTINGS = /^2\.([3-9]|10|1[3-9])$/

/**
 * What the kernel makes of it: settings count only where a command sets them (ipvsadm sends them always), an IPv4
 * address is 4 bytes here and padded to 16 there, and an attribute of zeros is as good as none.
 */
function normalised({ command, dump, attributes }: Meaning): Meaning {
  const kept = Object.entries(attributes)
    .filter(([path]) => [1, 2].includes(command) || !SERVICE_SETTINGS.test(path))
    .filter(([path]) => [5, 6].includes(command) || !DESTINATION_SETTINGS.test(path))
    .map(([path, hex]) => [
      path,
      /^(1\.3|2\.1)$/.test(path) ? hex.replace(/^(.{8})0{24}$/, '$1') : hex,
    ])
    .filter(([, hex]) => !/^0*$/.test(hex!))
  return { command, dump, attributes: Object.fromEntries(kept) }
}

kernelSuite('bytes beside those of ipvsadm', () => {
  setUp()
  // By the lines of SAME and READS.
  let ours: Meaning[]
  let theirs: Meaning[][]
  let reads: Meaning[]
  let asked: Meaning[][]

  beforeAll(async () => {
    ours = changes(await called(SAME.map(([, call]) => call)))
    await ipvs.flush()
    theirs = listed(SAME.map(([words]) => words)).map(changes)
    await ipvs.flush()
    ns.ipvsadm('-A', '-t', '192.0.2.1:53', '-s', 'rr')
    ns.ipvsadm('-A', '-f', '4000000', '-6', '-s', 'rr')
    reads = (await called(READS.map(([, , call]) => call))).map(normalised)
    asked = listed(READS.map(([words]) => words))
  })

  /** What the library sends for these calls. */
  async function called(calls: unknown[][]): Promise<Meaning[]> {
    const trace = await traced('sendmsg', async () => {
      for (const [method, ...args] of calls) {
        const call: Promise<unknown> = Reflect.get(ipvs, method as string).apply(ipvs, args)
        await call.catch((error: unknown) => {
          if (isArgumentError(error)) throw error // nothing was sent: the table is wrong
        })
      }
    })
    return ourMeanings(trace)
  }

  /** What ipvsadm sends for each of these lines. */
  function listed(lines: readonly string[]): Meaning[][] {
    const file = path.join(ns.folder, 'trace')
    const script = lines.map((words) => `ipvsadm ${words};`).join(' ')
    ns.run([...STRACE, '-e', 'trace=sendmsg', '-o', file, 'sh', '-c', `${script} true`])
    // A process each, one after the other, and last the shell's own.
    const processes = readFileSync(file, 'utf8').split(/^\d+ +\+\+\+ exited.*\n/m)
    expect(processes.length).toBe(lines.length + 2)
    return processes.slice(0, lines.length).map(theirMeanings)
  }

  test('each call is one message', () => {
    expect(ours.length).toBe(SAME.length)
  })

  test.each(READS.map(([words, command], index) => [words, command, index] as const))(
    'ipvsadm %s: %s',
    (_, command, index) => {
      const messages = asked[index]!.filter((it) => it.command === READING.get(command))
      expect(messages.length).toBeGreaterThan(0)
      for (const message of messages) expect(reads).toContainEqual(normalised(message))
    },
  )

  test.each(SAME.map(([words], index) => [words, index] as const))('ipvsadm %s', (_, index) => {
    expect(theirs[index]!.length).toBe(1)
    expect(normalised(ours[index]!)).toEqual(normalised(theirs[index]![0]!))
  })
})
