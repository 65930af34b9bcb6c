// The servers from Debian that checks are tried with, and what every check says of the one it knows.
import { decode, encode } from 'dns-packet'
import { type Check, checks } from 'ipvs'
import { good, trust } from './certificates.js'
import { dnsmasqPlan, knotPlan, namedPlan } from './dns-plans.js'
import {
  dovecotPlan,
  etcdPlan,
  mariadbPlan,
  nginxPlan,
  postfixPlan,
  redisPlan,
  slapdPlan,
  unboundPlan,
} from './plans.js'
import type { ServerPlan } from './server.js'
import { chronyPlan, freeradiusPlan, kamailioPlan, memcachedPlan } from './service-plans.js'

/** A check, and what it says of the server that it knows. */
export interface KnownCheck {
  readonly name: keyof typeof checks
  /** How its reasons begin, where that is not its name. */
  readonly label?: string
  readonly check: Check
  /** The port it asks: so many after the server's first. Default 0. */
  readonly offset?: number
  readonly healthy: RegExp
  /**
   * What follows "no answer within 200 ms" when the server is silent, and when it has said a part. Left out for checks
   * that use UDP, which no proxy slows down here, and for `tcp` and `ping`, which do not notice.
   */
  readonly silent?: string
  readonly partly?: RegExp
}

export interface KnownServer {
  readonly name: string
  /** Debian's packages, each with a file that shows it is there. */
  readonly packages: Readonly<Record<string, string>>
  /** Users that it insists on, each with a group of the same name. */
  readonly users?: readonly string[]
  /** On this port and, if it needs more, on the nine after it. */
  readonly plan: (port: number) => ServerPlan
  readonly checks: readonly KnownCheck[]
}

/** One process serves many connections, as where there are many. */
const busyDovecot = ['imap', 'pop3'].map(
  (name) => `service ${name}-login {\n  service_count = 0\n  process_min_avail = 1\n}`,
)

/** What `npm test -- servers` fetches, and the plain good case of every check. Special cases are in tests of their own. */
export const servers: readonly KnownServer[] = [
  {
    name: 'unbound',
    packages: { unbound: '/usr/sbin/unbound' },
    plan: (port) => unboundPlan({ port }),
    checks: [
      {
        name: 'dns',
        check: checks.dns({ name: 'example.test', answer: '192.0.2.1' }),
        healthy: /^healthy: udp NOERROR, 2 answers; tcp NOERROR, 2 answers$/,
      },
      {
        name: 'udp',
        check: checks.udp({
          payload: encode({ type: 'query', questions: [{ name: 'example.test', type: 'A' }] }),
          reply: (reply) => decode(reply).answers?.length === 2,
        }),
        healthy: /^healthy: a reply of \d+ bytes/,
      },
    ],
  },
  {
    name: 'knotd',
    packages: { knot: '/usr/sbin/knotd' },
    plan: (port) => knotPlan({ port }),
    checks: [
      {
        name: 'dns',
        check: checks.dns({ name: 'knot.test', minAnswers: 2 }),
        healthy: /^healthy: udp NOERROR, 2 answers; tcp NOERROR, 2 answers$/,
      },
    ],
  },
  {
    name: 'named',
    packages: { bind9: '/usr/sbin/named' },
    plan: (port) => namedPlan({ port, tlsPort: port + 1, tls: good }),
    checks: [
      {
        name: 'dns',
        check: checks.dns({ name: 'bind.test', minAnswers: 2 }),
        healthy: /^healthy: udp NOERROR, 2 answers; tcp NOERROR, 2 answers$/,
      },
    ],
  },
  {
    name: 'dnsmasq',
    packages: { 'dnsmasq-base': '/usr/sbin/dnsmasq' },
    plan: (port) => dnsmasqPlan({ port }),
    checks: [
      {
        name: 'dns',
        check: checks.dns({ name: 'masq.test', answer: '192.0.2.1' }),
        healthy: /^healthy: udp NOERROR, 1 answers; tcp NOERROR, 1 answers$/,
      },
    ],
  },
  {
    name: 'nginx',
    packages: { nginx: '/usr/sbin/nginx' },
    plan: (port) => nginxPlan({ port, tlsPort: port + 1, h2Port: port + 2, tls: good }),
    checks: [
      { name: 'tcp', check: checks.tcp(), healthy: /^healthy: connected$/ },
      { name: 'ping', check: checks.ping(), healthy: /^healthy: answered$/ },
      {
        name: 'http',
        check: checks.http({ body: 'fine' }),
        healthy: /^healthy: status 200$/,
        silent: '',
        partly: /./,
      },
      {
        name: 'http',
        label: 'https',
        check: checks.http({ tls: trust, body: /^fine$/m }),
        offset: 1,
        healthy: /^healthy: status 200$/,
        silent: ' (no TLS handshake)',
        partly: /no TLS handshake/,
      },
      {
        name: 'http',
        check: checks.http({ http2: true, body: /^fine$/m }),
        offset: 2,
        healthy: /^healthy: status 200$/,
        silent: '',
        partly: /./,
      },
      {
        name: 'http',
        label: 'https',
        check: checks.http({
          http2: true,
          tls: trust,
          path: '/load',
          weight: { json: 'load.free' },
        }),
        offset: 1,
        healthy: /^healthy: status 200, weight 0\.25 of 1$/,
        silent: ' (no TLS handshake)',
        partly: /no TLS handshake/,
      },
      {
        name: 'tls',
        check: checks.tls(trust),
        offset: 1,
        healthy: /^healthy: TLSv1\.3, TLS_\w+, 30 days left$/,
        silent: ' (no TLS handshake)',
        partly: /no TLS handshake/,
      },
      {
        name: 'expect',
        check: checks.expect({
          dialogue: [
            { send: 'GET / HTTP/1.0\r\n\r\n', expect: /200 OK[\s\S]*fine$/, last: /^fine/ },
          ],
        }),
        healthy: /^healthy: answered "HTTP\/1\.1 200 OK/,
        silent: ' (waiting for /200 OK[\\s\\S]*fine$/)',
        partly: /so far /,
      },
    ],
  },
  {
    name: 'etcd',
    packages: { 'etcd-server': '/usr/bin/etcd' },
    plan: (port) => etcdPlan({ port, peerPort: port + 1 }),
    checks: [
      {
        name: 'grpc',
        check: checks.grpc(),
        healthy: /^healthy: SERVING$/,
        silent: '',
        partly: /./,
      },
    ],
  },
  {
    name: 'postfix',
    packages: { postfix: '/usr/lib/postfix/sbin/master' },
    users: ['postfix', 'postdrop'],
    plan: (port) => postfixPlan({ port, tlsPort: port + 1, tls: good }),
    checks: [
      {
        name: 'smtp',
        check: checks.smtp(),
        healthy: /^healthy: greeting "220 mail\.test ESMTP Postfix/,
        silent: ' (waiting for 220)',
        partly: /so far /,
      },
    ],
  },
  {
    name: 'dovecot',
    packages: {
      'dovecot-imapd': '/usr/lib/dovecot/imap-login',
      'dovecot-pop3d': '/usr/lib/dovecot/pop3-login',
    },
    users: ['dovecot', 'dovenull'],
    plan: (port) =>
      dovecotPlan({
        ports: { imap: port, imaps: port + 1, pop3: port + 2, pop3s: port + 3 },
        tls: good,
        lines: busyDovecot,
      }),
    checks: [
      {
        name: 'imap',
        check: checks.imap(),
        healthy: /^healthy: greeting "\* OK \[CAPABILITY /,
        silent: ' (waiting for * OK)',
        partly: /so far /,
      },
      {
        name: 'pop3',
        check: checks.pop3(),
        offset: 2,
        healthy: /^healthy: greeting "\+OK Dovecot/,
        silent: ' (waiting for +OK)',
        partly: /so far /,
      },
    ],
  },
  {
    name: 'mariadbd',
    packages: { 'mariadb-server-core': '/usr/sbin/mariadbd' },
    // It would write a line for each refused login.
    plan: (port) => mariadbPlan({ port, options: ['--log-warnings=0'] }),
    checks: [
      {
        name: 'mysql',
        check: checks.mysql(),
        healthy: /^healthy: version "5\.5\.5-\d+\.\d+\.\d+-MariaDB.*", refuses strangers$/,
        silent: ' (waiting for a handshake)',
        partly: /so far /,
      },
    ],
  },
  {
    name: 'slapd',
    packages: { slapd: '/usr/sbin/slapd' },
    plan: (port) => slapdPlan({ port, lines: [], tls: { port: port + 1, ...good } }),
    checks: [
      {
        name: 'ldap',
        check: checks.ldap(),
        healthy: /^healthy: success$/,
        silent: ' (waiting for an answer to the search)',
        partly: /so far /,
      },
    ],
  },
  {
    name: 'redis-server',
    packages: { 'redis-server': '/usr/bin/redis-server' },
    plan: (port) => redisPlan({ port, lines: [] }),
    checks: [
      {
        name: 'redis',
        check: checks.redis(),
        healthy: /^healthy: answered "\+PONG"$/,
        silent: ' (waiting for +PONG to PING)',
        partly: /so far /,
      },
    ],
  },
  {
    name: 'memcached',
    packages: { memcached: '/usr/bin/memcached' },
    plan: (port) => memcachedPlan({ port }),
    checks: [
      {
        name: 'memcached',
        check: checks.memcached(),
        healthy: /^healthy: answered "VERSION \d+\.\d+\.\d+"$/,
        silent: ' (waiting for VERSION)',
        partly: /so far /,
      },
    ],
  },
  {
    name: 'kamailio',
    packages: { kamailio: '/usr/sbin/kamailio' },
    plan: (port) => kamailioPlan({ port }),
    checks: [
      { name: 'sip', label: 'sip udp', check: checks.sip(), healthy: /^healthy: status 200$/ },
      {
        name: 'sip',
        label: 'sip tcp',
        check: checks.sip({ protocol: 'tcp' }),
        healthy: /^healthy: status 200$/,
        silent: ' (waiting for a response)',
        partly: /so far /,
      },
    ],
  },
  {
    name: 'freeradius',
    packages: { freeradius: '/usr/sbin/freeradius' },
    plan: (port) => freeradiusPlan({ port, accountingPort: port + 1 }),
    checks: [
      {
        name: 'radius',
        check: checks.radius({ secret: 'hunter2' }),
        healthy: /^healthy: Access-Accept$/,
      },
    ],
  },
  {
    name: 'chronyd',
    packages: { chrony: '/usr/sbin/chronyd' },
    plan: (port) => chronyPlan({ port }),
    checks: [{ name: 'ntp', check: checks.ntp(), healthy: /^healthy: stratum 8$/ }],
  },
]
