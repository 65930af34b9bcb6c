// The checks, and what a server says to each: the rows of the table.
import { createHash } from 'node:crypto'
import { decode, encode } from 'dns-packet'
import type { Check, checks as Checks } from 'ipvs'
import type { exec as Exec } from 'ipvs/checks/exec'
import type { Ending } from './endings.js'

/** Of the build that is looked at. */
export interface Library {
  readonly checks: typeof Checks
  readonly exec: typeof Exec
}

/** What a server says, turn by turn, given what it has heard. */
export interface Speech {
  /** It speaks before it has heard anything. */
  readonly first?: true
  readonly turns: readonly ((heard: Buffer) => Buffer)[]
  readonly wrong: (heard: Buffer) => Buffer
  /** What an endless answer begins with, and goes on with. */
  readonly endless: readonly [begin: string, more: string]
  /** It speaks TLS from the turn with this number. */
  readonly tlsFrom?: number
  readonly udp?: true
}

export interface Subject {
  readonly name: string
  readonly check: (library: Library, port: number, ending: Ending) => Check
  /** Left out: it asks no server. */
  readonly speech?: Speech
  /** Silent is who does not even take its connection: once it has that, it asks no more. */
  readonly isDeaf?: true
  /** Endings that it takes for healthy. Default: `healthy`. */
  readonly takes?: readonly Ending[]
  /** Started for each check; so few that a second of the gate is enough. */
  readonly costly?: true
}

const line = (text: string) => () => Buffer.from(text, 'latin1')
const lines = (...texts: string[]) => texts.map(line)

const http: Speech = {
  turns: lines(`HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n6\r\nready\n\r\n0\r\n\r\n`),
  wrong: line('HTTP/1.1 503 No\r\nContent-Length: 9\r\n\r\nbeg'),
  endless: ['HTTP/1.1 200 OK\r\nA: b\r\n\r\n', 'no end of it '],
}
/** SETTINGS, a head with a status, a body: frames of RFC 9113. */
const http2Answer = (head: string) =>
  `\0\0\0\x04\0\0\0\0\0\0\0${String.fromCharCode(head.length)}\x01\x04\0\0\0\x01${head}`
const http2Body = (flags: string, body: string) =>
  `\0\0${String.fromCharCode(body.length)}\0${flags}\0\0\0\x01${body}`
const http2: Speech = {
  turns: lines(http2Answer('\x88') + http2Body('\x01', 'ready\n')),
  wrong: line(http2Answer('\x08\x03503')),
  endless: [http2Answer('\x88'), http2Body('\0', 'no end of it ')],
}
/** Status 200 and the type in a head, a message, the status in trailers; names and values by their lengths, as HPACK has it. */
const grpcHead = '\x88\x0f\x10\x10application/grpc'
const grpcTrailers = '\0\x0bgrpc-status\x010'
const grpcAnswer = (status: string) =>
  http2Answer(grpcHead) +
  http2Body('\0', `\0\0\0\0\x02\x08${status}`) +
  `\0\0${String.fromCharCode(grpcTrailers.length)}\x01\x05\0\0\0\x01${grpcTrailers}`
const httpOptions = { body: /^ready$/m, maxBodyBytes: 100_000 }
const connectedTakes = ['healthy', 'wrong', 'half', 'half, closed', 'endless'] as const
const everythingTakes = [...connectedTakes, 'silent'] as const

const smtp: Speech = {
  first: true,
  turns: lines('220-hi\r\n220 there\r\n', '250-ok\r\n250 HELP\r\n'),
  wrong: line('554 no service\r\n'),
  endless: ['220-hi\r\n', '220-and so on\r\n'],
}

const dnsAnswer = (rcode: number) => (query: Buffer) => {
  const { id, questions } = decode(query)
  const answers = [{ type: 'A' as const, name: 'example.org', ttl: 1, data: '192.0.2.1' }]
  return encode({ type: 'response', id, flags: rcode, questions, answers })
}
const framed = (make: (query: Buffer) => Buffer) => (heard: Buffer) => {
  const message = make(heard.subarray(2))
  const length = Buffer.alloc(2)
  length.writeUInt16BE(message.length)
  return Buffer.concat([length, message])
}

const greeting = Buffer.concat([
  Buffer.from('4a0000000a382e302e333600', 'hex'),
  Buffer.from('07000000010203040506070800ffffff0200ffdf1500000000000000000000', 'hex'),
  Buffer.from('0102030405060708090a0b0c00', 'hex'),
  Buffer.from('caching_sha2_password\0'),
])
greeting.writeUIntLE(greeting.length - 4, 0, 3)
const denied = Buffer.from('0d000002ff150423323830303044656e', 'hex')
denied.writeUIntLE(denied.length - 4, 0, 3)
const deniedOverTls = Buffer.from(denied)
deniedOverTls[3] = 3
/** One column, one row. */
const row = (value: string) =>
  `\x01\0\0\x01\x01\x02\0\0\x02\x01a\x05\0\0\x03\xfe\0\0\x02\0\x02\0\0\x04\x01${value}\x05\0\0\x05\xfe\0\0\x02\0`

/** The response to a request of SIP, in the words of its own head. */
const sipAnswer = (status: string) => (heard: Buffer) => {
  const lines = heard.toString().split('\r\n')
  const same = lines.filter((text) => /^(Via|Call-ID|CSeq):/.test(text))
  return Buffer.from([`SIP/2.0 ${status}`, ...same, 'Content-Length: 0', '', ''].join('\r\n'))
}
const sip: Omit<Speech, 'udp'> = {
  turns: [sipAnswer('200 OK')],
  wrong: sipAnswer('503 No'),
  endless: ['SIP/2.0 200 OK\r\n', 'A: b\r\n'],
}

const radiusAnswer = (code: number) => (heard: Buffer) => {
  const reply = Buffer.from(heard.subarray(0, 20))
  reply[0] = code
  reply.writeUInt16BE(20, 2)
  createHash('md5').update(reply).update('secret').digest().copy(reply, 4)
  return reply
}

const ntpAnswer = (stratum: number) => (heard: Buffer) => {
  const reply = Buffer.alloc(48, 1)
  reply[0] = 0x24
  reply[1] = stratum
  heard.copy(reply, 24, 40, 48)
  return reply
}

const redis: Speech = {
  turns: lines('+PONG\r\n'),
  wrong: line('-LOADING\r\n'),
  endless: ['+', 'PONG'],
}

const pong: Speech = {
  udp: true,
  turns: lines('pong'),
  wrong: line('ping'),
  endless: ['', 'no'],
}

export const subjects: readonly Subject[] = [
  {
    name: 'tcp',
    check: ({ checks }, port) => checks.tcp({ port }),
    speech: redis,
    isDeaf: true,
    takes: connectedTakes,
  },
  {
    name: 'tcp by a device',
    check: ({ checks }, port) => checks.tcp({ port, connect: { device: 'lo' } }),
    speech: redis,
    isDeaf: true,
    takes: connectedTakes,
  },
  {
    name: 'udp',
    check: ({ checks }, port) => checks.udp({ port, payload: 'ping', reply: 'pong' }),
    speech: pong,
  },
  {
    name: 'udp by a device',
    check: ({ checks }, port) =>
      checks.udp({ port, payload: 'ping', reply: 'pong', connect: { device: 'lo' } }),
    speech: pong,
  },
  {
    name: 'udp or ping',
    check: ({ checks }, port) => checks.udp({ port, payload: 'ping', silence: 'ping' }),
    speech: pong,
    takes: everythingTakes,
  },
  {
    // The kernel answers, and never by halves.
    name: 'ping',
    check: ({ checks }, _port, ending) =>
      checks.ping(ending === 'refused' ? { connect: { device: 'none' } } : {}),
    takes: everythingTakes,
  },
  {
    name: 'dns over UDP',
    check: ({ checks }, port) =>
      checks.dns({ port, name: 'example.org', protocols: ['udp'], answer: 1 }),
    speech: {
      udp: true,
      turns: [dnsAnswer(0)],
      wrong: dnsAnswer(2),
      endless: ['', 'no answer to it'],
    },
  },
  {
    name: 'dns over TCP',
    check: ({ checks }, port) =>
      checks.dns({ port, name: 'example.org', protocols: ['tcp'], answer: 1 }),
    speech: {
      turns: [framed(dnsAnswer(0))],
      wrong: framed(dnsAnswer(2)),
      endless: ['\xff\xff', 'x'],
    },
  },
  {
    name: 'dns over TLS',
    check: ({ checks }, port) =>
      checks.dns({ port, name: 'example.org', randomLabel: true, edns: true, tls: true }),
    speech: {
      turns: [framed(dnsAnswer(0))],
      wrong: framed(dnsAnswer(2)),
      endless: ['\xff\xff', 'x'],
      tlsFrom: 0,
    },
  },
  {
    name: 'http',
    check: ({ checks }, port) => checks.http({ port, ...httpOptions }),
    speech: http,
  },
  {
    name: 'http, head only',
    check: ({ checks }, port) => checks.http({ port }),
    speech: { ...http, endless: ['HTTP/1.1 200 OK\r\n', 'A: b\r\n'] },
  },
  {
    name: 'https',
    check: ({ checks }, port) => checks.http({ port, tls: true, ...httpOptions }),
    speech: { ...http, tlsFrom: 0 },
  },
  {
    name: 'http2',
    check: ({ checks }, port) => checks.http({ port, http2: true, ...httpOptions }),
    speech: http2,
  },
  {
    name: 'http2 over TLS',
    check: ({ checks }, port) => checks.http({ port, http2: true, tls: true, ...httpOptions }),
    speech: { ...http2, tlsFrom: 0 },
  },
  {
    name: 'grpc',
    check: ({ checks }, port) => checks.grpc({ port }),
    speech: {
      turns: lines(grpcAnswer('\x01')),
      wrong: line(grpcAnswer('\x02')),
      endless: [http2Answer(grpcHead), http2Body('\0', 'no end of it ')],
    },
  },
  {
    name: 'tls',
    check: ({ checks }, port) => checks.tls({ port }),
    speech: { ...redis, tlsFrom: 0 },
    takes: ['healthy', 'wrong', 'endless'],
  },
  {
    name: 'expect',
    check: ({ checks }, port) =>
      checks.expect({ port, dialogue: [{ send: 'hello\r\n', expect: /^hello$/ }] }),
    speech: { turns: lines('hello\r\n'), wrong: line('no\r\n'), endless: ['', 'hello '] },
  },
  { name: 'smtp', check: ({ checks }, port) => checks.smtp({ port }), speech: smtp },
  {
    name: 'smtp, STARTTLS',
    check: ({ checks }, port) => checks.smtp({ port, startTls: true }),
    speech: {
      ...smtp,
      turns: [...smtp.turns, line('220 go\r\n'), line('250 ok\r\n')],
      tlsFrom: 3,
    },
  },
  {
    name: 'pop3',
    check: ({ checks }, port) => checks.pop3({ port }),
    speech: {
      first: true,
      turns: lines('+OK hi\r\n', '+OK bye\r\n'),
      wrong: line('-ERR no\r\n'),
      endless: ['+OK ', 'hi '],
    },
  },
  {
    name: 'imap',
    check: ({ checks }, port) => checks.imap({ port }),
    speech: {
      first: true,
      turns: lines('* OK hi\r\n', '* 1 EXISTS\r\na1 OK done\r\n'),
      wrong: line('* BYE\r\n'),
      endless: ['', '* 1 EXISTS\r\n'],
    },
  },
  {
    name: 'mysql',
    check: ({ checks }, port) => checks.mysql({ port }),
    speech: {
      first: true,
      turns: [() => greeting, () => denied],
      wrong: line('\x09\0\0\0\xff\x10\x04Too ma'),
      endless: ['\xff\x0f\0\0\x0a', 'no end of the version'],
    },
  },
  {
    name: 'mysql, a query',
    check: ({ checks }, port) => checks.mysql({ port, user: 'a', query: 'SELECT 1', value: '1' }),
    speech: {
      first: true,
      turns: [() => greeting, line('\x07\0\0\x02\0\0\0\x02\0\0\0'), line(row('1'))],
      wrong: line(row('0')),
      endless: ['\x01\0\0\x01\xfa', '\x02\0\0\x02\x01a'],
    },
  },
  {
    name: 'mysql, TLS',
    check: ({ checks }, port) => checks.mysql({ port, tls: true }),
    speech: {
      first: true,
      turns: [() => greeting, () => Buffer.alloc(0), () => deniedOverTls],
      wrong: line('\x09\0\0\x03\xff\x10\x04Too ma'),
      endless: ['\xff\x0f\0\x03\xff', 'no end of the error'],
      tlsFrom: 2,
    },
  },
  {
    name: 'ldap',
    check: ({ checks }, port) => checks.ldap({ port }),
    speech: {
      turns: lines(
        '\x30\x09\x02\x01\x02\x64\x04\x04\0\x30\0\x30\x0c\x02\x01\x02\x65\x07\x0a\x01\0\x04\0\x04\0',
      ),
      wrong: line('\x30\x0c\x02\x01\x02\x65\x07\x0a\x01\x34\x04\0\x04\0'),
      endless: ['', '\x30\x09\x02\x01\x02\x64\x04\x04\0\x30\0'],
    },
  },
  { name: 'redis', check: ({ checks }, port) => checks.redis({ port }), speech: redis },
  {
    name: 'memcached',
    check: ({ checks }, port) => checks.memcached({ port }),
    speech: {
      turns: lines('VERSION 1.6.18\r\n'),
      wrong: line('ERROR\r\n'),
      endless: ['VERSION ', '1.6'],
    },
  },
  {
    name: 'sip over UDP',
    check: ({ checks }, port) => checks.sip({ port }),
    speech: { ...sip, udp: true },
  },
  {
    name: 'sip over TCP',
    check: ({ checks }, port) => checks.sip({ port, protocol: 'tcp' }),
    speech: sip,
  },
  {
    name: 'radius',
    check: ({ checks }, port) => checks.radius({ port, secret: 'secret' }),
    speech: {
      udp: true,
      turns: [radiusAnswer(2)],
      wrong: radiusAnswer(3),
      endless: ['', 'no answer to it'],
    },
  },
  {
    name: 'ntp',
    check: ({ checks }, port) => checks.ntp({ port }),
    speech: {
      udp: true,
      turns: [ntpAnswer(2)],
      wrong: ntpAnswer(16),
      endless: ['', 'no answer to it'],
    },
  },
  {
    name: 'all',
    check: ({ checks }, port) =>
      checks.all(checks.http({ port, ...httpOptions }), checks.http({ port })),
    speech: http,
  },
  {
    name: 'any',
    check: ({ checks }, port) =>
      checks.any(checks.redis({ port }), checks.http({ port, ...httpOptions })),
    speech: http,
  },
  {
    name: 'not',
    check: ({ checks }, port) => checks.not(checks.http({ port, ...httpOptions })),
    speech: http,
    takes: ['refused', 'wrong', 'half, closed', 'endless'],
  },
  {
    name: 'exec',
    costly: true,
    check: ({ exec }, _port, ending) => {
      const scripts: Record<Ending, string> = {
        healthy: 'echo fine',
        refused: '',
        wrong: 'echo no; exit 1',
        silent: 'sleep 9',
        half: 'printf fi; sleep 9',
        'half, closed': 'printf fi; kill -9 $$',
        endless: 'yes',
        aborted: 'echo fine',
      }
      if (ending === 'refused') return exec({ command: '/nonexistent/check' })
      return exec({ command: '/bin/sh', args: ['-c', scripts[ending]] })
    },
  },
]
