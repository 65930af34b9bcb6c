// How servers are run that have variants in tests of their own: the least configuration that works, all of it in the
// server's own folder.
import { execFileSync } from 'node:child_process'
import { chownSync, mkdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import type { ServerPlan } from './server.js'

export function redisPlan({
  port,
  lines,
}: {
  readonly port: number
  readonly lines: readonly string[]
}): ServerPlan {
  return {
    name: 'redis',
    ports: [port],
    files: (folder) => ({
      'redis.conf': [
        'bind 127.0.0.1',
        `port ${port}`,
        'save ""',
        `dir ${folder}`,
        ...lines,
        '',
      ].join('\n'),
    }),
    command: (folder) => ['redis-server', path.join(folder, 'redis.conf')],
  }
}

/** Answers for example.test; fails, refuses or keeps silent where it is told to. */
export function unboundPlan({
  port,
  tls,
}: {
  readonly port: number
  readonly tls?: TlsFiles & { readonly port: number }
}): ServerPlan {
  return {
    name: 'unbound',
    ports: [port, ...(tls === undefined ? [] : [tls.port])],
    files: (folder) => ({
      ...(tls === undefined ? {} : { 'cert.pem': tls.cert, 'key.pem': tls.key }),
      'unbound.conf': `
server:
  interface: 127.0.0.1@${port}
${
  tls === undefined
    ? ''
    : `
  interface: 127.0.0.1@${tls.port}
  tls-port: ${tls.port}
  tls-service-pem: "${folder}/cert.pem"
  tls-service-key: "${folder}/key.pem"
`
}
  identity: "unbound-1"
  username: ""
  chroot: ""
  directory: "${folder}"
  pidfile: ""
  use-syslog: no
  do-daemonize: no
  num-threads: 1
  # Of ten, the default, it resets those that wait when a slow machine has all of them open.
  incoming-num-tcp: 100
  module-config: "iterator"
  access-control: 127.0.0.0/8 allow
  access-control: 127.0.0.66/32 refuse
  local-zone: "example.test." static
  local-data: "example.test. IN A 192.0.2.1"
  local-data: "example.test. IN A 192.0.2.2"
  local-zone: "any.example.test." redirect
  local-data: "any.example.test. IN A 192.0.2.3"
  local-data: "other.test. IN A 192.0.2.9"
  local-zone: "refused.test." always_refuse
  local-zone: "silent.test." always_deny
remote-control:
  control-enable: no
# A zone whose data never came: SERVFAIL.
auth-zone:
  name: "broken.example"
  primary: 127.0.0.1@1
  fallback-enabled: no
  for-downstream: yes
`,
    }),
    command: (folder) => ['unbound', '-d', '-c', path.join(folder, 'unbound.conf')],
  }
}

export function etcdPlan({
  port,
  peerPort,
  peerPorts = [peerPort],
  tls,
}: {
  readonly port: number
  readonly peerPort: number
  /** Of all members of its cluster. Default: it is alone. */
  readonly peerPorts?: readonly number[]
  /** Clients need a certificate of the authority too. */
  readonly tls?: { readonly ca: string; readonly cert: string; readonly key: string }
}): ServerPlan {
  const url = (at: number) => `http://127.0.0.1:${at}`
  const client = tls === undefined ? url(port) : `https://127.0.0.1:${port}`
  return {
    name: 'etcd',
    ports: [port],
    files: () =>
      tls === undefined ? {} : { 'ca.pem': tls.ca, 'cert.pem': tls.cert, 'key.pem': tls.key },
    command: (folder) => [
      'etcd',
      `--data-dir=${folder}/data`,
      `--name=at${peerPort}`,
      `--listen-client-urls=${client}`,
      `--advertise-client-urls=${client}`,
      `--listen-peer-urls=${url(peerPort)}`,
      `--initial-advertise-peer-urls=${url(peerPort)}`,
      `--initial-cluster=${peerPorts.map((at) => `at${at}=${url(at)}`).join()}`,
      ...(tls === undefined
        ? []
        : [
            '--client-cert-auth',
            `--trusted-ca-file=${folder}/ca.pem`,
            `--cert-file=${folder}/cert.pem`,
            `--key-file=${folder}/key.pem`,
          ]),
    ],
  }
}

export function slapdPlan({
  port,
  lines,
  tls,
}: {
  readonly port: number
  readonly lines: readonly string[]
  readonly tls?: { readonly port: number; readonly cert: string; readonly key: string }
}): ServerPlan {
  return {
    name: 'slapd',
    ports: [port, ...(tls === undefined ? [] : [tls.port])],
    files: (folder) => ({
      'slapd.conf': [
        'modulepath /usr/lib/ldap',
        'moduleload back_mdb',
        ...(tls === undefined
          ? []
          : [`TLSCertificateFile ${folder}/cert.pem`, `TLSCertificateKeyFile ${folder}/key.pem`]),
        ...lines,
        'database mdb',
        'suffix "cn=test"',
        'rootdn "cn=admin,cn=test"',
        'rootpw hunter2',
        `directory ${folder}`,
        '',
      ].join('\n'),
      ...(tls === undefined ? {} : { 'cert.pem': tls.cert, 'key.pem': tls.key }),
    }),
    command: (folder) => [
      'slapd',
      '-d',
      '0',
      '-f',
      path.join(folder, 'slapd.conf'),
      '-h',
      [
        `ldap://127.0.0.1:${port}/`,
        ...(tls === undefined ? [] : [`ldaps://127.0.0.1:${tls.port}/`]),
      ].join(' '),
    ],
  }
}

/** Listens on all addresses: errors from a loopback address are not counted. */
export function mariadbPlan({
  port,
  options,
  tls,
}: {
  readonly port: number
  readonly options: readonly string[]
  readonly tls?: TlsFiles
}): ServerPlan {
  const common = (folder: string) => [
    'mariadbd',
    '--no-defaults',
    '--user=root',
    `--datadir=${folder}/data`,
    '--innodb-log-file-size=4M',
    '--innodb-buffer-pool-size=8M',
    '--skip-log-bin',
  ]
  return {
    name: 'mariadb',
    ports: [port],
    files: () => (tls === undefined ? {} : { 'cert.pem': tls.cert, 'key.pem': tls.key }),
    prepare: (folder) => {
      mkdirSync(path.join(folder, 'data/mysql'), { recursive: true })
      const read = (name: string) => readFileSync(`/usr/share/mysql/${name}.sql`, 'utf8')
      const input = [
        'USE mysql;',
        'SET @auth_root_socket=NULL;',
        ...['mysql_system_tables', 'mysql_performance_tables', 'mysql_system_tables_data'].map(
          read,
        ),
        'FLUSH PRIVILEGES;',
        "CREATE USER app@'%' IDENTIFIED BY 'hunter2';",
        "CREATE USER probe@'%';",
        "CREATE USER admin@'127.0.0.1';",
        "GRANT ALL ON *.* TO admin@'127.0.0.1';",
        '',
      ].join('\n')
      const [program = '', ...args] = common(folder)
      execFileSync(program, [...args, '--bootstrap'], {
        input,
        stdio: ['pipe', 'ignore', 'pipe'],
      })
    },
    command: (folder) => [
      ...common(folder),
      `--port=${port}`,
      '--bind-address=0.0.0.0',
      `--socket=${folder}/socket`,
      `--pid-file=${folder}/pid`,
      ...(tls === undefined
        ? []
        : [`--ssl-cert=${folder}/cert.pem`, `--ssl-key=${folder}/key.pem`]),
      ...options,
    ],
  }
}

export interface TlsFiles {
  readonly cert: string
  readonly key: string
}

/** `ports.plain` and `ports.tls`; `services` are lines of master.cf beside them. */
export function postfixPlan({
  port,
  tlsPort,
  tls,
  lines = [],
}: {
  readonly port: number
  readonly tlsPort: number
  readonly tls: TlsFiles
  readonly lines?: readonly string[]
}): ServerPlan {
  const queues =
    'active bounce corrupt defer deferred flush hold incoming maildrop pid private public saved trace'
  return {
    name: 'postfix',
    ports: [port, tlsPort],
    files: (folder) => ({
      'main.cf': [
        'compatibility_level = 3.6',
        `queue_directory = ${folder}/spool`,
        `data_directory = ${folder}/data`,
        `meta_directory = ${folder}`,
        'daemon_directory = /usr/lib/postfix/sbin',
        'command_directory = /usr/sbin',
        'mail_owner = postfix',
        'setgid_group = postdrop',
        'myhostname = mail.test',
        'mydestination =',
        'maillog_file = /dev/stdout',
        'local_recipient_maps =',
        'alias_maps =',
        'alias_database =',
        'inet_interfaces = 127.0.0.1',
        'inet_protocols = ipv4',
        'mynetworks = 127.0.0.0/8',
        'smtpd_tls_security_level = may',
        `smtpd_tls_chain_files = ${folder}/chain.pem`,
        ...lines,
        '',
      ].join('\n'),
      'master.cf': [
        `127.0.0.1:${port} inet n - n - 2 smtpd`,
        `127.0.0.1:${tlsPort} inet n - n - 2 smtpd -o smtpd_tls_wrappermode=yes`,
        'postlog unix-dgram n - n - 1 postlogd',
        'anvil unix - - n - 1 anvil',
        'tlsmgr unix - - n 1000? 1 tlsmgr',
        'rewrite unix - - n - - trivial-rewrite',
        '',
      ].join('\n'),
      'chain.pem': `${tls.key}${tls.cert}`,
      'dynamicmaps.cf': '',
    }),
    prepare: (folder) => {
      const id = idOf('postfix')
      for (const name of ['data', ...queues.split(' ').map((queue) => `spool/${queue}`)]) {
        mkdirSync(path.join(folder, name), { recursive: true })
        if (name !== 'spool/pid') chownSync(path.join(folder, name), id, -1)
      }
    },
    command: (folder) => ['/usr/lib/postfix/sbin/master', '-s', '-c', folder],
  }
}

export interface DovecotPorts {
  readonly imap: number
  readonly imaps: number
  readonly pop3: number
  readonly pop3s: number
}

export function dovecotPlan({
  ports,
  tls,
  lines = [],
}: {
  readonly ports: DovecotPorts
  readonly tls: TlsFiles
  readonly lines?: readonly string[]
}): ServerPlan {
  return {
    name: 'dovecot',
    ports: Object.values(ports),
    files: (folder) => ({
      'dovecot.conf': `
base_dir = ${folder}/run
state_dir = ${folder}/state
log_path = /dev/stderr
protocols = imap pop3
listen = 127.0.0.1
disable_plaintext_auth = no
ssl = yes
ssl_cert = <${folder}/cert.pem
ssl_key = <${folder}/key.pem
passdb {
  driver = static
  args = password=hunter2
}
userdb {
  driver = static
  args = uid=nobody gid=nogroup home=${folder}/home
}
service imap-login {
  inet_listener imap {
    port = ${ports.imap}
  }
  inet_listener imaps {
    port = ${ports.imaps}
  }
}
service pop3-login {
  inet_listener pop3 {
    port = ${ports.pop3}
  }
  inet_listener pop3s {
    port = ${ports.pop3s}
  }
}
${lines.join('\n')}
`,
      'cert.pem': tls.cert,
      'key.pem': tls.key,
    }),
    command: (folder) => ['dovecot', '-F', '-c', path.join(folder, 'dovecot.conf')],
  }
}

/** `/` is 200 "fine", `/broken` 503, `/load` JSON. On `h2Port` it speaks HTTP/2 only. */
export function nginxPlan({
  port,
  tlsPort,
  h2Port,
  tls,
}: {
  readonly port: number
  readonly tlsPort: number
  readonly h2Port?: number
  readonly tls: TlsFiles
}): ServerPlan {
  return {
    name: 'nginx',
    ports: [port, tlsPort, ...(h2Port === undefined ? [] : [h2Port])],
    files: (folder) => ({
      'nginx.conf': `
daemon off;
user root;
worker_processes 1;
pid ${folder}/pid;
error_log stderr warn;
events { worker_connections 256; }
http {
  access_log off;
  client_body_temp_path ${folder}/body;
  proxy_temp_path ${folder}/proxy;
  fastcgi_temp_path ${folder}/fastcgi;
  uwsgi_temp_path ${folder}/uwsgi;
  scgi_temp_path ${folder}/scgi;
  server {
    listen 127.0.0.1:${port};
    listen 127.0.0.1:${tlsPort} ssl http2;
    ${h2Port === undefined ? '' : `listen 127.0.0.1:${h2Port} http2;`}
    ssl_protocols TLSv1.2 TLSv1.3;
    ssl_certificate ${folder}/cert.pem;
    ssl_certificate_key ${folder}/key.pem;
    default_type text/plain;
    location / { return 200 "fine\\n"; }
    location /load {
      add_header X-Weight 30;
      return 200 '{"state":"ready","load":{"free":0.25}}';
    }
    location /broken { return 503 "out of order\\n"; }
  }
}
`,
      'cert.pem': tls.cert,
      'key.pem': tls.key,
    }),
    command: (folder) => [
      'nginx',
      '-p',
      folder,
      '-e',
      'stderr',
      '-c',
      path.join(folder, 'nginx.conf'),
    ],
  }
}

function idOf(user: string): number {
  const line = readFileSync('/etc/passwd', 'utf8')
    .split('\n')
    .find((entry) => entry.startsWith(`${user}:`))
  if (line === undefined)
    throw new Error(`there is no user ${user}: run this as npm test -- servers`)
  return Number(line.split(':')[2])
}
