import { describe, expect, test } from 'vitest'
import { parseRules } from '../../../src/rules/index.js'
import type { ServiceTree } from '../../../src/types.js'

const tcp = { protocol: 'tcp', address: '192.0.2.1', port: 80 } as const
const plain = { scheduler: 'rr', onePacket: false, destinations: [] } as const
const rr: ServiceTree = { ...tcp, ...plain }
const udp = { ...rr, protocol: 'udp' } as const
const SERVICE = '-A -t 192.0.2.1:80 -s rr'

function mask(netmask: string | number, timeoutSeconds = 360): object {
  return { persistence: { timeoutSeconds, netmask } }
}
const everyClient = mask('255.255.255.255')

describe('services', () => {
  test.each<[string, object]>([
    [SERVICE, rr],
    ['-A -t 192.0.2.1:80', { ...rr, scheduler: 'wlc' }],
    ['--add-service --tcp-service 192.0.2.1:80 --scheduler rr', rr],
    ['--add-service --tcp-service=192.0.2.1:80 --scheduler=rr', rr],
    ['-At 192.0.2.1:80 -srr', rr],
    ['-At192.0.2.1:80 -s=rr', rr],
    ['-A -u 192.0.2.1:80 -s rr', udp],
    ['-A --udp-service 192.0.2.1:80 -s rr', udp],
    ['-A --sctp-service 192.0.2.1:80 -s rr', { ...rr, protocol: 'sctp' }],
    ['-A -s rr -t [2001:0db8:0::1]:80', { ...rr, address: '2001:db8::1' }],
    ['-A -t [::192.0.2.1]:80 -s rr', { ...rr, address: '::c000:201' }],
    ['-A -f 7 -s rr', { fwmark: 7, family: 'ipv4', ...plain }],
    ['-A --fwmark-service 7 --ipv6 -s rr', { fwmark: 7, family: 'ipv6', ...plain }],
    ['-A -6f 007 -s rr', { fwmark: 7, family: 'ipv6', ...plain }],
    ['-A -f 4294967295 -s rr', { fwmark: 4294967295, family: 'ipv4', ...plain }],
    ['-A -f -1 -s rr', { fwmark: 4294967295, family: 'ipv4', ...plain }],
    ['-A -f -6 -6 -s rr', { fwmark: 4294967290, family: 'ipv6', ...plain }],
    ['-A -f -2147483648 -s rr', { fwmark: 2147483648, family: 'ipv4', ...plain }],
    [`${SERVICE} -p`, { ...rr, ...everyClient }],
    [`${SERVICE} --persistent`, { ...rr, ...everyClient }],
    [`${SERVICE} -p 300`, { ...rr, ...mask('255.255.255.255', 300) }],
    [`${SERVICE} -p300`, { ...rr, ...mask('255.255.255.255', 300) }],
    [`${SERVICE} --persistent=4294967`, { ...rr, ...mask('255.255.255.255', 4294967) }],
    [`${SERVICE} -p -M 255.255.255.0`, { ...rr, ...mask('255.255.255.0') }],
    [`${SERVICE} --netmask 255.0.255.0 -p`, { ...rr, ...mask('255.0.255.0') }],
    ['-A -t 192.0.2.1 -p -s rr', { ...rr, port: 0, ...everyClient }],
    ['-A -t 2001:db8::1 -p -s rr', { ...rr, address: '2001:db8::1', port: 0, ...mask(128) }],
    ['-A -M 64 -p -t [2001:db8::1]:80 -s rr', { ...rr, address: '2001:db8::1', ...mask(64) }],
    ['-A -f 7 -p -6 -M 1 -s rr', { fwmark: 7, family: 'ipv6', ...plain, ...mask(1) }],
    [`${SERVICE} --pe sip -p`, { ...rr, ...everyClient, persistenceEngine: 'sip' }],
    ['-A -u 192.0.2.1:80 -s rr -o', { ...udp, onePacket: true }],
    ['-A -ou 192.0.2.1:80 -s rr', { ...udp, onePacket: true }],
    ['-A --ops -f 7 -s rr', { fwmark: 7, family: 'ipv4', ...plain, onePacket: true }],
    [
      '-A -t 192.0.2.1:80 -s sh -b flag-3,flag-1',
      { ...rr, scheduler: 'sh', schedulerFlags: ['sh-fallback', 'flag-3'] },
    ],
    [`${SERVICE} -b flag-3,flag-1`, { ...rr, schedulerFlags: ['flag-1', 'flag-3'] }],
    [
      '-A -t 192.0.2.1:80 --sched-flags sh-port,,sh-fallback,sh-port -s sh',
      { ...rr, scheduler: 'sh', schedulerFlags: ['sh-fallback', 'sh-port'] },
    ],
    ['-A -t 192.0.2.1:80 -s mh -b flag-2', { ...rr, scheduler: 'mh', schedulerFlags: ['mh-port'] }],
    [`ipvsadm ${SERVICE}`, rr],
    [`/sbin/ipvsadm ${SERVICE}`, rr],
    [`  \t ${SERVICE.replaceAll(' ', ' \t ')}  \r`, rr],
    [`${SERVICE} # the web`, rr],
  ])('%s', (line, service) => {
    expect(parseRules(line)).toStrictEqual([service])
  })
})

describe('destinations', () => {
  const direct = {
    address: '10.1.0.1',
    port: 80,
    forwarding: 'direct',
    weight: 1,
    upperThreshold: 0,
    lowerThreshold: 0,
  }
  const masquerade = { ...direct, forwarding: 'masquerade' }
  const tunnel = { ...direct, forwarding: 'tunnel', tunnel: { type: 'ipip' } }
  test.each<[string, object]>([
    ['-r 10.1.0.1:80', direct],
    ['-r 10.1.0.1', direct],
    ['--real-server=10.1.0.1:80 --gatewaying', direct],
    ['-gr 10.1.0.1:80', direct],
    ['-r 10.1.0.1:8080 -m', { ...masquerade, port: 8080 }],
    ['-r 10.1.0.1 --masquerading', masquerade],
    ['-r 10.1.0.1 -i', tunnel],
    ['-r [2001:db8::1]:80 --ipip', { ...tunnel, address: '2001:db8::1' }],
    ['-r 2001:db8::1 -i', { ...tunnel, address: '2001:db8::1' }],
    ['-r 10.1.0.1 -w 0', { ...direct, weight: 0 }],
    ['-r 10.1.0.1 -w -0', { ...direct, weight: 0 }],
    ['-r 10.1.0.1 -w+05', { ...direct, weight: 5 }],
    ['-r 10.1.0.1 --weight 2147483647', { ...direct, weight: 2147483647 }],
    ['-r 10.1.0.1 -x 9 -y 3', { ...direct, upperThreshold: 9, lowerThreshold: 3 }],
    [
      '-r 10.1.0.1 --l-threshold=3 --u-threshold=9',
      { ...direct, upperThreshold: 9, lowerThreshold: 3 },
    ],
    ['-r 10.1.0.1 -i --tun-type ipip', tunnel],
    ['-r 10.1.0.1 -i --tun-type gre', { ...tunnel, tunnel: { type: 'gre' } }],
    ['-r 10.1.0.1 -i --tun-type gre --tun-nocsum', { ...tunnel, tunnel: { type: 'gre' } }],
    [
      '-r 10.1.0.1 -i --tun-type gre --tun-csum',
      { ...tunnel, tunnel: { type: 'gre', checksum: 'standard' } },
    ],
    [
      '-r 10.1.0.1 -i --tun-type gue --tun-port 6080',
      { ...tunnel, tunnel: { type: 'gue', port: 6080 } },
    ],
    [
      '-r 10.1.0.1 -i --tun-port=6080 --tun-type=gue --tun-remcsum',
      { ...tunnel, tunnel: { type: 'gue', port: 6080, checksum: 'remote' } },
    ],
  ])('%s', (words, destination) => {
    const service = { ...rr, destinations: [destination] }
    expect(parseRules(`${SERVICE}\n-a -t 192.0.2.1:80 ${words}`)).toStrictEqual([service])
    expect(parseRules(`${SERVICE}\n--add-server ${words} -t192.0.2.1:80\n`)).toStrictEqual([
      service,
    ])
  })

  test('keep the order of the text, whatever stands between', () => {
    const text = `# Generated by ipvsadm-save -n

${SERVICE}
  # the second
-A -f 9 -6 -s rr
-a -f 9 -6 -r [2001:db8::9]:0 -m -w 7
-a -t 192.0.2.1:80 -r 10.1.0.2 -g
\r
-a -t 192.0.2.1:80 -r 10.1.0.1:80 -g
-a -f 9 -6 -r [2001:db8::8]:81 -g
`
    const trees = parseRules(text)
    expect(
      trees.map(({ destinations }) => destinations.map(({ address, port }) => [address, port])),
    ).toEqual([
      [
        ['10.1.0.2', 80],
        ['10.1.0.1', 80],
      ],
      [
        ['2001:db8::9', 0],
        ['2001:db8::8', 81],
      ],
    ])
  })
})

test('an empty text is an empty table', () => {
  expect(parseRules('')).toEqual([])
  expect(parseRules('\n# nothing\n \t\r\n')).toEqual([])
})

describe('refuses', () => {
  const server = `${SERVICE}\n-a -t 192.0.2.1:80 -r`
  test.each<[string, number, RegExp]>([
    // Commands
    ['-C', 1, /each line must be a rule that begins with -A .* or -a .*; received "-C"/],
    [`${SERVICE}\n\n--edit-service -t 192.0.2.1:80`, 3, /begins with -A/],
    ['--set 900 120 300', 1, /begins with -A/],
    ['-t 192.0.2.1:80 -A', 1, /begins with -A/],
    ['add-service', 1, /"add-service" must be an option/],
    ['-A -a -t 192.0.2.1:80', 1, /-a must be left out: it is for servers \(-a\), not for services/],
    ['-A -A -t 192.0.2.1:80', 1, /-A must be given once/],
    // Options
    [`${SERVICE} -q`, 1, /-q must be left out: rules have no such option; received "-A -t/],
    [`${SERVICE} --sched rr`, 1, /--sched must be left out: rules have no such option/],
    [`${SERVICE} --persistant`, 1, /\(did you mean "--persistent"\?\)/],
    [`${SERVICE} -n`, 1, /-n must be left out/],
    [
      `${SERVICE} -w 1`,
      1,
      /-w must be left out: it is for servers \(-a\), not for services \(-A\)/,
    ],
    [
      `${server} 10.1.0.1 -s rr`,
      2,
      /-s must be left out: it is for services \(-A\), not for servers/,
    ],
    ['-A -t', 1, /-t must be followed by its value; received "-A -t"/],
    ['-A -t 192.0.2.1:80 -s', 1, /-s must be followed by its value/],
    ['-A -t 192.0.2.1:80 -s -p', 1, /-s must be followed by its value/],
    ['-A -t 192.0.2.1:80 -s sh -b', 1, /-b must be followed by its value/],
    [`${server} 10.1.0.1 -w`, 2, /-w must be followed by its value/],
    [`${SERVICE} --ops=1`, 1, /-o must be given without a value; received "1"/],
    [`${SERVICE} -s wlc`, 1, /-s must be given once/],
    [`${SERVICE} rr`, 1, /"rr" must be an option, or the value of the option before it/],
    [`${SERVICE} -u 192.0.2.1:80`, 1, /-u must be left out: -t is given already/],
    [`${server} 10.1.0.1 -g -m`, 2, /-m must be left out: -g is given already/],
    [
      `${server} 10.1.0.1 -i --tun-type gre --tun-csum --tun-nocsum`,
      2,
      /--tun-nocsum must be left out: --tun-csum is given already/,
    ],
    ['-A -s rr', 1, /a rule must be of one service: -t, -u, --sctp-service or -f/],
    [`${SERVICE}\n-a -t 192.0.2.1:80`, 2, /a server \(-a\) must be given with -r/],
    // Values
    ['-A -t localhost:80', 1, /-t must be an address and a port in numbers.*ipvsadm-save -n/],
    ['-A -t 192.0.2.1:http', 1, /-t must be an address and a port in numbers.*ipvsadm-save -n/],
    ['-A -t "192.0.2.1:80"', 1, /-t must be an address and a port in numbers/],
    ['-A -t 192.0.2.1:', 1, /-t must be an address and a port in numbers/],
    ['-A -t [2001:db8::1] -p', 1, /such as 192\.0\.2\.1:53 or \[2001:db8::1\]:53/],
    ['-A -t [192.0.2.1]:80', 1, /-t must be an address and a port in numbers/],
    ['-A -t 10.1:80', 1, /-t must be an address and a port in numbers/],
    [`${server} web-1:80`, 2, /-r must be an address and a port in numbers.*ipvsadm-save -n/],
    ['-A -t [::ffff:192.0.2.1]:80', 1, /-t must be written "192\.0\.2\.1"/],
    ['-A -t [fe80::1%eth0]:80', 1, /-t must be an address without a zone id/],
    ['-A -t 0.0.0.0:80', 1, /the address of the service must be/],
    [`${server} 224.0.0.1:80`, 2, /the address of the server must be the address of one server/],
    ['-A -t 192.0.2.1:65536', 1, /the port of the service must be an integer from 0 to 65535/],
    ['-A -t 192.0.2.1', 1, /the port of the service must be .* needs persistence; received 0/],
    [`${server} 10.1.0.1:81`, 2, /the port of the server must be the service's port, 80/],
    [`${server} 10.1.0.1:81 -i`, 2, /the port of the server must be the service's port, 80/],
    [`${server} 10.1.0.1:0 -m`, 2, /the port of the server must be an integer from 1 to 65535/],
    [`${server} [2001:db8::1]:80`, 2, /the address of the server must be of the same family/],
    ['-A -f 0', 1, /-f must be an integer from 1 to 4294967295; received 0/],
    ['-A -f 4294967296', 1, /-f must be an integer from 1 to 4294967295/],
    ['-A -f -2147483649', 1, /-f must be an integer from 1 to 4294967295/],
    ['-A -f 0x10', 1, /-f must be followed by a whole number; received "0x10"/],
    ['-A -6 -t 192.0.2.1:80', 1, /-6 must be left out: it is for firewall marks/],
    ['-A -t 192.0.2.1:80 -s none', 1, /-s must be a scheduler: with "none"/],
    ['-A -t 192.0.2.1:80 -s a/b', 1, /-s must be a name of 1 to 15 bytes/],
    [`${SERVICE} -o`, 1, /-o must be false or left out: one-packet scheduling is for UDP/],
    [`${SERVICE} -p 0`, 1, /-p must be an integer from 1 to 4294967; received 0/],
    [`${SERVICE} -p soon`, 1, /-p must be followed by a whole number; received "soon"/],
    [`${SERVICE} -M 255.255.255.0`, 1, /-M must be left out of a service without -p/],
    [`${SERVICE} -p -M 24`, 1, /-M must be a dotted mask/],
    [`${SERVICE} -p -M 0.0.0.0`, 1, /-M must be other than 0/],
    ['-A -t [2001:db8::1]:80 -p -M 255.0.0.0', 1, /-M must be a prefix length, 1 to 128, for IPv6/],
    ['-A -t [2001:db8::1]:80 -p -M 129', 1, /-M must be an integer from 1 to 128/],
    [`${SERVICE} --pe sip`, 1, /--pe must be left out of a service without -p/],
    [`${SERVICE} -p --pe a/b`, 1, /--pe must be a name of 1 to 15 bytes/],
    [`${SERVICE} -b sh-port`, 1, /-b must be a flag of scheduler "rr": "flag-1", /],
    [
      '-A -t 192.0.2.1:80 -s sh -b mh-port',
      1,
      /-b must be a flag of scheduler "sh": "sh-fallback", /,
    ],
    [`${server} 10.1.0.1 -w 2147483648`, 2, /-w must be an integer from 0 to 2147483647/],
    [`${server} 10.1.0.1 -w -1`, 2, /-w must be an integer from 0 to 2147483647; received -1/],
    [`${server} 10.1.0.1 -w 1.5`, 2, /-w must be followed by a whole number; received "1\.5"/],
    [`${server} 10.1.0.1 -y 5`, 2, /-y must be at most upperThreshold, which is 0; received 5/],
    [`${server} 10.1.0.1 -x a`, 2, /-x must be followed by a whole number/],
    [
      `${server} 10.1.0.1 --tun-type ipip`,
      2,
      /--tun-type must be left out unless packets are tunn/,
    ],
    [`${server} 10.1.0.1 -i --tun-type vxlan`, 2, /--tun-type must be one of "ipip", "gue", "gre"/],
    [`${server} 10.1.0.1 -i --tun-type gue`, 2, /--tun-port must be given with --tun-type gue/],
    [`${server} 10.1.0.1 -i --tun-type gre --tun-port 1`, 2, /--tun-port must be left out: only/],
    [`${server} 10.1.0.1 -i --tun-type gue --tun-port 0`, 2, /--tun-port must be .* 1 to 65535/],
    [`${server} 10.1.0.1 -i --tun-csum`, 2, /--tun-csum must be left out: --tun-type ipip has no/],
    [
      `${server} 10.1.0.1 -i --tun-type gre --tun-remcsum`,
      2,
      /--tun-remcsum must be left out: only --tun-type gue has it/,
    ],
    // Between lines
    [
      `-a -t 192.0.2.1:80 -r 10.1.0.1\n${SERVICE}`,
      1,
      /the service of a server must be added by an -A line above; received "tcp 192\.0\.2\.1:80"/,
    ],
    [`${SERVICE}\n-a -u 192.0.2.1:80 -r 10.1.0.1`, 2, /received "udp 192\.0\.2\.1:80"/],
    ['-A -f 7\n-a -f 7 -6 -r [2001:db8::1]:80', 2, /received "fwmark 7 ipv6"/],
    [`${SERVICE}\n# again\n${SERVICE}`, 3, /service must be added once; received "tcp 192/],
    ['-A -f -1\n-A -f 4294967295', 2, /service must be added once/],
    [
      `${server} 10.1.0.1\n-a -t 192.0.2.1:80 -r 10.1.0.1:80 -m`,
      3,
      /server must be added once to tcp 192\.0\.2\.1:80; received "10\.1\.0\.1:80"/,
    ],
  ])('%j', (text, line, message) => {
    let error: unknown
    try {
      parseRules(text)
    } catch (thrown) {
      error = thrown
    }
    expect(error).toBeInstanceOf(RangeError)
    expect(error).toMatchObject({ code: 'ERR_IPVS_ARGUMENT', option: `line ${line}` })
    expect((error as Error).message).toMatch(message)
    expect((error as Error).message).toMatch(new RegExp(`^line ${line}: `))
    expect(error).toHaveProperty('value')
  })

  test('what is not a text', () => {
    for (const text of [undefined, null, 7, Buffer.from(SERVICE), [SERVICE]]) {
      expect(() => parseRules(text as never)).toThrow(
        expect.objectContaining({ name: 'TypeError', code: 'ERR_IPVS_ARGUMENT', option: 'text' }),
      )
    }
  })
})
