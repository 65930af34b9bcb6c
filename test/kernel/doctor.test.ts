// ipvs doctor: each thing that it knows is made wrong on a real kernel, found, and gone once the commands have run that the finding names.
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { labSuite } from '../../lab/guest/suite.js'
import { endGroup, startIn } from '../../lab/network/namespaces.js'
import type { Finding } from '../../src/command/doctor/finding.js'
import type { Report } from '../../src/command/doctor/report.js'
import { expectReport } from '../unit/command/doctor/schema.js'
import { command, type Namespace, namespace } from './namespace.js'
import { programPath } from './programs.js'

const main = fileURLToPath(new URL('../../dist/command/main.js', import.meta.url))

const VIP = '192.0.2.1'
const UDP = `-u ${VIP}:5300`
const TCP = `-t ${VIP}:5300`

let director: Namespace
let client: Namespace
let server: Namespace

/** In the namespace; a line for the shell. */
const sh = (ns: Namespace, line: string): string =>
  ns.run(['sh', '-e', '-c', `cd ${ns.folder}; ${line}`])

interface Examined {
  readonly status: number
  readonly report: Report
  readonly rules: readonly string[]
}

/** By the command itself. */
function run(words = '', { before = '', node = '' } = {}): Examined {
  const line = `set +e; ${before} ${process.execPath} ${node} ${main} doctor --json ${words} > report; echo $?; cat report`
  const [status, ...lines] = sh(director, line).split('\n')
  return examined(lines.join('\n'), Number(status))
}

function examined(text: string, status = 0): Examined {
  const report = JSON.parse(text) as Report
  expectReport(report)
  return { status, report, rules: report.findings.map(({ rule }) => rule) }
}

let resident: ChildProcess
let answers: AsyncIterator<string>

/** By one that stays, which is quicker. */
async function examine(how = ''): Promise<Examined> {
  resident.stdin!.write(`${how}\n`)
  const { value } = await answers.next()
  return examined(value)
}

/** A process that is called keepalived, as far as anybody sees. */
async function keepalivedIn(ns: Namespace): Promise<ChildProcess> {
  const fake = path.join(director.folder, 'keepalived')
  if (!existsSync(fake)) sh(director, `cp "$(command -v sleep)" ${fake}`)
  const child = startIn(ns.name, [fake, '1000'])
  const name = () => readFileSync(`/proc/${child.pid}/comm`, 'utf8')
  await expect.poll(name).toBe('keepalived\n')
  return child
}

/** Nobody sees it any more then. */
async function end(child: ChildProcess): Promise<void> {
  const closed = once(child, 'close')
  endGroup(child)
  await closed
}

/** The director routes between the client and the server, and has the virtual address. */
function connect(ns: Namespace, device: string, net: string): void {
  director.run([
    'ip',
    'link',
    'add',
    device,
    'type',
    'veth',
    'peer',
    'name',
    'eth0',
    'netns',
    ns.name,
  ])
  director.run(['ip', 'addr', 'add', `${net}.254/24`, 'dev', device])
  director.run(['ip', 'link', 'set', device, 'up'])
  ns.run(['ip', 'addr', 'add', `${net}.1/24`, 'dev', 'eth0'])
  ns.run(['ip', 'link', 'set', 'eth0', 'up'])
  ns.run(['ip', 'route', 'add', 'default', 'via', `${net}.254`])
}

const WELL = [
  `ip link set lo up; ip addr replace ${VIP}/32 dev lo; ipvsadm --set 900 120 300; sysctl -qw net.ipv4.ip_forward=1`,
  ...[
    'expire_nodest_conn=1',
    'expire_quiescent_template=1',
    'conntrack=0',
    'run_estimation=1',
    'backup_only=0',
  ].map((one) => `net.ipv4.vs.${one}`),
  ...[
    'all.rp_filter',
    'eth1.rp_filter',
    'eth2.rp_filter',
    'all.arp_ignore',
    'all.arp_announce',
  ].map((one) => `net.ipv4.conf.${one}=0`),
].join(' ')

/** A service of one server behind it. */
const served = (words: string, ports = '', how = '-m'): string =>
  `ipvsadm -A ${words}; ipvsadm -a ${words.replace(/ -[spob] .*/, '')} -r 10.8.2.1${ports} ${how}`

interface Case {
  readonly rule: string
  /** Lines for the shell of the director, or more. */
  readonly wrong: string | (() => void)
  /** What has to be put into the commands that the finding names. */
  readonly fill?: (command: string) => string
}

/** Fills the connection table with an entry for each port. */
const send = (from: number, count: number): void => {
  client.run([process.execPath, programPath('send.mjs'), VIP, '5300', String(from), String(count)])
}

const cases: readonly Case[] = [
  {
    rule: 'expire-nodest-conn',
    wrong: `${served(`${UDP} -s rr`)}; sysctl -qw net.ipv4.vs.expire_nodest_conn=0`,
  },
  { rule: 'ip-forward', wrong: `${served(`${TCP} -s rr`)}; sysctl -qw net.ipv4.ip_forward=0` },
  {
    rule: 'expire-quiescent-template',
    wrong: `${served(`${TCP} -s rr -p 60`)}; sysctl -qw net.ipv4.vs.expire_quiescent_template=0`,
  },
  { rule: 'conntrack', wrong: `${served(`${UDP} -s rr`)}; sysctl -qw net.ipv4.vs.conntrack=1` },
  { rule: 'no-local-address', wrong: `${served(`${TCP} -s rr`)}; ip addr del ${VIP}/32 dev lo` },
  {
    rule: 'no-route',
    wrong: `ipvsadm -A ${TCP}; ipvsadm -a ${TCP} -r 203.0.113.7 -m`,
    fill: (command) => command.replace('GATEWAY', '10.8.2.1'),
  },
  { rule: 'loopback-down', wrong: 'ip link set lo down' },
  { rule: 'one-packet-masquerade', wrong: served(`${UDP} -s rr -o`) },
  { rule: 'one-packet-scheduler', wrong: served(`${UDP} -s wlc -o`, '', '-g') },
  { rule: 'one-packet-persistence', wrong: served(`${UDP} -s rr -o -p 60`, '', '-g') },
  {
    rule: 'one-packet-talk',
    wrong: `ipvsadm -A -u ${VIP}:5060 -s rr -o; ipvsadm -a -u ${VIP}:5060 -r 10.8.2.1 -g; ipvsadm -a -u ${VIP}:5060 -r 10.8.2.2 -g`,
  },
  {
    rule: 'one-packet-late',
    wrong: () => {
      sh(director, served(`${UDP} -s rr`, '', '-g'))
      send(20_000, 2)
      sh(director, `ipvsadm -E ${UDP} -s rr -o`)
    },
  },
  {
    rule: 'udp-weight-0',
    wrong: () => {
      sh(director, served(`${UDP} -s rr`))
      send(20_010, 2)
      sh(director, `ipvsadm -e ${UDP} -r 10.8.2.1 -m -w 0`)
    },
  },
  {
    rule: 'udp-thresholds',
    wrong: `${served(`${UDP} -s rr`)}; ipvsadm -e ${UDP} -r 10.8.2.1 -m -x 10`,
  },
  {
    rule: 'hash-refuses',
    wrong: `${served(`${TCP} -s sh`)}; ipvsadm -a ${TCP} -r 10.8.2.2 -m -w 0`,
  },
  {
    rule: 'port-0',
    wrong: () => {
      // ipvsadm refuses it, the kernel does not (linux/ip_vs.h: struct ip_vs_service_user, IP_VS_SO_SET_ADD).
      const fields = `pack('S x2 C4 n x2 L a16 L L C4', 6, 192, 0, 2, 1, 0, 0, 'rr', 0, 0, 255, 255, 255, 255)`
      const set = `socket(S, 2, 3, 255) or die; setsockopt(S, 0, 1154, ${fields}) or die $!`
      director.run(['perl', '-e', set])
      sh(director, `ipvsadm -a -t ${VIP}:0 -r 10.8.2.1:0 -m`)
    },
  },
  {
    rule: 'nobody-serves',
    wrong: `${served(`${TCP} -s rr`)}; ipvsadm -e ${TCP} -r 10.8.2.1 -m -w 0`,
  },
  {
    rule: 'nobody-serves',
    wrong: `ipvsadm -A ${TCP} -s rr`,
    fill: (command) => command.replace('SERVER', '10.8.2.1'),
  },
  {
    rule: 'rp-filter',
    wrong: () => {
      sh(director, `${served(`${UDP} -s rr`)}; sysctl -qw net.ipv4.conf.eth1.rp_filter=1`)
      // An address that the director looks for on the other side: it does not answer who asks for its own by that.
      const [link] = JSON.parse(director.run(['ip', '-j', 'link', 'show', 'eth1']))
      sh(client, `ip neigh replace 10.8.1.254 lladdr ${link.address} dev eth0 nud permanent`)
      sh(client, 'ip addr add 10.8.2.99/32 dev lo')
      const line = `require('dgram').createSocket('udp4').bind(0, '10.8.2.99', function () { this.send('x', 5300, '${VIP}', () => this.close()) })`
      client.run([process.execPath, '-e', line])
      sh(client, 'ip addr del 10.8.2.99/32 dev lo')
    },
  },
  {
    rule: 'arp',
    wrong: `ipvsadm -A ${TCP} -s rr; ipvsadm -a ${TCP} -r 10.8.2.254 -g; ipvsadm --start-daemon backup --mcast-interface eth1`,
  },
  {
    rule: 'backup-only',
    wrong:
      'ipvsadm --start-daemon backup --mcast-interface eth1; ipvsadm --start-daemon master --mcast-interface eth1; sysctl -qw net.ipv4.vs.backup_only=1',
  },
  {
    rule: 'sync-short-udp',
    wrong: `${served(`${UDP} -s rr`)}; ipvsadm --start-daemon backup --mcast-interface eth1`,
  },
  { rule: 'run-estimation', wrong: 'sysctl -qw net.ipv4.vs.run_estimation=0' },
]

const gone = (from: readonly Finding[], rule: string) => from.filter((one) => one.rule === rule)

const permission = process.allowedNodeEnvironmentFlags.has('--permission')
  ? '--permission'
  : '--experimental-permission'

labSuite('ipvs doctor', () => {
  const programs: ChildProcess[] = []

  beforeAll(async () => {
    director = namespace()
    client = namespace()
    server = namespace()
    connect(client, 'eth1', '10.8.1')
    connect(server, 'eth2', '10.8.2')
    resident = startIn(director.name, [process.execPath, programPath('doctor.mjs')])
    resident.stderr!.pipe(process.stderr)
    programs.push(resident)
    answers = createInterface({ input: resident.stdout! })[Symbol.asyncIterator]()
    const words = [process.execPath, programPath('names.mjs'), 'server', '5300', '10.8.2.1']
    const program = startIn(server.name, words)
    programs.push(program)
    await new Promise((resolve) => program.stdout!.once('data', resolve))
  })
  beforeEach(() => {
    sh(
      director,
      `ipvsadm -C; ipvsadm --stop-daemon master || true; ipvsadm --stop-daemon backup || true; ${WELL}`,
    )
  })
  afterAll(() => {
    for (const program of programs) endGroup(program)
    for (const ns of [director, client, server]) ns?.close()
  })

  test('a director with nothing wrong is told so', () => {
    sh(director, `${served(`${UDP} -s rr`)}; ${served(`${TCP} -s rr`)}`)
    const { status, report } = run()
    expect(report.findings).toEqual([])
    expect(status).toBe(0)
    expect(report.table).toEqual({ from: 'netlink', services: 2, servers: 2 })
  })

  test.each(cases)(
    '$rule is found, and gone when its commands have run',
    async ({ rule, wrong, fill }) => {
      if (typeof wrong === 'string') sh(director, wrong)
      else wrong()
      const { report } = await examine()
      const [finding] = gone(report.findings, rule)
      expect(finding, JSON.stringify(report.findings)).toBeDefined()
      for (const line of finding!.commands) sh(director, fill?.(line) ?? line)
      expect(gone((await examine()).report.findings, rule)).toEqual([])
    },
  )

  test('idle TCP that will be cut is found, and gone with a longer timeout', async () => {
    sh(director, `${served(`${TCP} -s rr`)}; ipvsadm --set 60 120 300`)
    const words = [
      process.execPath,
      '-e',
      `require('net').connect(5300, '${VIP}', () => console.log('up')).on('data', () => {}); process.stdin.resume().on('end', () => process.exit())`,
    ]
    const holder = startIn(client.name, words)
    programs.push(holder)
    await new Promise((resolve) => holder.stdout!.once('data', resolve))
    // What the entry was given counts.
    sh(director, 'ipvsadm --set 900 120 300')
    const [finding] = gone((await examine()).report.findings, 'tcp-timeout')
    expect(finding).toMatchObject({ severity: 'note', about: [`tcp ${VIP}:5300`] })
    for (const line of finding!.commands) sh(director, line)
    expect((await examine()).rules).not.toContain('tcp-timeout')
    await end(holder)
  })

  test('another owner leaves an interface, and a process', async () => {
    director.run(['ip', 'link', 'add', 'kube-ipvs0', 'type', 'dummy'])
    const keepalived = await keepalivedIn(director)
    const elsewhere = await keepalivedIn(client)
    const { report } = await examine()
    director.run(['ip', 'link', 'del', 'kube-ipvs0'])
    await end(keepalived)
    expect(report.findings).toMatchObject([
      {
        rule: 'other-owner',
        about: [`keepalived (process ${keepalived.pid})`, 'kube-proxy (interface kube-ipvs0)'],
      },
    ])
    const after = await examine()
    await end(elsewhere)
    expect(after.rules).toEqual([])
  })

  describe('--probe', () => {
    test('finds a server that has lost the virtual address, and one where nobody listens', async () => {
      sh(
        director,
        `${served(`${TCP} -s rr`, '', '-g')}; ${served(`-t ${VIP}:5399 -s rr`, '', '-g')}; ${served(`-u ${VIP}:53 -s rr`, '', '-g')}; sysctl -qw net.ipv4.conf.all.accept_local=1`,
      )
      // Without --probe nobody is asked.
      expect((await examine()).rules).toEqual([])
      const [silent] = gone((await examine('probe')).report.findings, 'server-without-address')
      expect([...silent!.about].sort()).toEqual([
        `tcp ${VIP}:5300 -> 10.8.2.1:5300`,
        `tcp ${VIP}:5399 -> 10.8.2.1:5399`,
        `udp ${VIP}:53 -> 10.8.2.1:53`,
      ])
      const [line] = silent!.commands
      sh(server, line!.replace('ssh 10.8.2.1 ', ''))
      const { rules, report } = await examine('probe')
      expect(rules).toEqual(['server-refuses'])
      expect([...report.findings[0]!.about].sort()).toEqual([
        `tcp ${VIP}:5399 -> 10.8.2.1:5399`,
        `udp ${VIP}:53 -> 10.8.2.1:53`,
      ])
      // What it has programmed is gone.
      expect(director.rules().filter((rule) => rule.includes('-f '))).toEqual([])
      sh(server, `ip addr del ${VIP}/32 dev lo`)
    })

    test('says what keeps it from asking', async () => {
      sh(
        director,
        `${served(`${TCP} -s rr`, '', '-g')}; sysctl -qw net.ipv4.conf.all.accept_local=0`,
      )
      expect((await examine('probe')).report.notLookedAt).toContainEqual({
        what: 'the virtual address on the servers',
        because: expect.stringContaining('accept_local=1'),
      })
    })
  })

  describe('a file', () => {
    test('counts as the table does', () => {
      writeFileSync(
        path.join(director.folder, 'wanted'),
        `-A -u ${VIP}:53 -s wlc -o\n-a -u ${VIP}:53 -r 10.8.2.1:53 -g -w 1\n`,
      )
      expect(run('wanted').rules).toEqual(['one-packet-scheduler'])
      expect(director.rules()).toEqual([])
    })

    test('may want a scheduler that the kernel does not get, until it is loaded', () => {
      sh(
        director,
        `modprobe -r ip_vs_ovf; cat /proc/sys/kernel/modprobe > loader; echo /bin/false > /proc/sys/kernel/modprobe`,
      )
      writeFileSync(
        path.join(director.folder, 'wanted'),
        `-A ${TCP} -s ovf\n-a ${TCP} -r 10.8.2.1:5300 -m -w 1\n`,
      )
      try {
        const [finding] = run('wanted').report.findings
        expect(finding).toMatchObject({ rule: 'no-scheduler', about: [`tcp ${VIP}:5300 (ovf)`] })
        for (const line of finding!.commands) sh(director, line)
        expect(run('wanted').rules).toEqual([])
      } finally {
        sh(director, 'cat loader > /proc/sys/kernel/modprobe')
      }
    })
  })

  describe('--fix', () => {
    test('with --yes it sets what is safe, and says so', () => {
      sh(
        director,
        `${served(`${UDP} -s rr`)}; sysctl -qw net.ipv4.vs.expire_nodest_conn=0 net.ipv4.vs.conntrack=1`,
      )
      const { status, report } = run('--fix --yes')
      expect(report.fixed).toEqual([{ name: 'net.ipv4.vs.expire_nodest_conn', value: 1 }])
      // Somebody's rules may need it.
      expect(report.findings.map(({ rule }) => rule)).toEqual(['conntrack'])
      expect(status).toBe(1)
      expect(
        sh(director, 'sysctl -n net.ipv4.vs.expire_nodest_conn net.ipv4.vs.conntrack')
          .split('\n')
          .slice(0, 2),
      ).toEqual(['1', '1'])
    })

    test('without a terminal and without --yes it does nothing, which is bad usage', async () => {
      sh(director, `${served(`${UDP} -s rr`)}; sysctl -qw net.ipv4.vs.expire_nodest_conn=0`)
      const said = sh(
        director,
        `set +e; ${process.execPath} ${main} doctor --fix 2>&1; echo "exit $?"`,
      )
      expect(said).toMatch(/there is no terminal to ask on.*\nexit 2\n$/)
      expect((await examine()).rules).toEqual(['expire-nodest-conn'])
    })

    test('on a terminal it asks before each, and a no is a no', async () => {
      sh(
        director,
        `${served(`${UDP} -s rr -p 60`)}; sysctl -qw net.ipv4.vs.expire_nodest_conn=0 net.ipv4.vs.expire_quiescent_template=0`,
      )
      const line = `${process.execPath} ${main} doctor --fix`
      const terminal = startIn(director.name, ['script', '-qec', line, '/dev/null'])
      programs.push(terminal)
      let said = ''
      const words = ['y\n', 'n\n']
      for await (const chunk of terminal.stdout!) {
        said += chunk
        const asked = said.split('[y/N]').length - 1
        if (asked + words.length > 2) terminal.stdin!.write(words.shift()!)
      }
      expect(said).toContain('sysctl -w net.ipv4.vs.expire_nodest_conn=1   Do it? [y/N]')
      expect((await examine()).rules).toEqual(['expire-quiescent-template'])
    })
  })

  describe('who may not', () => {
    test('is told so, and reads what everybody may', async () => {
      sh(director, `${served(`${UDP} -s wlc`)}`)
      const keepalived = await keepalivedIn(director)
      const { status, report, rules } = run('', {
        before: 'setpriv --reuid 65534 --clear-groups',
      })
      await end(keepalived)
      expect(rules).toEqual(['permission'])
      expect(report.table).toMatchObject({ from: '/proc/net/ip_vs', services: 1 })
      expect(report.notLookedAt.map(({ what }) => what)).toEqual(
        expect.arrayContaining(['timeouts', 'thresholds']),
      )
      // Whose namespace it is in, root alone may see.
      expect(report.notLookedAt).toContainEqual({
        what: 'processes',
        because: `/proc/${keepalived.pid}/ns/net: not permitted`,
      })
      expect(status).toBe(1)
    })

    test.each([
      ['in a user namespace', 'user-namespace', { before: 'unshare -Ur' }],
      [
        'without the right to load addons',
        'addons-disabled',
        { node: `${permission} --allow-fs-read=* --allow-child-process` },
      ],
      ['without an addon that fits', 'no-binary', { before: 'IPVS_ADDON=/nowhere.node' }],
    ] as const)('%s', (_, rule, how) => {
      const { status, rules } = run('', how)
      expect(rules).toContain(rule)
      expect(status).toBe(1)
    })
  })

  test('--netns looks into another namespace: at its settings too', () => {
    sh(director, `${served(`${UDP} -s rr`)}; sysctl -qw net.ipv4.vs.expire_nodest_conn=0`)
    for (const netns of [director.name, String(director.pid), `/run/netns/${director.name}`]) {
      const line = `set +e; ${process.execPath} ${main} doctor --json --netns ${netns}; echo "exit $?"`
      const said = sh(client, line)
      expect(said).toMatch(/"expire-nodest-conn"[\s\S]*exit 1\n$/)
    }
    const nowhere = sh(
      client,
      `set +e; ${process.execPath} ${main} doctor --netns nowhere 2>&1; echo "exit $?"`,
    )
    expect(nowhere).toMatch(/no network namespace nowhere.*\nexit 2\n$/)
  })

  test('a machine with ten things wrong is told as docs/doctor.md shows it', () => {
    const [dns, web, sip, hash] = ['-u 192.0.2.53:53', TCP, `-u ${VIP}:5060`, `-t ${VIP}:443`]
    const lines = [
      `ipvsadm -A ${dns} -s wrr; ipvsadm -a ${dns} -r 10.8.2.1 -m; ipvsadm -a ${dns} -r 203.0.113.9 -m`,
      `ipvsadm -A ${web} -s rr -p 300; ipvsadm -a ${web} -r 10.8.2.1 -m -w 0`,
      `ipvsadm -A ${sip} -s wlc -o; ipvsadm -a ${sip} -r 10.8.2.1 -m; ipvsadm -a ${sip} -r 10.8.2.2 -m`,
      `ipvsadm -A ${hash} -s sh; ipvsadm -a ${hash} -r 10.8.2.1 -g; ipvsadm -a ${hash} -r 10.8.2.2 -g -w 0`,
      'sysctl -qw net.ipv4.ip_forward=0 net.ipv4.vs.expire_nodest_conn=0 net.ipv4.vs.expire_quiescent_template=0',
    ]
    sh(director, lines.join(';'))
    const text = sh(director, `${process.execPath} ${main} doctor || true`)
      .replace(/^Linux \S+,/, 'Linux 7.2,')
      // What the machine happens to have.
      .replace(/Could not be looked at:\n( +.*\n)+\n/, '')
    const page = readFileSync(new URL('../../docs/doctor.md', import.meta.url), 'utf8')
    expect(text).toBe(/```text\n([\s\S]*?)```/.exec(page)?.[1])
    expect(text.match(/^(error|warning|note) /gm)).toHaveLength(10)
    for (const line of text.split('\n'))
      if (!line.includes('$ ')) expect(line.length).toBeLessThanOrEqual(80)
  })

  // The last one: it takes the module out of the kernel.
  test('a hash table too small for its connections is found, and gone when the module is loaded anew; without it there is no IPVS', async () => {
    sh(director, served(`${UDP} -s rr`, '', '-g'))
    for (let from = 10_000; from < 19_000; from += 1000) send(from, 1000)
    const [finding] = gone((await examine()).report.findings, 'hash-size')
    expect(finding?.what).toMatch(/^[89]\d\d\d connections .* 4096 rows/)
    // The guest's /etc is the host's, and cannot be written.
    sh(director, 'mkdir -p /run/modprobe.d')
    for (const line of finding!.commands)
      sh(director, line.replace('/etc/modprobe.d', '/run/modprobe.d'))
    sh(director, WELL)
    expect((await examine()).rules).toEqual([])
    expect(sh(director, 'cat /sys/module/ip_vs/parameters/conn_tab_bits').trim()).toBe(
      /=(\d+)'/.exec(finding!.commands[0]!)![1],
    )

    sh(
      director,
      'rm /run/modprobe.d/ip_vs.conf; ipvsadm -C; modprobe -r $(ls /sys/module/ip_vs/holders) ip_vs; cat /proc/sys/kernel/modprobe > loader; echo /bin/false > /proc/sys/kernel/modprobe',
    )
    expect(existsSync('/sys/module/ip_vs')).toBe(false)
    const { status, rules, report } = run()
    expect([status, rules]).toEqual([3, ['no-module']])
    const others = `for word in list save watch; do ${process.execPath} ${main} $word 2>&1; echo "exit $?"; done`
    expect(sh(director, `set +e; ${others}`)).toMatch(
      /^(ipvs \w+: .*modprobe ip_vs.*\nexit 3\n){3}$/,
    )
    sh(director, 'cat loader > /proc/sys/kernel/modprobe')
    command(['sh', '-c', report.findings[0]!.commands[0]!])
    sh(director, WELL)
    expect((await examine()).rules).toEqual([])
  })
})
