// Tables for people.
import { expect, test } from 'vitest'
import { endingOf } from '../../../src/command/errors.js'
import { changeLine } from '../../../src/command/table/changes.js'
import { compare } from '../../../src/command/table/compare.js'
import { KERNEL, selector } from '../../../src/command/table/seen.js'
import { short, showTable } from '../../../src/command/table/show.js'
import { IpvsError } from '../../../src/errors.js'
import { parseListing, parseRules } from '../../../src/rules/index.js'

const plain = (_: string, text: string) => text

test.each([
  [undefined, '-'],
  [0, '0'],
  [9999, '9999'],
  [10_000, '10.0k'],
  [12_345n, '12.3k'],
  [99_949, '99.9k'],
  [99_950, '100k'],
  [999_499, '999k'],
  [999_500, '1.0M'],
  [123_456_789n, '123M'],
  [2n ** 64n - 1n, '18.4E'],
])('%s is %s', (value, text) => {
  expect(short(value)).toBe(text)
})

const RULES = `-A -u 192.0.2.53:53 -s wrr -o
-a -u 192.0.2.53:53 -r 10.1.0.1:53 -g -w 1 -x 1000 -y 800
-a -u 192.0.2.53:53 -r 10.1.0.20:53 -i -w 0 --tun-type gue --tun-port 6080 --tun-csum
-A -f 7 -6 -s sh -p 300 -M 64 -b sh-port
-A -t [2001:db8::53]:53 -s rr
`

test('columns are aligned, names to the left and figures to the right', () => {
  expect(showTable(parseRules(RULES), ['thresholds'], plain)).toBe(
    `
SERVICE                SCHEDULER                             WEIGHT  ACTIVE  INACTIVE  UPPER  LOWER
udp 192.0.2.53:53      wrr ops
  10.1.0.1:53          direct                                     1       -         -   1000    800
  10.1.0.20:53         tunnel gue:6080 checksum standard          0       -         -      0      0
fwmark 7 ipv6          sh persistent 300s mask 64 (sh-port)
tcp [2001:db8::53]:53  rr
`.slice(1),
  )
})

test.each([
  ['192.0.2.53', ['udp 192.0.2.53:53']],
  ['192.0.2.53:53', ['udp 192.0.2.53:53']],
  ['192.0.2.53:54', []],
  ['udp/192.0.2.53:53', ['udp 192.0.2.53:53']],
  ['udp 192.0.2.53:53', ['udp 192.0.2.53:53']],
  ['tcp/192.0.2.53', []],
  ['[2001:DB8:0::53]:53', ['tcp [2001:db8::53]:53']],
  ['2001:db8::53', ['tcp [2001:db8::53]:53']],
  ['fwmark/7', ['fwmark 7 ipv6']],
  ['fwmark/7/ipv4', []],
  ['fwmark 7 ipv6', ['fwmark 7 ipv6']],
])('%s picks %j', (word, names) => {
  const picked = parseRules(RULES).filter(selector(word))
  const shown = showTable(picked, [], plain).match(/^(tcp|udp|fwmark) .*?(?= {2})/gm)
  expect(shown ?? []).toEqual(names)
})

test.each(['', 'dns', '192.0.2', '192.0.2.53:99999', 'fwmark/x', 'icmp/192.0.2.53', '[::1'])(
  '%j is no service',
  (word) => {
    expect(() => selector(word)).toThrow(/is no service\. Write it as one of these/)
  },
)

const lines = (seen: Parameters<typeof compare>[0], desired: string, prune = false) =>
  compare(seen, parseRules(desired), prune).map((change) => changeLine(change, plain))
const kernel = (rules: string) => ({ source: KERNEL, services: parseRules(rules), lacks: [] })

test('differences are lines with + - ~, and services that nobody names stay without prune', () => {
  const desired = `-A -u 192.0.2.53:53 -s rr
-a -u 192.0.2.53:53 -r 10.1.0.1:53 -g -w 3 -x 1000 -y 800
-a -u 192.0.2.53:53 -r 10.1.0.3:53 -m -w 1
-A -f 8 -s wlc
`
  const differences = [
    '~ udp 192.0.2.53:53  scheduler wrr -> rr  onePacket true -> false',
    '- udp 192.0.2.53:53 > 10.1.0.20:53',
    '~ udp 192.0.2.53:53 > 10.1.0.1:53  weight 1 -> 3',
    '+ udp 192.0.2.53:53 > 10.1.0.3:53  masquerade  weight 1',
    '+ fwmark 8 ipv4  wlc',
  ]
  expect(lines(kernel(RULES), desired)).toEqual(differences)
  expect(lines(kernel(RULES), desired, true)).toEqual([
    '- fwmark 7 ipv6',
    '- tcp [2001:db8::53]:53',
    ...differences,
  ])
})

test('what a listing does not show is no difference, and what it shows is', () => {
  const proc = `IP Virtual Server version 1.2.1 (size=4096)
Prot LocalAddress:Port Scheduler Flags
  -> RemoteAddress:Port Forward Weight ActiveConn InActConn
UDP  C0000235:0035 wrr ops
  -> 0A010001:0035      Route   1      0          0
  -> 0A010014:0035      Tunnel  0      0          0
FWM  00000007 sh persistent 75000 40000000
TCP  [2001:0db8:0000:0000:0000:0000:0000:0053]:0035 rr
`
  const { services, lacks } = parseListing(proc)
  const seen = { source: '/proc/net/ip_vs', services, lacks }
  expect(lines(seen, RULES)).toEqual([])
  expect(lines(seen, RULES.replace(' -p 300 -M 64', '').replace('-w 1 ', '-w 2 '))).toEqual([
    '~ udp 192.0.2.53:53 > 10.1.0.1:53  weight 1 -> 2',
    expect.stringMatching(/^~ fwmark 7 ipv6 {2}persistence .* -> none$/),
  ])
})

test.each([
  ['ERR_IPVS_UNAVAILABLE', 3],
  ['ERR_IPVS_PERMISSION', 3],
  ['ERR_IPVS_NO_NAMESPACE', 2],
  ['ERR_IPVS_TIMEOUT', 1],
  ['ERR_IPVS_KERNEL', 1],
] as const)('%s ends with %d', (code, status) => {
  const { message, ...ending } = endingOf(new IpvsError(code, 'this happened'))
  expect(ending.status).toBe(status)
  expect(message).toMatch(/^this happened\./)
})

test('a fault of the command says so, with what to report', () => {
  const { message, status } = endingOf(new TypeError('x is not a function'))
  expect(status).toBe(1)
  expect(message).toMatch(/a fault of this program.*x is not a function/s)
  expect(message).toContain('show.test.ts')
})
