import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { type ConfigError, readConfig } from '../../../src/director/index.js'

/** The mistakes of a file, as `line:column message`. */
async function mistakesIn(text: string): Promise<string[]> {
  const error = (await readConfig(text, { file: 'x.yaml' }).then(
    () => expect.unreachable('it was taken'),
    (thrown: unknown) => thrown,
  )) as ConfigError
  expect(error.code).toBe('ERR_IPVS_CONFIG')
  return error.mistakes.map(({ line, column, message }) => `${line}:${column} ${message}`)
}

const pool = (lines: string) => `
pools:
  dns:
    fronts: ['192.0.2.53:53']
    scheduler: wrr
    forwarding: masquerade
${lines.replaceAll(/^/gm, '    ')}
`

test('reads fronts, servers and checks in all their forms', async () => {
  const { pools, onStop } = await readConfig(`
defaults: { scheduler: wrr, forwarding: masquerade, sysctls: apply }
checks:
  resolver: { dns: { name: example.org }, interval: 1s, timeout: 500ms, rise: 2, fall: 3 }
pools:
  dns:
    fronts: ['192.0.2.53:53', '[2001:db8::53]:53', 'tcp/192.0.2.55:53', 'fwmark/7', 'fwmark/7/ipv6', { address: 192.0.2.54, port: 53, protocols: [udp] }]
    check: resolver
    servers: ['10.1.0.1:53', { address: 10.1.0.2, port: 53, weight: 3, check: { tcp: {}, interval: 2.5s } }]
    backup: [{ address: 10.1.0.3, port: 53, check: none }]
    slowStart: { duration: 30s }
    persistence: { timeout: 5m }
    udpTimeout: 30s
    reconcileInterval: 2s
    forwarding: tunnel
`)
  const [dns] = pools
  expect(onStop).toBe('leave')
  expect(dns!.services).toEqual([
    'tcp 192.0.2.53:53',
    'udp 192.0.2.53:53',
    'tcp [2001:db8::53]:53',
    'udp [2001:db8::53]:53',
    'tcp 192.0.2.55:53',
    'fwmark 7 ipv4',
    'fwmark 7 ipv6',
    'udp 192.0.2.54:53',
  ])
  expect(dns!.options).toMatchObject({
    forwarding: 'tunnel',
    initial: 'adopt',
    slowStart: { durationMs: 30_000 },
    persistence: { timeoutSeconds: 300 },
    udpTimeoutSeconds: 30,
    reconcileIntervalMs: 2000,
  })
  expect(dns!.check).toMatchObject({
    name: 'resolver',
    options: { intervalMs: 1000, timeoutMs: 500, rise: 2, fall: 3 },
  })
  expect(dns!.servers[1]!.check).toMatchObject({ name: 'tcp', options: { intervalMs: 2500 } })
  expect(dns!.backup).toEqual([{ server: { address: '10.1.0.3', port: 53 }, check: 'none' }])
})

test('a pool that nobody checks vouches for its servers', async () => {
  const { pools } = await readConfig(pool('servers: []'))
  expect(pools[0]).toMatchObject({ check: 'none', options: { initial: 'up' } })
})

test('names every mistake at once, each with its place', async () => {
  const text = `defaults: { scheduler: wrr, forwarding: direkt }
checks:
  web: { tcp: {}, interval: 1, rize: 1, fall: 2000 }
pools:
  dns:
    fronts: ['192.0.2.53:53', '2001:db8::53:53']
    check: wep
    servers: ['127.0.0.300', { address: 10.1.0.2, wieght: 3 }, '10.1.0.3', 10.1.0.3]
    slowStart: { duration: 30, step: 2 }
onStop: leve
`
  const found = await mistakesIn(text)
  expect(found.map((line) => line.replace(/(must|be left).*/, ''))).toEqual([
    '1:29 defaults.forwarding ',
    '3:19 checks.web.interval ',
    '3:32 checks.web.rize ',
    '3:41 checks.web.fall ',
    '6:31 pools.dns.fronts[1] ',
    '7:5 pools.dns.check ',
    '8:15 pools.dns.servers[0] ',
    '8:51 pools.dns.servers[1].wieght ',
    '8:76 pools.dns.servers[3] ',
    '9:18 pools.dns.slowStart.duration ',
    '9:32 pools.dns.slowStart.step ',
    '10:1 onStop ',
  ])
  for (const meant of ['direct', 'rise', 'web', 'weight', 'steps', 'leave']) {
    expect(found.join('\n')).toContain(`did you mean "${meant}"`)
  }
})

test.each([
  ['interval: 1', /a time with a unit/],
  ['interval: 1 s', /a time with a unit/],
  ['interval: -1s', /a time with a unit/],
  ['interval: 1e3ms', /a time with a unit/],
  ['intervalMs: 1000', /write "interval", with a unit/],
  ['interval: 1ms', /from 10 to 86400000 \(milliseconds\); received 1/],
  ['timeout: { min: 50ms, max: 10ms }', /check\.timeout\.max .*\(milliseconds\)/],
  ['tcp: {}, http: {}', /one key that is a check, not tcp and http/],
  ['tcpp: {}', /tcpp must be left out.*did you mean "tcp"/],
  ['all: []', /a list of checks/],
  ['all: [{ tcp: {}, interval: 1s }]', /interval must be left out: it belongs beside the whole/],
  ['atLeast: { count: 3, of: [{ tcp: {} }, { ping: {} }] }', /count must be from 1 to 2/],
  ['http: { expectHeaders: { x: { regexp: "(" } } }', /must be a regular expression/],
  ['mysql: { password: { file: /nonexistent } }', /must be a file that can be read/],
  ['mysql: { password: { env: IPVS_NO_SUCH } }', /IPVS_NO_SUCH is not set/],
  ['udp: { payload: { hex: abc } }', /pairs of hexadecimal digits/],
])('a check of { %s } is refused', async (check, message) => {
  const kind = /tcp|http|all|atLeast|mysql|udp/.test(check) ? '' : 'tcp: {}, '
  const found = await mistakesIn(pool(`servers: []\ncheck: { ${kind}${check} }`))
  expect(found.join('\n')).toMatch(message)
  expect(found[0]).toMatch(/^8:/)
})

test.each([
  ['servers: 10.1.0.1', /pools\.dns\.servers must be \[/],
  ['servers: { fil: /x }', /must have one of "file", "dns"/],
  ['servers: { file: /x, intervall: 1s }', /did you mean "interval"/],
  ['servers: { dns: example.org, hold: 1 }', /hold must be a time/],
  ['servers: { dns: 10.1.0.1 }', /servers.dns must be a name in DNS/],
  ['servers: { dns: a, file: /x }', /must have one of "file", "dns", "etcd", "consul"/],
  ['servers: { etcd: pools/ }', /servers.etcd must have "etcd" at the top of the file/],
  ['servers: { consul: "" }', /servers.consul must be the name of a service/],
  ['servers: { consul: dns, url: "consul:8500" }', /servers.url must be an http: or https:/],
  ['servers: { consul: dns, token: { file: /nonexistent } }', /token.file must be a file/],
  ['servers: { consul: dns, token: { env: IPVS_NO_SUCH } }', /IPVS_NO_SUCH is not set/],
  ['servers: { consul: dns, token: 7 }', /token must be a text, \{ file: PATH \} or/],
  ['servers: { consul: dns, interval: 1s }', /servers.interval must be left out/],
  ['servers: { kubernetes: dns, url: "http://x" }', /servers.kubernetes must be a namespace and/],
  ['servers: { kubernetes: a/b, url: "https://x", port: 0 }', /port must be an integer from 1/],
  ['servers: { url: "ftp://x" }', /servers.url must be an http: or https: address/],
  ['servers: { url: "http://x", timeout: 1ms }', /timeout must be .*\(milliseconds\)/],
  ['servers: { url: "http://x", ca: /nonexistent }', /servers.ca must be a file that can be read/],
  ['servers: { url: "http://x", cert: { pem: x } }', /servers.cert must be the path of a file/],
  ['servers: []\nname: x', /name must be left out/],
  ['servers: []\nudpTimeout: 30s', /udpTimeout must be left out without sysctls/],
  ['servers: []\nhooks: [{ on: [dwn], exec: [x] }]', /on\[0\].*did you mean "down"/],
  ['servers: []\nhooks: [{ on: [down] }]', /either "exec" or "post"/],
  ['servers: []\nhooks: [{ on: [down], post: "ftp://x" }]', /http: or https: address/],
])('%s is refused', async (lines, message) => {
  expect((await mistakesIn(pool(lines))).join('\n')).toMatch(message)
})

test.each([
  ['', /the file must be a map/],
  ['[]', /the file must be a map/],
  ['pools: []', /pools must be a map/],
  ['pools: { a/b: {} }', /a name without/],
  ['pools: {}\ncheks: {}', /did you mean "checks"/],
  ['pools: {}\nhttp: localhost:80', /http must be an address and a port/],
  ['pools: {}\nhttp: { listen: "127.0.0.1:80", tokn: x }', /did you mean "token"/],
  ['pools: {}\npools: {}', /unique/],
  ['pools: {\n', /flow|expected/i],
  ['checks: { none: { tcp: {} } }\npools: {}', /another name/],
  ['defaults: { fronts: [] }\npools: {}', /defaults\.fronts must be left out/],
])('%j is refused', async (text, message) => {
  expect((await mistakesIn(text)).join('\n')).toMatch(message)
})

test('two pools cannot have one service', async () => {
  const text = `
defaults: { scheduler: rr, forwarding: direct }
pools:
  a: { fronts: ['192.0.2.1:53'], servers: [] }
  b: { fronts: ['udp/192.0.2.1:53'], servers: [] }
`
  expect(await mistakesIn(text)).toEqual([
    '5:8 pools.b.fronts must be its own: pool a has udp 192.0.2.1:53 too',
  ])
})

test('every option of a pool can be written', async () => {
  const source = readFileSync(
    new URL('../../../src/pool/config/options.ts', import.meta.url),
    'utf8',
  )
  const list = /checkOptions\(options \?\? null, 'options', \[([^\]]*)\]/.exec(source)![1]!
  const names = [...list.matchAll(/'(\w+)'/g)].map(([, name]) => name!)
  expect(names.length).toBeGreaterThan(20)
  const written = `
sysctls: apply
servers: ['10.1.0.1:53']
persistence: { timeout: 60s, netmask: 255.255.255.0 }
schedulerFlags: []
onePacket: false
initial: down
onDown: { tcp: quiesce, udp: remove }
backup: ['10.1.0.2:53']
quorum: { up: 2, down: 1, unit: weight, onLost: refuse }
panic: { minHealthyPercent: 50, action: freeze }
slowStart: { duration: 10s, steps: 5, from: 0.2 }
maxChangesPerMinute: 10
reconcileInterval: 5s
drift: report
udpTimeout: 30s
tunnel: { type: gue, port: 6080 }
forwarding: tunnel
`
  const text = pool(written)
    .replace('    forwarding: masquerade\n', '')
    .replaceAll(":53'", "'")
    .replace("['192.0.2.53']", "['192.0.2.53:53']")
  const { pools } = await readConfig(text)
  const elsewhere = ['address', 'port', 'protocols', 'servers', 'backup', 'role']
  expect(Object.keys(pools[0]!.options).toSorted()).toEqual(
    names.filter((name) => !elsewhere.includes(name)).toSorted(),
  )
})

test('what a check reads is what was written: bytes, expressions, secrets', async () => {
  process.env.IPVS_TEST_SECRET = 'a b'
  const { pools } = await readConfig(
    pool(`servers: []
check:
  all:
    - udp: { payload: { hex: 'ff 00' }, reply: { regexp: '^ok', flags: i } }
    - redis: { password: { env: IPVS_TEST_SECRET } }
    - not: { http: { path: /down } }
    - exec: { command: /bin/true }
  interval: 5s`),
  )
  delete process.env.IPVS_TEST_SECRET
  expect(pools[0]!.check).toMatchObject({
    name: 'all of udp, redis, not http, exec',
    steps: [{ name: 'udp' }, { name: 'redis' }, { name: 'http' }, { name: 'exec' }],
  })
})

const fromEtcd = (etcd: string, servers = '{ etcd: pools/dns/ }') =>
  `etcd: ${etcd}\n${pool(`servers: ${servers}`)}`

test('reads where etcd is, once for all pools', async () => {
  const text = fromEtcd("{ endpoints: ['https://10.0.0.5:2379'], ca: /etc/hostname, timeout: 2s }")
  const first = await readConfig(text)
  expect(first.pools[0]!.source).toMatchObject({ name: 'etcd pools/dns/', follow: {} })
  // A file that is named may have changed: it is read anew, and comes to the same.
  const same = await readConfig(`${text}onStop: drain\n`, { before: first })
  expect(same.etcd).toBe(first.etcd)
  expect(same.pools[0]!.digest).toBe(first.pools[0]!.digest)
  const other = await readConfig(text.replace('2s', '3s'), { before: first })
  expect(other.etcd!.client).not.toBe(first.etcd!.client)
  expect(other.pools[0]!.digest).not.toBe(first.pools[0]!.digest)
})

test('a watch for all is for those whose keys it has', async () => {
  const etcd = "{ endpoints: ['http://127.0.0.1:1'], together: pools/ }"
  const { pools } = await readConfig(fromEtcd(etcd))
  expect(pools[0]!.source).toMatchObject({ name: 'etcd pools/dns/' })
  await readConfig(fromEtcd(etcd, '{ etcd: elsewhere/dns }'))
  const found = await mistakesIn(fromEtcd(etcd, '{ etcd: pools/dns }'))
  expect(found).toEqual([expect.stringMatching(/servers.etcd must be one that ends with a "\/"/)])
})

test('names every mistake about etcd at once, and none of them twice', async () => {
  const etcd = `
  endpoints: [10.0.0.5, 'http://x']
  ca: /nonexistent
  user: ipvs
  password: { file: /nonexistent/too }
  timeout: 5
  together: ipvs/pools
  host: x`
  const found = await mistakesIn(fromEtcd(etcd, '{ etcd: "" }'))
  const shown = found.map((one) =>
    one.replace(/: received.*|, such as.*|: ENOENT.*|; received.*/, ''),
  )
  expect(shown).toEqual([
    '2:15 etcd.endpoints[0] must be an address without a path',
    '3:3 etcd.ca must be a file that can be read',
    '5:15 etcd.password.file must be a file that can be read',
    '6:3 etcd.timeout must be a time with a unit',
    '7:3 etcd.together must be the beginning of keys up to a "/"',
    '8:3 etcd.host must be left out: there is no such option, only "endpoints", "ca", "cert", "key", "serverName", "user", "password", "timeout"',
    '15:16 pools.dns.servers.etcd must be the beginning of keys',
  ])
  const nowhere = await mistakesIn(fromEtcd('https://10.0.0.5:2379'))
  expect(nowhere).toEqual([expect.stringMatching(/^1:1 etcd must be a map such as \{ endpoints:/)])
})
