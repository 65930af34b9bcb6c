// Checks and parsers of what concerns the namespace as a whole.
import { describe, expect, test } from 'vitest'
import { parseConnection } from '../../src/system/connections.js'
import { checkDaemon } from '../../src/system/sync-daemon.js'
import { checkSysctl } from '../../src/system/sysctls.js'
import { checkTimeouts } from '../../src/system/timeouts.js'

const refused = (option: string) => expect.objectContaining({ code: 'ERR_IPVS_ARGUMENT', option })

describe('timeouts', () => {
  test('what is left out stays: the kernel reads 0 as that', () => {
    expect(checkTimeouts({ udpSeconds: 10 })).toEqual({ tcp: 0, tcpFin: 0, udp: 10 })
  })

  test.each([
    ['timeouts', undefined],
    ['timeouts', {}],
    ['timeouts.udp', { udp: 5 }],
    ['timeouts.udpSeconds', { udpSeconds: 0 }],
    ['timeouts.udpSeconds', { udpSeconds: 1.5 }],
    ['timeouts.tcpSeconds', { tcpSeconds: 2_147_484 }],
    ['timeouts.tcpFinSeconds', { tcpFinSeconds: '9' }],
  ])('%s is refused in %o', (option, value) => {
    expect(() => checkTimeouts(value)).toThrow(refused(option))
  })
})

describe('sync daemons', () => {
  test('defaults are the kernel’s', () => {
    expect(checkDaemon({ role: 'backup', interface: 'eth0' })).toEqual({
      state: 2,
      interface: 'eth0',
      syncId: 0,
      maxLength: 0,
      port: 0,
      ttl: 0,
      group: undefined,
    })
  })

  test.each([
    ['daemon', undefined],
    ['daemon.role', { role: 'slave', interface: 'eth0' }],
    ['daemon.interface', { role: 'master' }],
    ['daemon.interface', { role: 'master', interface: 'a-name-of-16-byte' }],
    ['daemon.interface', { role: 'master', interface: 'ö' }],
    ['daemon.syncId', { role: 'master', interface: 'eth0', syncId: 256 }],
    ['daemon.maxLength', { role: 'backup', interface: 'eth0', maxLength: 1023 }],
    ['daemon.group', { role: 'master', interface: 'eth0', group: '10.0.0.1' }],
    ['daemon.port', { role: 'master', interface: 'eth0', port: 0 }],
    ['daemon.ttl', { role: 'master', interface: 'eth0', ttl: 256 }],
    ['daemon.mtu', { role: 'master', interface: 'eth0', mtu: 9 }],
  ])('%s is refused in %o', (option, value) => {
    expect(() => checkDaemon(value)).toThrow(refused(option))
  })
})

describe('settings', () => {
  test.each([
    ['expire_nodest_conn', 1, '1'],
    ['est_nice', -20, '-20'],
    ['sync_threshold', '3 50', '3 50'],
    ['expire_nodest_conn', '0', '0'],
    ['lblc_expiration', 86_400, '86400'],
    ['lblcr_expiration', '2147483', '2147483'],
    ['sync_qlen_max', 2 ** 40, '1099511627776'],
  ])('%s takes %o', (name, value, text) => {
    expect(checkSysctl(name, value)).toBe(text)
  })

  test.each([
    ['name', 'expire_nodest', 1],
    ['name', '../../kernel/panic', 1],
    ['name', undefined, 1],
    ['value', 'expire_nodest_conn', 2],
    ['value', 'expire_nodest_conn', true],
    ['value', 'sync_ports', 0],
    ['value', 'lblc_expiration', 2_147_484],
    ['value', 'sync_threshold', '3\n50\n'],
    ['value', 'sync_threshold', 3],
  ])('%s is refused: %s = %o', (option, name, value) => {
    expect(() => checkSysctl(name, value)).toThrow(refused(option))
  })
})

describe('a line of ip_vs_conn', () => {
  test.each([
    [
      'TCP 0A000001 8001 C0000201 0035 0A010001 0035 ESTABLISHED     899',
      {
        protocol: 'tcp',
        client: { address: '10.0.0.1', port: 0x8001 },
        service: { address: '192.0.2.1', port: 53 },
        destination: { address: '10.1.0.1', port: 53 },
        state: 'ESTABLISHED',
        expiresSeconds: 899,
      },
    ],
    [
      'UDP 2001:0db8:0000:0000:0000:0000:0000:0009 8001 2001:0db8:0000:0000:0000:0000:0000:0001 0035 2001:0db8:0000:0000:0000:0000:0000:0011 0035 UDP             300 sip call-1',
      {
        protocol: 'udp',
        client: { address: '2001:db8::9', port: 0x8001 },
        service: { address: '2001:db8::1', port: 53 },
        destination: { address: '2001:db8::11', port: 53 },
        state: 'UDP',
        expiresSeconds: 300,
        persistenceEngine: { name: 'sip', data: 'call-1' },
      },
    ],
  ])('%s', (line, connection) => {
    expect(parseConnection(line)).toEqual(connection)
  })

  test.each([
    ['IP', '0'],
    ['IP_4', '4'],
    ['IP_47', '47'],
    ['IP_255', '255'],
    ['ICMP', '1'],
    ['ICMPv6', '58'],
    ['TCP', 'tcp'],
    ['SCTP', 'sctp'],
  ])('protocol %s is %s', (name, protocol) => {
    const line = `${name} 0A000001 9C40 C0000201 0035 0A010001 0035 NONE 42`
    expect(parseConnection(line)).toMatchObject({ protocol, state: 'NONE', expiresSeconds: 42 })
  })

  test('the heading is none', () => {
    const heading =
      'Pro FromIP   FPrt ToIP     TPrt DestIP   DPrt State       Expires PEName PEData'
    expect(parseConnection(heading)).toBeUndefined()
    expect(parseConnection('')).toBeUndefined()
  })
})
