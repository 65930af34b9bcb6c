import { describe, expect, test } from 'vitest'
import type { Facts } from '../../../../src/command/doctor/facts.js'
import { report } from '../../../../src/command/doctor/report.js'
import { judge } from '../../../../src/command/doctor/rules/index.js'
import { addresses, facts, server, service, settings, table } from './made-up.js'
import { expectReport } from './schema.js'

test('where all is well there is nothing to tell', () => {
  expect(judge(facts())).toEqual([])
})

interface Case {
  readonly wrong: string
  readonly spoilt: readonly Partial<Facts>[]
  readonly rule: string
  readonly severity: 'error' | 'warning' | 'note'
  readonly about?: readonly string[]
  /** Absent: any. */
  readonly commands?: readonly string[]
  /** Whether --fix may do it. */
  readonly fixes?: true
}

const masqueraded = [server('10.1.0.1', { forwarding: 'masquerade' })]
const at = 'udp 192.0.2.1:53'
const dead = (address: string): Partial<Facts> => ({
  routes: { value: new Map([[address, { code: 'ENETUNREACH' }]]) },
})
const denied = (
  reason:
    | 'platform'
    | 'no-binary'
    | 'addons-disabled'
    | 'no-module'
    | 'user-namespace'
    | 'permission',
) => ({
  access: { granted: false, reason, message: 'no' } as const,
})
const tcp = service({
  protocol: 'tcp',
  port: 636,
  destinations: [server('10.1.0.1', { port: 636 })],
})

const cases: readonly Case[] = [
  {
    wrong: 'this is not Linux',
    spoilt: [denied('platform')],
    rule: 'platform',
    severity: 'error',
    commands: ['npx ipvs lab -- COMMAND'],
  },
  {
    wrong: 'no addon fits',
    spoilt: [denied('no-binary')],
    rule: 'no-binary',
    severity: 'error',
    commands: ['npx ipvs build-addon'],
  },
  {
    wrong: 'Node.js may load no addons',
    spoilt: [denied('addons-disabled')],
    rule: 'addons-disabled',
    severity: 'error',
    commands: ["node --permission --allow-addons --allow-fs-read='*' PROGRAM"],
  },
  {
    wrong: 'the kernel has no IPVS',
    spoilt: [denied('no-module')],
    rule: 'no-module',
    severity: 'error',
    commands: ['modprobe ip_vs', 'echo ip_vs > /etc/modules-load.d/ip_vs.conf'],
  },
  {
    wrong: 'we are in a user namespace',
    spoilt: [denied('user-namespace')],
    rule: 'user-namespace',
    severity: 'error',
  },
  {
    wrong: 'we may not',
    spoilt: [denied('permission')],
    rule: 'permission',
    severity: 'error',
    commands: ['sudo npx ipvs doctor'],
  },
  {
    wrong: 'the kernel lacks a scheduler of the file',
    spoilt: [
      {
        file: [service({ scheduler: 'mh' }), service({ port: 54, scheduler: 'rr' })],
        schedulers: { value: { mh: false, rr: true } },
      },
    ],
    rule: 'no-scheduler',
    severity: 'error',
    about: [`${at} (mh)`],
    commands: ['modprobe ip_vs_mh'],
  },
  {
    wrong: 'removed UDP servers keep their clients',
    spoilt: [settings({ 'net.ipv4.vs.expire_nodest_conn': 0 })],
    rule: 'expire-nodest-conn',
    severity: 'warning',
    about: [at],
    commands: ['sysctl -w net.ipv4.vs.expire_nodest_conn=1'],
    fixes: true,
  },
  {
    wrong: 'conntrack sees masqueraded UDP',
    spoilt: [
      settings({ 'net.ipv4.vs.conntrack': 1 }),
      table(service({ destinations: masqueraded })),
    ],
    rule: 'conntrack',
    severity: 'warning',
    about: [at],
    commands: ['sysctl -w net.ipv4.vs.conntrack=0'],
  },
  {
    wrong: 'UDP clients stay with a server of weight 0',
    spoilt: [
      table(
        service({
          destinations: [
            server('10.1.0.1', { weight: 0, inactiveConnections: 3 }),
            server('10.1.0.2'),
          ],
        }),
      ),
    ],
    rule: 'udp-weight-0',
    severity: 'warning',
    about: [`${at} -> 10.1.0.1:53`],
    commands: ['ipvsadm -d -u 192.0.2.1:53 -r 10.1.0.1:53'],
  },
  {
    wrong: 'a threshold counts UDP clients long gone',
    spoilt: [table(service({ destinations: [server('10.1.0.1', { upperThreshold: 100 })] }))],
    rule: 'udp-thresholds',
    severity: 'note',
    commands: ['ipvsadm --set 0 0 10'],
  },
  {
    wrong: 'persistence does not let clients go',
    spoilt: [
      settings({ 'net.ipv4.vs.expire_quiescent_template': 0 }),
      table(service({ persistence: { timeoutSeconds: 60 } })),
    ],
    rule: 'expire-quiescent-template',
    severity: 'warning',
    about: [at],
    commands: ['sysctl -w net.ipv4.vs.expire_quiescent_template=1'],
    fixes: true,
  },
  {
    wrong: 'one-packet replies are not translated back',
    spoilt: [table(service({ onePacket: true, destinations: masqueraded }))],
    rule: 'one-packet-masquerade',
    severity: 'error',
    about: [at],
    commands: ['ipvsadm -E -u 192.0.2.1:53 -s wrr'],
  },
  {
    wrong: 'one-packet scheduling counts nothing',
    spoilt: [table(service({ onePacket: true, scheduler: 'wlc' }))],
    rule: 'one-packet-scheduler',
    severity: 'error',
    about: [`${at} (wlc)`],
    commands: ['ipvsadm -E -u 192.0.2.1:53 -s wrr -o'],
  },
  {
    wrong: 'one-packet scheduling is persistent',
    spoilt: [table(service({ onePacket: true, persistence: { timeoutSeconds: 60 } }))],
    rule: 'one-packet-persistence',
    severity: 'warning',
    about: [at],
    commands: ['ipvsadm -E -u 192.0.2.1:53 -s wrr -p 60'],
  },
  {
    wrong: 'one-packet scheduling tears a talk apart',
    spoilt: [
      table(
        service({
          port: 5060,
          onePacket: true,
          destinations: [server('10.1.0.1', { port: 5060 }), server('10.1.0.2', { port: 5060 })],
        }),
      ),
    ],
    rule: 'one-packet-talk',
    severity: 'warning',
    about: ['udp 192.0.2.1:5060 (SIP)'],
    commands: ['ipvsadm -E -u 192.0.2.1:5060 -s wrr'],
  },
  {
    wrong: 'one-packet scheduling came when clients had entries',
    spoilt: [
      table(
        service({
          onePacket: true,
          destinations: [server('10.1.0.1', { inactiveConnections: 2 })],
        }),
      ),
    ],
    rule: 'one-packet-late',
    severity: 'warning',
    about: [`${at} -> 10.1.0.1:53`],
  },
  {
    wrong: 'hashed clients meet weight 0',
    spoilt: [
      table(
        service({
          scheduler: 'sh',
          destinations: [server('10.1.0.1', { weight: 0 }), server('10.1.0.2')],
        }),
      ),
    ],
    rule: 'hash-refuses',
    severity: 'error',
    about: [at],
    commands: ['ipvsadm -E -u 192.0.2.1:53 -s sh -b sh-fallback'],
  },
  {
    wrong: 'a service of all ports refuses',
    spoilt: [table(service({ port: 0, destinations: [server('10.1.0.1', { port: 0 })] }))],
    rule: 'port-0',
    severity: 'error',
    about: ['udp 192.0.2.1:0'],
    commands: ['ipvsadm -E -u 192.0.2.1:0 -s wrr -p 360'],
  },
  {
    wrong: 'a service has no server with a weight',
    spoilt: [
      table(service({ destinations: [server('10.1.0.1', { weight: 0, forwarding: 'tunnel' })] })),
    ],
    rule: 'nobody-serves',
    severity: 'error',
    about: [at],
    commands: ['ipvsadm -e -u 192.0.2.1:53 -r 10.1.0.1:53 -i -w 1 --tun-type ipip'],
  },
  {
    wrong: 'a service has no server',
    spoilt: [table(service({ destinations: [] }))],
    rule: 'nobody-serves',
    severity: 'error',
    about: [at],
    commands: ['ipvsadm -a -u 192.0.2.1:53 -r SERVER'],
  },
  {
    wrong: 'the loopback is down',
    spoilt: [{ addresses: { value: [{ address: '192.0.2.1', device: 'eth0' }] } }],
    rule: 'loopback-down',
    severity: 'error',
    about: ['lo'],
    commands: ['ip link set lo up'],
  },
  {
    wrong: 'masquerading without forwarding',
    spoilt: [settings({ 'net.ipv4.ip_forward': 0 }), table(service({ destinations: masqueraded }))],
    rule: 'ip-forward',
    severity: 'error',
    about: [at],
    commands: ['sysctl -w net.ipv4.ip_forward=1'],
    fixes: true,
  },
  {
    wrong: 'masquerading without forwarding of IPv6',
    spoilt: [
      settings({ 'net.ipv6.conf.all.forwarding': 0 }),
      addresses(['2001:db8::1', 'eth0']),
      table(
        service({
          address: '2001:db8::1',
          destinations: [server('2001:db8:1::1', { forwarding: 'masquerade' })],
        }),
      ),
    ],
    rule: 'ip-forward',
    severity: 'error',
    about: ['udp [2001:db8::1]:53'],
    commands: ['sysctl -w net.ipv6.conf.all.forwarding=1'],
    fixes: true,
  },
  {
    wrong: 'a strict filter has dropped packets',
    spoilt: [settings({ 'net.ipv4.conf.eth1.rp_filter': 1 }), { filtered: { value: 7 } }],
    rule: 'rp-filter',
    severity: 'warning',
    about: ['eth1'],
    commands: ['sysctl -w net.ipv4.conf.eth1.rp_filter=2'],
    fixes: true,
  },
  {
    wrong: 'a director that is a server answers ARP for the other',
    spoilt: [
      { syncRoles: { value: ['backup'] } },
      addresses(['192.0.2.1', 'lo']),
      table(service({ destinations: [server('10.1.0.250'), server('10.1.0.2')] })),
    ],
    rule: 'arp',
    severity: 'warning',
    about: [at],
    commands: [
      'sysctl -w net.ipv4.conf.all.arp_ignore=1',
      'sysctl -w net.ipv4.conf.all.arp_announce=2',
    ],
  },
  {
    wrong: 'the virtual address is somebody else’s',
    spoilt: [addresses(), dead('203.0.113.1')],
    rule: 'no-local-address',
    severity: 'error',
    about: [at],
    commands: ['ip addr add 192.0.2.1/32 dev lo'],
  },
  {
    wrong: 'there is no route to a server',
    spoilt: [dead('10.1.0.2')],
    rule: 'no-route',
    severity: 'error',
    about: [`${at} -> 10.1.0.2:53 (ENETUNREACH)`],
    commands: ['ip route add 10.1.0.2 via GATEWAY'],
  },
  {
    wrong: 'one-packet scheduling in a pair',
    spoilt: [table(service({ onePacket: true })), { syncRoles: { value: ['backup'] } }],
    rule: 'sync-one-packet',
    severity: 'note',
    about: [at],
    commands: ['ipvsadm -E -u 192.0.2.1:53 -s wrr'],
  },
  {
    wrong: 'short flows of UDP in a pair',
    spoilt: [
      settings({ 'net.ipv4.vs.sync_threshold': '3\t50' }),
      table(service({})),
      { syncRoles: { value: ['master'] } },
    ],
    rule: 'sync-short-udp',
    severity: 'note',
    about: [at],
    commands: ['sysctl -w net.ipv4.vs.sync_threshold="1 50"'],
  },
  {
    wrong: 'a backup daemon without services',
    spoilt: [table(), { syncRoles: { value: ['backup'] } }],
    rule: 'sync-without-servers',
    severity: 'warning',
    about: [],
    commands: ['ipvs apply FILE'],
  },
  {
    wrong: 'backup_only beside both daemons',
    spoilt: [
      settings({ 'net.ipv4.vs.backup_only': 1 }),
      { syncRoles: { value: ['master', 'backup'] } },
    ],
    rule: 'backup-only',
    severity: 'error',
    commands: ['ipvsadm --stop-daemon backup'],
  },
  {
    wrong: 'a server does not have the virtual address',
    spoilt: [
      {
        probes: {
          value: [
            {
              service: 'tcp 192.0.2.1:53',
              server: '10.1.0.1:53',
              address: '10.1.0.1',
              virtual: '192.0.2.1',
              forwarding: 'tunnel',
              outcome: 'silent',
            },
          ],
        },
      },
    ],
    rule: 'server-without-address',
    severity: 'error',
    about: ['tcp 192.0.2.1:53 -> 10.1.0.1:53'],
    commands: ['ssh 10.1.0.1 ip addr add 192.0.2.1/32 dev lo', 'ssh 10.1.0.1 ip link set tunl0 up'],
  },
  {
    wrong: 'nobody listens at the virtual address of a server',
    spoilt: [
      {
        probes: {
          value: [
            {
              service: 'tcp 192.0.2.1:53',
              server: '10.1.0.1:53',
              address: '10.1.0.1',
              virtual: '192.0.2.1',
              forwarding: 'direct',
              outcome: 'refuses',
            },
          ],
        },
      },
    ],
    rule: 'server-refuses',
    severity: 'error',
    about: ['tcp 192.0.2.1:53 -> 10.1.0.1:53'],
    commands: ['ssh 10.1.0.1 ss -ltnu'],
  },
  ...(
    [
      ['processes', 'keepalived', 'process 812', 'systemctl stop keepalived'],
      ['sets', 'kube-proxy', 'set KUBE-CLUSTER-IP', 'kube-proxy --cleanup'],
      ['chains', 'kube-router', 'chain KUBE-ROUTER-SERVICES', 'kube-router --cleanup-config'],
    ] as const
  ).map(
    ([where, program, trace, command]): Case => ({
      wrong: `${program} has left a ${trace}`,
      spoilt: [{ [where]: { value: [{ program, trace }] } }],
      rule: 'other-owner',
      severity: 'note',
      about: [`${program} (${trace})`],
      commands: [command],
    }),
  ),
  ...(['kube-ipvs0', 'kube-dummy-if'] as const).map(
    (device): Case => ({
      wrong: `there is an interface ${device}`,
      spoilt: [{ devices: { value: ['lo', 'eth0', device] } }],
      rule: 'other-owner',
      severity: 'note',
    }),
  ),
  {
    wrong: 'the hash table is small',
    spoilt: [table(service({ destinations: [server('10.1.0.1', { inactiveConnections: 9000 })] }))],
    rule: 'hash-size',
    severity: 'warning',
    commands: [
      "echo 'options ip_vs conn_tab_bits=15' > /etc/modprobe.d/ip_vs.conf",
      'ipvsadm -Sn > table && ipvsadm -C',
      'modprobe -r $(ls /sys/module/ip_vs/holders) ip_vs && modprobe ip_vs',
      'ipvsadm -R < table',
    ],
  },
  {
    wrong: 'the hash table that grows has reached its end',
    spoilt: [
      settings({ 'net.ipv4.vs.conn_lfactor': -4, 'net.ipv4.vs.svc_lfactor': -3 }),
      table(service({ destinations: [server('10.1.0.1', { inactiveConnections: 9000 })] })),
      { hash: { value: { size: 1024, bits: 12 } } },
    ],
    rule: 'hash-size',
    severity: 'warning',
  },
  {
    wrong: 'idle TCP is about to be cut',
    spoilt: [table(tcp), { idleTcp: { value: 2 } }],
    rule: 'tcp-timeout',
    severity: 'note',
    about: ['tcp 192.0.2.1:636'],
    commands: ['ipvsadm --set 7500 0 0'],
  },
  {
    wrong: 'counters stand still',
    spoilt: [settings({ 'net.ipv4.vs.run_estimation': 0 })],
    rule: 'run-estimation',
    severity: 'note',
    commands: ['sysctl -w net.ipv4.vs.run_estimation=1'],
    fixes: true,
  },
  {
    wrong: 'the kernel keeps entries of removed servers',
    spoilt: [{ kernel: { platform: 'linux', arch: 'x64', release: '4.18.0-553.el8.x86_64' } }],
    rule: 'kernel-udp-removed',
    severity: 'warning',
  },
  {
    wrong: 'the kernel drops the first packet of a port that is used again',
    spoilt: [
      settings({ 'net.ipv4.vs.conntrack': 1 }),
      table(tcp),
      { kernel: { platform: 'linux', arch: 'x64', release: '5.4.0-150-generic' } },
    ],
    rule: 'kernel-port-reuse',
    severity: 'warning',
  },
]

test.each(cases)('$wrong: $rule', ({ spoilt, rule, severity, about, commands, fixes }) => {
  const found = judge(facts(...spoilt)).filter((one) => one.rule === rule)
  expect(found).toHaveLength(1)
  const [finding] = found
  expect(finding!.severity).toBe(severity)
  if (about !== undefined) expect(finding!.about).toEqual(about)
  if (commands !== undefined) expect(finding!.commands).toEqual(commands)
  expect(finding!.commands.length).toBeGreaterThan(0)
  for (const text of [finding!.what, finding!.why]) expect(text.length).toBeGreaterThan(0)
  expect(finding!.fix !== undefined).toBe(fixes === true)
  expectReport(JSON.parse(JSON.stringify(report(facts(...spoilt)))))
})

test('nothing else is said of one thing that is wrong', () => {
  const alone = cases.map(({ spoilt, rule }) => [
    rule,
    judge(facts(...spoilt)).map((one) => one.rule),
  ])
  const more = alone
    .filter(([, rules]) => rules!.length > 1)
    .map(([rule, rules]) => `${rule}: ${rules}`)
  expect(more).toEqual([])
})

const large = (release: string, services: number, servers: number): Facts => {
  const destinations = Array.from({ length: servers }, (_, n) =>
    server(`10.2.${n >> 8}.${n & 255}`),
  )
  const all = Array.from({ length: services }, (_, n) => service({ port: n + 1, destinations }))
  return facts(table(...all), { kernel: { platform: 'linux', arch: 'x64', release } })
}

describe('a large table', () => {
  test('is slow on kernels that add up its counters in one go', () => {
    expect(judge(large('6.1.0-30-amd64', 1001, 10)).map(({ rule }) => rule)).toEqual([
      'kernel-estimators',
    ])
    expect(judge(large('6.12.1', 1001, 10))).toEqual([])
    expect(judge(large('6.1.0-30-amd64', 100, 10))).toEqual([])
  })

  test('is slow on kernels with 256 rows for services', () => {
    expect(judge(large('6.12.1', 4001, 1)).map(({ rule }) => rule)).toEqual(['kernel-services'])
    expect(judge(large('7.2.0', 4001, 1))).toEqual([])
  })
})

describe('nothing is said', () => {
  const said = (...changes: readonly Partial<Facts>[]) =>
    judge(facts(...changes)).map(({ rule }) => rule)

  test('of expire_nodest_conn where no UDP service keeps entries', () => {
    const off = settings({ 'net.ipv4.vs.expire_nodest_conn': 0 })
    expect(said(off, table(tcp))).toEqual([])
    expect(said(off, table(service({ onePacket: true })))).toEqual([])
  })

  test('of what could not be looked at', () => {
    const because = 'not permitted'
    const blind = {
      settings: { because },
      timeouts: { because },
      addresses: { because },
      routes: { because },
      hash: { because },
      devices: { because },
    }
    expect(said(blind)).toEqual([])
  })

  test('of a virtual address on the other director of a pair, and less where there may be one', () => {
    expect(said(addresses(), dead('203.0.113.1'), { syncRoles: { value: ['backup'] } })).toEqual([])
    const pair = judge(
      facts(addresses(), dead('203.0.113.1'), { syncRoles: { value: ['master'] } }),
    )
    expect(pair).toMatchObject([{ rule: 'no-local-address', severity: 'warning' }])
  })

  test('of ARP where there is one director, or the address is on the interface that is asked', () => {
    const serves = table(service({ destinations: [server('10.1.0.250')] }))
    expect(said(serves, addresses(['192.0.2.1', 'lo']))).toEqual([])
    expect(said(serves, { syncRoles: { value: ['backup'] } })).toEqual([])
  })

  test('of forwarding where the masqueraded server is this machine', () => {
    const own = service({ destinations: [server('10.1.0.250', { forwarding: 'masquerade' })] })
    expect(said(settings({ 'net.ipv4.ip_forward': 0 }), table(own))).toEqual([])
  })

  test('of a table that grows, as long as it may', () => {
    expect(
      said(
        settings({ 'net.ipv4.vs.conn_lfactor': -4 }),
        table(service({ destinations: [server('10.1.0.1', { inactiveConnections: 9000 })] })),
        { hash: { value: { size: 1024, bits: 20 } } },
      ),
    ).toEqual([])
  })
})

test('the file counts where it says otherwise than the table, with the connections of the table', () => {
  const wanted = service({
    scheduler: 'rr',
    destinations: [
      { address: '10.1.0.1', port: 53, forwarding: 'direct', weight: 0 },
      server('10.1.0.9'),
    ],
  })
  const seen = service({ destinations: [server('10.1.0.1', { inactiveConnections: 4 })] })
  const found = judge(facts(table(seen), { file: [wanted] }))
  expect(found).toMatchObject([{ rule: 'udp-weight-0', about: [`${at} -> 10.1.0.1:53`] }])
})

test('the worst comes first', () => {
  const found = judge(
    facts(
      settings({ 'net.ipv4.vs.run_estimation': 0, 'net.ipv4.vs.expire_nodest_conn': 0 }),
      dead('10.1.0.1'),
    ),
  )
  expect(found.map(({ severity }) => severity)).toEqual(['error', 'warning', 'note'])
})
