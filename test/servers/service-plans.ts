// How servers of telephony, access and time are run, and memcached.
import path from 'node:path'
import type { ServerPlan } from './server.js'

export function memcachedPlan({
  port,
  options = [],
}: {
  readonly port: number
  readonly options?: readonly string[]
}): ServerPlan {
  return {
    name: 'memcached',
    ports: [port],
    command: () => [
      'memcached',
      '--user=root',
      '--listen=127.0.0.1',
      `--port=${port}`,
      '--threads=1',
      '--memory-limit=8',
      ...options,
    ],
  }
}

/** Over UDP and TCP; `status` is what it says to OPTIONS. */
export function kamailioPlan({
  port,
  status = '200',
}: {
  readonly port: number
  readonly status?: string
}): ServerPlan {
  return {
    name: 'kamailio',
    ports: [port],
    udpPorts: [port],
    files: () => ({
      'kamailio.cfg': `
debug=0
log_stderror=yes
fork=yes
children=1
tcp_children=1
server_id=1
listen=udp:127.0.0.1:${port}
listen=tcp:127.0.0.1:${port}
alias="ipvs.invalid"
loadmodule "sl.so"
request_route {
  sl_send_reply("${status}", "Said");
}
`,
    }),
    command: (folder) => [
      'kamailio',
      '-DD',
      '-E',
      '-m',
      '16',
      '-M',
      '4',
      '-Y',
      folder,
      '-f',
      path.join(folder, 'kamailio.cfg'),
    ],
  }
}

export function freeradiusPlan({
  port,
  accountingPort,
}: {
  readonly port: number
  readonly accountingPort: number
}): ServerPlan {
  return {
    name: 'freeradius',
    ports: [],
    udpPorts: [port, accountingPort],
    files: (folder) => ({
      dictionary: '$INCLUDE /usr/share/freeradius/dictionary\n',
      'radiusd.conf': `
name = freeradius
prefix = /usr
libdir = /usr/lib/freeradius
localstatedir = ${folder}
raddbdir = ${folder}
logdir = ${folder}
run_dir = ${folder}
pidfile = ${folder}/freeradius.pid
log {
  destination = stderr
}
security {
  status_server = yes
}
thread pool {
  start_servers = 1
  max_servers = 2
  min_spare_servers = 1
  max_spare_servers = 1
}
modules {
}
client ours {
  ipaddr = 127.0.0.1
  secret = hunter2
}
server default {
  listen {
    type = auth
    ipaddr = 127.0.0.1
    port = ${port}
  }
  listen {
    type = acct
    ipaddr = 127.0.0.1
    port = ${accountingPort}
  }
  authorize {
  }
}
`,
    }),
    command: (folder) => ['freeradius', '-f', '-l', 'stderr', '-d', folder],
  }
}

/** Gives the time of this machine, which it leaves alone; with a `stratum` of 0 it has none to give. */
export function chronyPlan({
  port,
  stratum = 8,
}: {
  readonly port: number
  readonly stratum?: number | undefined
}): ServerPlan {
  return {
    name: 'chrony',
    ports: [],
    udpPorts: [port],
    files: (folder) => ({
      'chrony.conf': `
user root
port ${port}
bindaddress 127.0.0.1
cmdport 0
bindcmdaddress /
pidfile ${folder}/chronyd.pid
allow 127.0.0.0/8
${stratum === 0 ? '' : `local stratum ${stratum}`}
`,
    }),
    command: (folder) => ['chronyd', '-d', '-x', '-f', path.join(folder, 'chrony.conf')],
  }
}
