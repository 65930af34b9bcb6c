// What each command prints on the real kernel, and how it ends.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { createInterface } from 'node:readline'
import { describe, expect, test } from 'vitest'
import { kernelSuite } from '../../../lab/guest/suite.js'
import { parseRules, tableDigest } from '../../../src/rules/index.js'
import { ipvs as client, ns, setUp } from '../setup.js'
import { bin, ipvs } from './command.js'
import { json } from './schemas.js'

const RULES = `-A -t 192.0.2.80:80 -s wlc -p 300
-a -t 192.0.2.80:80 -r 10.1.0.1:80 -m -w 1
-A -u 192.0.2.53:53 -s wrr -o
-a -u 192.0.2.53:53 -r 10.1.0.1:53 -g -w 1
-a -u 192.0.2.53:53 -r 10.1.0.2:53 -g -w 0
`
/** By what the kernel makes of an order of its own. */
const sorted = (text: string) => text.split('\n').filter(Boolean).sort()

kernelSuite('the command', () => {
  setUp()

  const here = (...words: string[]) => ipvs([...words, '--netns', ns.name])
  const make = (rules = RULES) => client.reconcile(parseRules(rules), { prune: true })
  const file = (name: string, text: string) => {
    const at = path.join(ns.folder, name)
    writeFileSync(at, text)
    return at
  }
  const done = (stdout: string, status = 0) => ({ status, stdout, stderr: '' })

  describe('list', () => {
    test('shows services with their destinations', async () => {
      await make()
      const { status, stdout, stderr } = here('list', '192.0.2.53')
      expect([status, stderr]).toEqual([0, ''])
      expect(sorted(stdout)).toEqual(
        [
          '  10.1.0.1:53      direct          1       0         0',
          '  10.1.0.2:53      direct          0       0         0',
          'SERVICE            SCHEDULER  WEIGHT  ACTIVE  INACTIVE',
          'udp 192.0.2.53:53  wrr ops'.padEnd(27),
        ].map((line) =>
          expect.stringMatching(new RegExp(`^${line.trimEnd().replaceAll('.', '\\.')}\\s*$`)),
        ),
      )
    })

    test('has columns for thresholds, counters and rates', async () => {
      await make()
      const { stdout } = here('list', '--thresholds', '--stats', '--rates')
      expect(stdout.split('\n')[0]!.split(/\s+/)).toEqual([
        ...['SERVICE', 'SCHEDULER', 'WEIGHT', 'ACTIVE', 'INACTIVE', 'UPPER', 'LOWER'],
        ...['CONNS', 'IN-PKTS', 'OUT-PKTS', 'IN-BYTES', 'OUT-BYTES'],
        ...['CONN/S', 'IN-PKT/S', 'OUT-PKT/S', 'IN-B/S', 'OUT-B/S'],
      ])
    })

    test('has colours where they are wanted, and none with --no-color, NO_COLOR and in a pipe', async () => {
      await make()
      const words = ['list', '--netns', ns.name]
      const color = { FORCE_COLOR: '1' }
      expect(ipvs(words, { env: color }).stdout).toContain('\x1b[33m  10.1.0.2:53')
      for (const plain of [
        ipvs(words),
        ipvs([...words, '--no-color'], { env: color }),
        ipvs(words, { env: { ...color, NO_COLOR: '1' } }),
      ]) {
        expect(plain.stdout).not.toContain('\x1b')
      }
    })

    test('--json is what a snapshot has in the columns that are shown', async () => {
      await make()
      const listed = (...words: string[]) => {
        const { services, ...rest } = json('list', here('list', '--json', ...words).stdout)
        expect(rest).toEqual({ source: 'kernel', lacks: [] })
        return services
      }
      const hidden: string[] = []
      const snapshot = await client.snapshot()
      const wanted = () =>
        JSON.parse(JSON.stringify(snapshot.services), (key, value) =>
          hidden.includes(key) ? undefined : value,
        )
      expect(listed('--stats', '--thresholds')).toEqual(wanted())
      hidden.push('upperThreshold', 'lowerThreshold')
      expect(listed('--rates')).toEqual(wanted())
      hidden.push('stats', 'persistentConnections')
      expect(listed()).toEqual(wanted())
    })

    test('an empty table is a heading', () => {
      expect(here('list').stdout).toMatch(/^SERVICE.*\n$/)
      expect(json('list', here('list', '--json').stdout).services).toEqual([])
    })

    test('shows connections, one by one', async () => {
      await make('-A -u 127.0.0.1:5353 -s rr\n-a -u 127.0.0.1:5353 -r 127.0.0.1:5354 -m -w 1\n')
      const send = `const s = require('dgram').createSocket('udp4'); s.send('x', 5353, '127.0.0.1', () => s.close())`
      ns.run([process.execPath, '-e', send])
      expect(here('list', '--connections').stdout).toMatch(
        /^PROTO .*\nudp +\d+s +UDP +127\.0\.0\.1:\d+ +127\.0\.0\.1:5353 +127\.0\.0\.1:5354\n$/,
      )
      const { stdout } = here('list', '--connections', '--json', 'udp/127.0.0.1:5353')
      expect(json('connection', stdout)).toMatchObject({ protocol: 'udp', service: { port: 5353 } })
      expect(here('list', '--connections', '--json', 'tcp/127.0.0.1').stdout).toBe('')
    })

    test('shows what somebody saved: rules, a listing, /proc/net/ip_vs, JSON', async () => {
      await make()
      const services = here('list').stdout
      const from = (text: string) => ipvs(['list', '--from', '-'], { input: text })
      const names = (text: string) => sorted(text).map((line) => line.replace(/ {2,}.*/, '').trim())
      for (const text of [
        ns.ipvsadm('-Ln'),
        ns
          .ipvsadm('-Sn')
          .replaceAll(/^/gm, '/sbin/ipvsadm ')
          .replace(/\/sbin\/ipvsadm $/, ''),
        ns.proc(),
        here('save', '--json').stdout,
      ]) {
        const { status, stdout, stderr } = from(text)
        expect([status, stderr], text).toEqual([0, ''])
        expect(names(stdout)).toEqual(names(services))
      }
      json(
        'list',
        ipvs(['list', '--from', '-', '--json'], { input: ns.ipvsadm('-Ln', '--stats') }).stdout,
      )
    })
  })

  describe('save and restore', () => {
    test('what is saved is restored, and nothing is printed', async () => {
      await make()
      const saved = here('save')
      expect(saved.stderr).toBe('')
      expect(sorted(saved.stdout)).toEqual(sorted(RULES))
      await client.flush()
      expect(ipvs(['restore', '--netns', ns.name], { input: saved.stdout })).toEqual(done(''))
      expect(ns.rules()).toEqual(sorted(RULES))
      expect(here('restore', file('rules', RULES))).toEqual(done(''))
    })

    test('--prune removes what the rules do not have, and only that', async () => {
      await make()
      const one = RULES.split('\n').slice(0, 2).join('\n')
      expect(here('restore', file('rules', one))).toEqual(done(''))
      expect(ns.rules()).toEqual(sorted(RULES))
      expect(here('restore', '--prune', file('rules', one))).toEqual(done(''))
      expect(ns.rules()).toEqual(sorted(one))
    })

    test('--json of save is a table that restore reads, and --json of restore says what was done', async () => {
      await make()
      const { stdout } = here('save', '--json')
      expect(json('save', stdout).services).toHaveLength(2)
      await client.flush()
      const { stdout: said } = ipvs(['restore', '--json', '--netns', ns.name], { input: stdout })
      expect(json('apply', said)).toMatchObject({ total: 5, applied: 5, failed: 0 })
      expect(ns.rules()).toEqual(sorted(RULES))
    })
  })

  describe('diff and apply', () => {
    const TABLE = `services:
  - protocol: udp
    address: 192.0.2.53
    port: 53
    scheduler: wrr
    onePacket: true
    destinations:
      - { address: 10.1.0.1, port: 53, forwarding: direct, weight: 5 }
      - { address: 10.1.0.3, port: 53, forwarding: direct }
  - { fwmark: 7, scheduler: rr, destinations: [] }
`
    const CHANGES = `- udp 192.0.2.53:53 > 10.1.0.2:53
~ udp 192.0.2.53:53 > 10.1.0.1:53  weight 1 -> 5
+ udp 192.0.2.53:53 > 10.1.0.3:53  direct  weight 1
+ fwmark 7 ipv4  rr
`
    const AFTER = [
      '-A -f 7 -s rr',
      '-A -u 192.0.2.53:53 -s wrr -o',
      '-a -u 192.0.2.53:53 -r 10.1.0.1:53 -g -w 5',
      '-a -u 192.0.2.53:53 -r 10.1.0.3:53 -g -w 1',
    ]

    test('a difference is shown, then applied, then gone', async () => {
      await make()
      const digest = `digest ${tableDigest(await client.snapshot())}\n`
      const table = file('table.yaml', TABLE)
      expect(here('diff', table)).toEqual(done(CHANGES + digest, 1))
      expect(here('apply', '--dry-run', table)).toEqual(done(CHANGES + digest, 1))
      expect(ns.rules()).toEqual(sorted(RULES))
      expect(here('apply', table)).toEqual(done(CHANGES))
      expect(ns.rules()).toEqual(expect.arrayContaining(AFTER))
      expect(ns.rules()).toHaveLength(6)
      const after = `digest ${tableDigest(await client.snapshot())}\n`
      expect(here('diff', table)).toEqual(done(after))
      expect(here('apply', '--dry-run', table)).toEqual(done(after))
      expect(here('apply', table)).toEqual(done(''))
    })

    test('--prune is about services that the file does not have', async () => {
      await make()
      const table = file('table.yaml', TABLE)
      expect(here('diff', '--prune', table).stdout).toMatch(
        /^- tcp 192\.0\.2\.80:80 > 10\.1\.0\.1:80\n- tcp 192\.0\.2\.80:80\n/,
      )
      expect(here('apply', '--prune', table).status).toBe(0)
      expect(ns.rules()).toEqual(AFTER)
    })

    test('--if does what was looked at, or nothing', async () => {
      await make()
      const table = file('table.yaml', TABLE)
      const { digest } = json('diff', here('diff', '--json', table).stdout)
      await client.updateDestination(
        { protocol: 'udp', address: '192.0.2.53', port: 53 },
        { address: '10.1.0.1', port: 53 },
        { weight: 2 },
      )
      const before = ns.rules()
      const { status, stdout, stderr } = here('apply', table, '--if', digest)
      expect([status, stdout]).toEqual([1, ''])
      expect(stderr).toMatch(
        /^ipvs apply: the table is not the one with digest \w+: this one has \w+\. Nothing was changed\./,
      )
      expect(ns.rules()).toEqual(before)
      const now = tableDigest(await client.snapshot())
      expect(here('apply', table, '--if', now, '--dry-run').status).toBe(1)
      expect(here('apply', table, '--if', now).status).toBe(0)
      expect(ns.rules()).toEqual(expect.arrayContaining(AFTER))
    })

    test('--json says what differs and what was done', async () => {
      await make()
      const table = file('table.yaml', TABLE)
      const { source, changes } = json('diff', here('diff', '--json', table).stdout)
      expect(source).toBe('kernel')
      expect(changes[1]).toEqual({
        type: 'destination-changed',
        service: expect.objectContaining({ protocol: 'udp', scheduler: 'wrr' }),
        destination: expect.objectContaining({ address: '10.1.0.1', weight: 5 }),
        differences: [{ field: 'weight', before: 1, after: 5 }],
      })
      const applied = json('apply', here('apply', '--json', table).stdout)
      expect(applied).toMatchObject({ total: 4, applied: 4, failed: 0, errors: [] })
      expect(applied.changes).toEqual(changes)
    })

    test('what the kernel refuses is said, and the rest is done', async () => {
      const table = file('table', `${RULES}-A -f 9 -s nosuch\n`)
      const { status, stdout, stderr } = here('apply', table)
      expect(status).toBe(1)
      expect(stdout).toMatch(/^\+ tcp 192\.0\.2\.80:80 {2}wlc/)
      expect(stdout).not.toContain('fwmark 9')
      expect(stderr).toMatch(
        /^ipvs apply: 1 of 6 changes could not be made\. The others are made\..*\n {2}.*nosuch/,
      )
      expect(ns.rules()).toEqual(sorted(RULES))
      const refused = json('apply', here('apply', '--json', table).stdout)
      expect(refused).toMatchObject({ total: 1, failed: 1 })
      expect(refused.errors).toMatchObject([
        { code: 'ERR_IPVS_NO_SCHEDULER', place: 'fwmark 9 ipv4' },
      ])
    })
  })

  describe('watch', () => {
    /** Runs it, changes something once it looks, and ends it with a signal. */
    async function watch(signal: NodeJS.Signals, ...words: string[]) {
      const args = [bin, 'watch', '--interval', '20ms', '--netns', ns.name, ...words]
      const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'] })
      let said = ''
      child.stderr.on('data', (chunk) => {
        said += chunk
      })
      const lines: string[] = []
      const ended = once(child, 'exit')
      const change = setInterval(() => {
        const weight = 1 + Math.floor(Math.random() * 1000)
        client
          .updateDestination(
            { protocol: 'udp', address: '192.0.2.53', port: 53 },
            { address: '10.1.0.1', port: 53 },
            { weight },
          )
          .catch(() => {})
      }, 100)
      for await (const line of createInterface({ input: child.stdout })) {
        lines.push(line)
        if (lines.length === 1) clearInterval(change)
        child.kill(signal)
      }
      clearInterval(change)
      return { status: (await ended)[0], line: lines[0]!, said }
    }

    test.each(['SIGINT', 'SIGTERM'] as const)(
      'tells a change in a line, and ends with %s',
      async (signal) => {
        await make()
        const { status, line, said } = await watch(signal)
        expect([status, said]).toEqual([0, ''])
        expect(line).toMatch(
          /^\d{4}-\d\d-\d\dT[\d:.]+Z ~ udp 192\.0\.2\.53:53 > 10\.1\.0\.1:53 {2}weight \d+ -> \d+$/,
        )
      },
    )

    test('--json is a document a line', async () => {
      await make()
      const { line } = await watch('SIGTERM', '--json')
      expect(json('watch', `${line}\n`)).toMatchObject({ type: 'destination-changed' })
    })
  })

  describe('import', () => {
    const conf = `virtual_server 192.0.2.53 53 {
  lb_algo wrr
  lb_kind DR
  protocol TCP
  @east delay_loop 3
  include parts/*.conf
}
`
    const part = (words: string) => `real_server 10.1.0.1 53 {\n  ${words}\n  TCP_CHECK {\n  }\n}\n`

    test('YAML on stdout, what was not carried over on stderr', () => {
      mkdirSync(path.join(ns.folder, 'parts'), { recursive: true })
      file('parts/one.conf', part('weitht 3'))
      const at = file('keepalived.conf', conf)
      const { status, stdout, stderr } = ipvs(['import', at, '--id', 'east'])
      expect([status, stderr]).toEqual([
        1,
        `${ns.folder}/parts/one.conf:2: weitht: keepalived knows no such word in real_server (did you mean "weight"?), and ignores the line; so does this. Mend the word, and import again.\n`,
      ])
      expect(stdout).toMatch(/^ {4}check: \{ tcp: \{\}, interval: 3s, /m)
      expect(ipvs(['import', at, '--id', 'west']).stdout).toMatch(/interval: 60s/)
      const document = json('import', ipvs(['import', at, '--json']).stdout)
      expect(document.notes).toMatchObject([{ line: 2, word: 'weitht' }])
      expect(document.document.pools.dns.servers).toEqual(['10.1.0.1'])
    })

    test('--vrrp is what stays with keepalived, with the FIFO by which the director hears of it', () => {
      const input = `global_defs {
  lvs_sync_daemon eth1 VI_1
}
vrrp_instance VI_1 {
  virtual_router_id 51
}
virtual_server 192.0.2.53 53 {
  protocol TCP
${part('weight 3')}}
`
      expect(ipvs(['import', '-', '--vrrp'], { input })).toEqual({
        status: 0,
        stderr: '',
        stdout: `global_defs {
    vrrp_notify_fifo /run/keepalived/ipvs
}
vrrp_instance VI_1 {
  virtual_router_id 51
}
`,
      })
      const { document } = json('import', ipvs(['import', '-', '--json'], { input }).stdout)
      expect(document.role).toEqual({
        follow: { fifo: '/run/keepalived/ipvs', instance: 'VI_1' },
        sync: { interface: 'eth1', syncId: 51 },
      })
    })

    test('0 if all of it was carried over, and stdin will do', () => {
      const input = `virtual_server 192.0.2.53 53 {\n  protocol TCP\n${part('weight 3')}}\n`
      expect(ipvs(['import', '-'], { input })).toMatchObject({ status: 0, stderr: '' })
    })
  })
})
