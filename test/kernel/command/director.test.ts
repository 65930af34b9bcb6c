// The director on the real kernel, as a process of its own: what ipvsadm sees of it, whatever happens to it.
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { createInterface } from 'node:readline'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { kernelSuite } from '../../../lab/guest/suite.js'
import { ns, setUp } from '../setup.js'
import { bin, ipvs } from './command.js'
import { json } from './schemas.js'

const NOBODY = 65534
/** Slow machines start a process slowly. */
const soon = { timeout: 60_000, interval: 100 }

kernelSuite('the director', () => {
  setUp()

  let folder: string
  let director: ChildProcess | undefined
  let log: string[]

  beforeEach(() => {
    folder = path.join(ns.folder, `director-${Math.random().toString(36).slice(2)}`)
    spawnSync('mkdir', ['-m', '777', folder])
    log = []
  })
  afterEach(async () => {
    if (director?.exitCode === null && director.signalCode === null) {
      director.kill('SIGKILL')
      await once(director, 'exit')
    }
    director = undefined
  })

  const file = () => path.join(folder, 'director.yaml')
  const say = (...words: string[]) => ipvs([...words, '--control', path.join(folder, 'sock')])
  const write = (text: string, more = '') =>
    writeFileSync(file(), `${text}control: ${folder}/sock\nstate: ${folder}/state.json\n${more}`)

  /** Two pools of servers that nobody checks. */
  const twoPools = `defaults: { scheduler: wrr, forwarding: direct, reconcileInterval: 200ms }
pools:
  dns:
    fronts: ['192.0.2.53:53']
    servers: ['10.1.0.1', { address: 10.1.0.2, weight: 3 }]
  ldap:
    fronts: ['tcp/192.0.2.53:389']
    servers: ['10.2.0.1']
`
  const twoPoolsHeld = [
    '-A -t 192.0.2.53:389 -s wrr',
    '-A -t 192.0.2.53:53 -s wrr',
    '-A -u 192.0.2.53:53 -s wrr -o',
    '-a -t 192.0.2.53:389 -r 10.2.0.1:389 -g -w 1',
    '-a -t 192.0.2.53:53 -r 10.1.0.1:53 -g -w 1',
    '-a -t 192.0.2.53:53 -r 10.1.0.2:53 -g -w 3',
    '-a -u 192.0.2.53:53 -r 10.1.0.1:53 -g -w 1',
    '-a -u 192.0.2.53:53 -r 10.1.0.2:53 -g -w 3',
  ]

  /** Resolves when it answers at its socket. */
  async function start(
    words: readonly string[] = [],
    { under = [] as string[], env = {} as NodeJS.ProcessEnv } = {},
  ): Promise<ChildProcess> {
    const [command, ...args] = [...under, process.execPath, bin, 'run', file(), '--netns', ns.name]
    const child = spawn(command!, [...args, ...words], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { PATH: process.env.PATH, ...env },
    })
    director = child
    for (const stream of [child.stdout!, child.stderr!]) {
      createInterface({ input: stream }).on('line', (line) => log.push(line))
    }
    await expect
      .poll(() => [child.exitCode, say('state').status, log.slice(-3)], soon)
      .toEqual([null, 0, expect.anything()])
    return child
  }

  async function end(child: ChildProcess, signal: NodeJS.Signals = 'SIGTERM') {
    child.kill(signal)
    await once(child, 'exit')
    return child.exitCode
  }

  test('makes the table what the file says, puts right what others change, and leaves it', async () => {
    write(twoPools)
    expect(ipvs(['run', file(), '--check'])).toEqual({
      status: 0,
      stdout: `${file()} is right: 2 pools\n`,
      stderr: '',
    })
    expect(ns.rules()).toEqual([])
    const child = await start()
    expect(ns.rules()).toEqual(twoPoolsHeld)
    ns.ipvsadm('-C')
    await expect.poll(() => ns.rules(), soon).toEqual(twoPoolsHeld)
    expect(await end(child)).toBe(0)
    expect(ns.rules()).toEqual(twoPoolsHeld)
    expect(existsSync(path.join(folder, 'sock'))).toBe(false)
  })

  test('its role is what is said last, by a word, by keepalived, and it outlives kill -9', async () => {
    ns.run(['ip', 'link', 'add', 'sync0', 'type', 'dummy'])
    ns.run(['ip', 'address', 'add', '172.16.0.1/24', 'dev', 'sync0'])
    ns.run(['ip', 'link', 'set', 'sync0', 'up'])
    write(twoPools, 'role: { sync: { interface: sync0, syncId: 51 }, standby: withdraw }\n')
    const first = await start()
    const daemon = () => /^(master|backup) sync daemon/.exec(ns.ipvsadm('-l', '--daemon'))?.[1]
    expect([ns.rules(), daemon()]).toEqual([[], 'backup'])
    expect(say('role', 'active')).toMatchObject({
      status: 0,
      stdout: expect.stringMatching(
        /^role +active\nsince +\d+ s ago, by hand\nsync daemons +master on sync0, id 51\n/,
      ),
    })
    expect([ns.rules(), daemon()]).toEqual([twoPoolsHeld, 'master'])
    first.kill('SIGKILL')
    await once(first, 'exit')
    await start()
    expect([ns.rules(), daemon()]).toEqual([twoPoolsHeld, 'master'])
    const told = say('role', 'INSTANCE', 'VI_1', 'BACKUP', '90', '--json')
    expect(told.status).toBe(0)
    expect(json('role', told.stdout)).toMatchObject({
      role: 'standby',
      reached: true,
      from: 'keepalived: INSTANCE VI_1 BACKUP 90',
      sync: [{ role: 'backup', interface: 'sync0', syncId: 51 }],
    })
    expect([ns.rules(), daemon()]).toEqual([[], 'backup'])
    expect(say('state').stdout).toMatch(/^standby for \d+ s, keepalived: INSTANCE VI_1 BACKUP 90$/m)
    expect(say('role', 'actve')).toMatchObject({
      status: 2,
      stderr: expect.stringMatching(
        /"actve" is no ROLE: active, standby, INSTANCE, GROUP.*did you mean "active"/,
      ),
    })
    expect(say('role', 'INSTANCE', 'VI_1')).toMatchObject({ status: 2 })
    write(twoPools)
    expect(say('reload').status).toBe(0)
    expect(ns.rules()).toEqual(twoPoolsHeld)
    expect(say('role', 'active')).toMatchObject({
      status: 2,
      stderr: expect.stringMatching(/this director has no role/),
    })
    expect(say('role')).toMatchObject({
      status: 1,
      stderr: expect.stringMatching(/its file has no key "role"/),
    })
  })

  test('what is said by hand outlives a reload, and kill -9 too', async () => {
    write(twoPools)
    const first = await start()
    expect(say('set', 'dns/10.1.0.2', 'drain')).toEqual({
      status: 0,
      stdout: 'dns/10.1.0.2:53 is drain, up, weight 0\n',
      stderr: '',
    })
    expect(say('set', 'ldap/10.2.0.1', 'weight=50', '--for', '10m').status).toBe(0)
    const held = twoPoolsHeld.map((rule) =>
      rule
        .replace(/(10\.1\.0\.2:53 -g -w) 3/, '$1 0')
        .replace(/(10\.2\.0\.1:389 -g -w) 1/, '$1 50'),
    )
    expect(ns.rules()).toEqual(held)
    write(twoPools.replace('weight: 3', 'weight: 4'))
    expect(say('reload')).toEqual({ status: 0, stdout: 'changed dns; 1 the same\n', stderr: '' })
    expect(ns.rules()).toEqual(held)
    first.kill('SIGKILL')
    await once(first, 'exit')
    expect(say('state')).toEqual({
      status: 1,
      stdout: '',
      stderr: expect.stringMatching(/no director answers at .*"ipvs run FILE" starts a director/),
    })
    await start()
    expect(ns.rules()).toEqual(held)
    expect(say('state', 'dns/10.1.0.2').stdout).toMatch(
      /^ {2}10\.1\.0\.2:53 +up +drain +0 \(file 4\)/m,
    )
    expect(say('set', 'dns/10.1.0.2', 'ready').status).toBe(0)
    expect(say('set', 'ldap/10.2.0.1', 'weight=file').status).toBe(0)
    expect(ns.rules()).toEqual(twoPoolsHeld.map((rule) => rule.replace('-w 3', '-w 4')))
  })

  test('a bad file changes nothing, by signal and by command; a good one what is another thing in it', async () => {
    write(twoPools)
    const child = await start()
    write(twoPools.replace('10.1.0.1', '10.1.0.300'))
    const refused = say('reload')
    expect([refused.status, refused.stdout]).toEqual([1, ''])
    expect(refused.stderr).toMatch(/director\.yaml:5:15: .*10\.1\.0\.300.*\n.*stays as it is/s)
    child.kill('SIGHUP')
    await expect.poll(() => log.filter((line) => / not reloaded/.test(line)), soon).toHaveLength(2)
    expect(ns.rules()).toEqual(twoPoolsHeld)
    expect(ipvs(['run', file(), '--check'])).toMatchObject({ status: 1, stderr: '' })
    expect(ipvs(['run', file(), '--netns', ns.name])).toMatchObject({ status: 2, stdout: '' })
    write(twoPools.replace('192.0.2.53:389', '192.0.2.54:389'))
    child.kill('SIGHUP')
    await expect
      .poll(() => ns.rules().filter((rule) => rule.includes(':389')), soon)
      .toEqual(['-A -t 192.0.2.54:389 -s wrr', '-a -t 192.0.2.54:389 -r 10.2.0.1:389 -g -w 1'])
  })

  test('reads its file again when it changes, where that is asked for', async () => {
    write(twoPools)
    await start(['--watch'])
    write(twoPools.replace('weight: 3', 'weight: 9'))
    await expect.poll(() => ns.rules().join(), soon).toContain('10.1.0.2:53 -g -w 9')
  })

  test('checks servers from the namespace of the table, and says why one is down', async () => {
    write(`pools:
  web:
    fronts: ['tcp/192.0.2.80:80']
    scheduler: wrr
    forwarding: masquerade
    check: { tcp: {}, interval: 200ms, timeout: 200ms, rise: 1, fall: 1 }
    servers: ['127.0.0.1:81', '127.0.0.1:82']
`)
    const words = ['netns', 'exec', ns.name, process.execPath, '-e']
    const server = spawn('ip', [
      ...words,
      "require('net').createServer((s) => s.destroy()).listen(81, '127.0.0.1')",
    ])
    try {
      await start()
      await expect
        .poll(() => ns.rules(), soon)
        .toEqual(['-A -t 192.0.2.80:80 -s wrr', '-a -t 192.0.2.80:80 -r 127.0.0.1:81 -m -w 1'])
      expect(say('check', 'web/127.0.0.1:81')).toMatchObject({
        status: 0,
        stdout: expect.stringMatching(/ tcp +success +[\d.]+ ms +connected\n.*up, ready: it gets/),
      })
      expect(say('check', 'web/127.0.0.1:82')).toMatchObject({
        status: 1,
        stdout: expect.stringMatching(/ tcp +failure .*refused\n.*down.*gets no connections/),
      })
    } finally {
      server.kill('SIGKILL')
      await once(server, 'exit')
    }
    await expect.poll(() => ns.rules(), soon).toEqual(['-A -t 192.0.2.80:80 -s wrr'])
    expect(say('state', 'web').stdout).toMatch(/quorum lost/)
  })

  test('events are told as they happen', async () => {
    write(twoPools)
    await start()
    const follower = spawn(
      process.execPath,
      [bin, 'events', '--json', '--control', path.join(folder, 'sock')],
      {
        stdio: ['ignore', 'pipe', 'inherit'],
      },
    )
    const lines: string[] = []
    createInterface({ input: follower.stdout! }).on('line', (line) => lines.push(line))
    await expect
      .poll(() => {
        say('set', 'dns/10.1.0.1', 'weight=7')
        return lines.length
      }, soon)
      .toBeGreaterThan(0)
    expect(json('event', `${lines[0]}\n`)).toMatchObject({
      event: 'set',
      pool: 'dns',
      server: '10.1.0.1:53',
    })
    expect(await end(follower, 'SIGINT')).toBe(0)
    const { pools, changes } = json('state', say('state', '--json').stdout)
    expect([pools.length, changes.at(-1)]).toEqual([2, expect.objectContaining({ event: 'set' })])
  })

  test('state --fleet is a table, also of a director that is alone', async () => {
    write(twoPools, 'role: { standby: keep }\n')
    await start()
    const { directors, rows } = json('fleet', say('state', '--fleet', '--json').stdout)
    expect(directors).toEqual([expect.objectContaining({ role: 'standby', ready: true })])
    expect(rows).toHaveLength(3)
    expect(say('state', '--fleet').stdout).toMatch(/3 servers, all answers alike/)
  })

  test('shows connections until they are gone, or the time is over', async () => {
    write(twoPools)
    await start()
    expect(say('set', 'dns/10.1.0.1', 'drain', '--wait')).toEqual({
      status: 0,
      stdout: '0 s: 0 active, 0 inactive, 0 persistent: all are gone\n',
      stderr: '',
    })
    const bad = say('set', 'dns/10.1.0.1', 'dran')
    expect([bad.status, bad.stderr]).toEqual([2, expect.stringMatching(/"dran" is nothing to say/)])
    const nobody = say('set', 'dns/10.9.9.9', 'drain')
    expect([nobody.status, nobody.stderr]).toEqual([
      1,
      expect.stringMatching(/has no server 10\.9\.9\.9:53; it has 10\.1\.0\.1:53, 10\.1\.0\.2:53/),
    ])
  })

  test.each([
    ['withdraw', []],
    ['drain', []],
  ])('onStop: %s', async (how, left) => {
    write(twoPools, `onStop: ${how}\n`)
    const child = await start()
    expect(await end(child, 'SIGINT')).toBe(0)
    expect(ns.rules()).toEqual(left)
  })

  test('a second one for the same socket is refused', async () => {
    write(twoPools)
    await start()
    const second = ipvs(['run', file(), '--netns', ns.name])
    expect([second.status, second.stderr]).toEqual([
      1,
      expect.stringMatching(
        /a director \(process \d+, of .*\) answers at .* already\. Nothing was changed/,
      ),
    ])
  })

  test('needs CAP_NET_ADMIN and no more; without it, says so', async () => {
    write(twoPools)
    // Its files are that user's to read.
    chmodSync(ns.folder, 0o755)
    const refused = ipvs(['run', file()], { uid: NOBODY })
    expect([refused.status, refused.stdout]).toEqual([3, ''])
    // To enter a namespace by its name takes more: the shell is in it already.
    const caps = [
      '--ambient-caps',
      '+net_admin',
      '--inh-caps',
      '+net_admin',
      '--bounding-set',
      '-all,+net_admin',
    ]
    const words = [
      'netns',
      'exec',
      ns.name,
      'setpriv',
      '--reuid',
      String(NOBODY),
      '--regid',
      String(NOBODY),
      '--clear-groups',
      ...caps,
      '--no-new-privs',
    ]
    const child = spawn('ip', [...words, process.execPath, bin, 'run', file()], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { PATH: process.env.PATH },
    })
    director = child
    let said = ''
    for (const stream of [child.stdout!, child.stderr!])
      stream.on('data', (text) => (said += String(text)))
    await expect
      .poll(() => [ns.rules(), child.exitCode, said], soon)
      .toEqual([twoPoolsHeld, null, expect.anything()])
    expect(say('set', 'dns/10.1.0.2', 'maintenance').status).toBe(0)
    expect(ns.rules().join()).not.toContain('10.1.0.2')
    expect(await end(child)).toBe(0)
  })

  test('tells a service manager how it is', async () => {
    write(twoPools)
    const told = path.join(folder, 'told')
    const manager = spawn('python3', [
      '-c',
      `import socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind('${folder}/notify')
print('ready', flush=True)
while True:
    with open('${told}', 'a') as f: f.write(s.recv(4096).decode() + '\\n')`,
    ])
    await once(manager.stdout, 'data')
    const lines = () =>
      existsSync(told) ? readFileSync(told, 'utf8').split('\n').filter(Boolean) : []
    try {
      const child = await start([], {
        env: { NOTIFY_SOCKET: `${folder}/notify`, WATCHDOG_USEC: '2000000' },
      })
      await expect
        .poll(lines, soon)
        .toEqual(
          expect.arrayContaining(['READY=1', 'WATCHDOG=1', 'STATUS=2 pools, 3 of 3 servers serve']),
        )
      say('reload')
      await expect
        .poll(lines, soon)
        .toEqual(
          expect.arrayContaining(['RELOADING=1', expect.stringMatching(/^MONOTONIC_USEC=\d+$/)]),
        )
      expect(await end(child)).toBe(0)
      await expect.poll(() => lines().at(-1), soon).toBe('STOPPING=1')
    } finally {
      manager.kill('SIGKILL')
      await once(manager, 'exit')
    }
  })

  test('a socket that the file takes away and gives back is served again', async () => {
    write(twoPools)
    const child = await start()
    const reloads = () => log.filter((line) => / reload reloaded /.test(line)).length
    writeFileSync(file(), twoPools)
    child.kill('SIGHUP')
    await expect.poll(reloads, soon).toBe(1)
    // At once: the old one is still open.
    write(twoPools)
    child.kill('SIGHUP')
    await expect.poll(reloads, soon).toBe(2)
    expect(log.filter((line) => / error /.test(line))).toEqual([])
    expect(say('set', 'dns/10.1.0.1', 'drain').status).toBe(0)
    writeFileSync(file(), twoPools)
    child.kill('SIGHUP')
    await expect.poll(() => existsSync(path.join(folder, 'sock')), soon).toBe(false)
  })

  test('takes a keepalived.conf as it is, the trick for UDP in it too', async () => {
    const server = (address: string) => `real_server ${address} 53 {
    weight 1
    notify_up "/sbin/ipvsadm -a -u 192.0.2.9:53 -r ${address}:53 -g -w 1"
    notify_down "/sbin/ipvsadm -d -u 192.0.2.9:53 -r ${address}:53"
    TCP_CHECK { connect_timeout 3 }
  }`
    const conf = `virtual_server 192.0.2.9 53 {
  delay_loop 6
  lb_algo wrr
  lb_kind DR
  protocol TCP
  ${server('10.1.0.1')}
  ${server('10.1.0.2')}
}
`
    writeFileSync(file(), conf)
    const env = { IPVS_CONTROL: path.join(folder, 'sock') }
    await start([], { env })
    const held = (protocol: string, flags: string) => [
      `-A -${protocol} 192.0.2.9:53 -s wrr${flags}`,
      `-a -${protocol} 192.0.2.9:53 -r 10.1.0.1:53 -g -w 1`,
      `-a -${protocol} 192.0.2.9:53 -r 10.1.0.2:53 -g -w 1`,
    ]
    expect(ns.rules()).toEqual([...held('t', ''), ...held('u', ' -o')].toSorted())
    writeFileSync(file(), conf.replace('weight 1', 'weitht 1'))
    expect(ipvs(['run', file(), '--check'], { env })).toMatchObject({
      status: 1,
      stdout: expect.stringMatching(/1 pool, and .*:7:.* weitht: .*did you mean "weight"/s),
    })
  })

  test('a file that is not there, or says nothing right', async () => {
    expect(ipvs(['run', path.join(folder, 'nothing.yaml')])).toMatchObject({
      status: 2,
      stderr: expect.stringMatching(/nothing\.yaml could not be read: it is not there/),
    })
    write('pools: []\n')
    expect(ipvs(['run', file(), '--check', '--json'])).toMatchObject({
      status: 1,
      stdout: expect.stringMatching(/"mistakes":\[\{"line":1,"column":1,"path":"pools"/),
    })
    rmSync(file())
  })
})
