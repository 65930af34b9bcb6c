// How the authoritative and forwarding servers of DNS are run; unbound is in plans.ts. Each has a zone that the others do not know.
import path from 'node:path'
import type { TlsFiles } from './plans.js'
import type { ServerPlan } from './server.js'

/** Two addresses, a wildcard, and more text than 512 bytes hold. */
function zoneOf(name: string): string {
  const texts = Array.from({ length: 5 }, (_, i) => `"${String(i).repeat(200)}"`)
  return `$ORIGIN ${name}.
$TTL 60
@ SOA ns root 1 60 60 60 60
@ NS ns
ns A 192.0.2.53
@ A 192.0.2.1
@ A 192.0.2.2
*.any A 192.0.2.3
large TXT ${texts.join(' ')}
`
}

export function knotPlan({ port }: { readonly port: number }): ServerPlan {
  return {
    name: 'knot',
    ports: [port],
    files: (folder) => ({
      'knot.test.zone': zoneOf('knot.test'),
      'knot.conf': `
server:
  rundir: "${folder}"
  listen: 127.0.0.1@${port}
  identity: "knot-1"
  nsid: "knot-1"
  udp-workers: 1
  tcp-workers: 1
  background-workers: 1
log:
  - target: stderr
    any: warning
database:
  storage: "${folder}"
zone:
  - domain: knot.test
    file: "${folder}/knot.test.zone"
    zonefile-sync: -1
    journal-content: none
`,
    }),
    command: (folder) => ['knotd', '-c', path.join(folder, 'knot.conf')],
  }
}

/** On `port`, and over TLS on `tlsPort`. */
export function namedPlan({
  port,
  tlsPort,
  tls,
}: {
  readonly port: number
  readonly tlsPort: number
  readonly tls: TlsFiles
}): ServerPlan {
  return {
    name: 'named',
    ports: [port, tlsPort],
    files: (folder) => ({
      'bind.test.zone': zoneOf('bind.test'),
      'cert.pem': tls.cert,
      'key.pem': tls.key,
      'named.conf': `
tls ours { cert-file "${folder}/cert.pem"; key-file "${folder}/key.pem"; };
options {
  directory "${folder}";
  pid-file none;
  session-keyfile none;
  listen-on port ${port} { 127.0.0.1; };
  listen-on port ${tlsPort} tls ours { 127.0.0.1; };
  listen-on-v6 { none; };
  recursion no;
  notify no;
  server-id "named-1";
  version "nine";
};
controls { };
zone "bind.test" { type primary; file "${folder}/bind.test.zone"; };
zone "broken.test" { type primary; file "${folder}/missing"; };
`,
    }),
    command: (folder) => ['named', '-g', '-n', '1', '-c', path.join(folder, 'named.conf')],
  }
}

export function dnsmasqPlan({ port }: { readonly port: number }): ServerPlan {
  return {
    name: 'dnsmasq',
    ports: [port],
    command: () => [
      'dnsmasq',
      '--conf-file=/dev/null',
      '--keep-in-foreground',
      '--log-facility=-',
      '--pid-file=',
      '--user=root',
      '--group=root',
      '--no-resolv',
      '--no-hosts',
      `--port=${port}`,
      '--listen-address=127.0.0.1',
      '--bind-interfaces',
      '--host-record=masq.test,192.0.2.1',
      '--address=/any.masq.test/192.0.2.3',
    ],
  }
}
