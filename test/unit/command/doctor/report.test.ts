import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import type { Facts } from '../../../../src/command/doctor/facts.js'
import { always, fileOf, fix, wanted } from '../../../../src/command/doctor/fix.js'
import { look } from '../../../../src/command/doctor/readers/look.js'
import { readRoutes } from '../../../../src/command/doctor/readers/network.js'
import { report } from '../../../../src/command/doctor/report.js'
import { show } from '../../../../src/command/doctor/show.js'
import { facts, server, service, settings, table } from './made-up.js'

const plain = (_: string, text: string) => text
const shown = (...changes: readonly Partial<Facts>[]) => show(report(facts(...changes)), plain)

describe('the text', () => {
  test('says that nothing is wrong', () => {
    expect(shown()).toBe('Linux 7.2.0, 1 service, 2 servers\n\nNothing is wrong.\n')
  })

  test('has each finding with its reason and its command, within 80 columns', () => {
    const text = shown(
      settings({ 'net.ipv4.vs.expire_nodest_conn': 0 }),
      table(service({ destinations: [] })),
      { sets: { because: 'there is no program ipset here' } },
    )
    expect(text).toBe(`Linux 7.2.0, 1 service, 0 servers

error    Services have no server with a weight.
           udp 192.0.2.1:53
         New clients are refused at once (ICMP port unreachable).
         $ ipvsadm -a -u 192.0.2.1:53 -r SERVER

warning  UDP clients of a server that is removed are not moved to another one.
           udp 192.0.2.1:53
         A client that keeps its port loses all it sends until its entry
         expires: up to 300 s.
         $ sysctl -w net.ipv4.vs.expire_nodest_conn=1   (or --fix)

Could not be looked at:
  sets of the firewall: there is no program ipset here

1 error, 1 warning. "ipvs doctor --fix" mends 1 of them; it asks before.
`)
  })

  test('names some of many services', () => {
    const many = Array.from({ length: 9 }, (_, n) => service({ port: n + 1 }))
    const text = shown(settings({ 'net.ipv4.vs.expire_nodest_conn': 0 }), table(...many))
    expect(text.match(/^ {11}udp /gm)).toHaveLength(6)
    expect(text).toContain('           and 3 more\n')
  })

  test('colours by severity', () => {
    const marked = show(
      report(facts(table(service({ destinations: [] })))),
      (style, text) => `<${style}>${text}</>`,
    )
    expect(marked).toContain('<red>error    </><bold>Services have no server')
  })
})

test('what nobody could look at is told with its reason', () => {
  const because = 'not permitted'
  const { notLookedAt, table: read } = report(
    facts({
      settings: { because },
      table: {
        value: {
          from: '/proc/net/ip_vs',
          services: [service({ destinations: [server('10.1.0.1')] })],
          lacks: ['thresholds'],
        },
      },
    }),
  )
  expect(notLookedAt).toEqual([
    { what: 'settings of the kernel', because },
    { what: 'thresholds', because: '/proc/net/ip_vs does not have it' },
  ])
  expect(read).toEqual({ from: '/proc/net/ip_vs', services: 1, servers: 1 })
})

test('a reader that fails says why, and keeps nobody else from looking', async () => {
  expect(await look(() => 5)).toEqual({ value: 5 })
  expect(await look(() => readFileSync('/nowhere/at-all', 'utf8'))).toEqual({
    because: '/nowhere/at-all: not there',
  })
  expect(await look(() => Promise.reject(new Error('it rained')))).toEqual({ because: 'it rained' })
})

test('a route is found without sending anything', async () => {
  expect(await readRoutes(['127.0.0.1', '127.0.0.1'])).toEqual(
    new Map([['127.0.0.1', { source: '127.0.0.1' }]]),
  )
})

describe('--fix', () => {
  test('wants each setting once', () => {
    const { findings } = report(
      facts(
        settings({ 'net.ipv4.vs.expire_nodest_conn': 0, 'net.ipv4.ip_forward': 0 }),
        table(service({ destinations: [server('10.1.0.1', { forwarding: 'masquerade' })] })),
      ),
    )
    expect(wanted([...findings, ...findings])).toEqual([
      { name: 'net.ipv4.ip_forward', value: 1 },
      { name: 'net.ipv4.vs.expire_nodest_conn', value: 1 },
    ])
  })

  test('does nothing without a yes', async () => {
    const asked: string[] = []
    const no = async (command: string) => {
      asked.push(command)
      return false
    }
    expect(await fix([{ name: 'net.nowhere', value: 1 }], no)).toEqual({ done: [], failed: [] })
    expect(asked).toEqual(['sysctl -w net.nowhere=1'])
  })

  test('says what could not be set', async () => {
    const change = { name: 'net.nowhere', value: 1 }
    const { done, failed } = await fix([change], always)
    expect(done).toEqual([])
    expect(failed).toMatchObject([
      { change, error: { code: expect.stringMatching(/ENOENT|EACCES|EROFS|EPERM/) } },
    ])
  })

  test('finds the file of a device with a dot in its name', () => {
    expect(fileOf({ name: 'net.ipv4.conf.eth0/5.rp_filter', value: 2 })).toBe(
      '/proc/sys/net/ipv4/conf/eth0.5/rp_filter',
    )
  })
})
