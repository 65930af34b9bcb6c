// Sizes, times, and kernels that do worse than later ones.
import { type Facts, known, servicesOf, setting } from '../facts.js'
import type { Finding } from '../finding.js'
import { names } from './words.js'

/** Entries a chain, above which a lookup is felt. */
const LONG_CHAIN = 2

export function hashTable(facts: Facts): Finding[] {
  const hash = known(facts.hash)
  if (hash === undefined || hash.size === 0) return []
  const entries = servicesOf(facts)
    .flatMap(({ destinations }) => destinations)
    .reduce(
      (sum, { activeConnections = 0, inactiveConnections = 0 }) =>
        sum + activeConnections + inactiveConnections,
      0,
    )
  // Linux 7.2 makes the table larger by itself, up to the parameter.
  const grows = setting(facts, 'net.ipv4.vs.conn_lfactor') !== undefined
  if (grows && hash.bits === undefined) return []
  const size = grows ? 2 ** hash.bits! : hash.size
  if (entries <= LONG_CHAIN * size) return []
  const bits = Math.min(27, Math.ceil(Math.log2(entries)) + 1)
  return [
    {
      rule: 'hash-size',
      severity: 'warning',
      what: `${entries} connections are in a hash table of ${size} rows.`,
      about: [],
      why: `Each packet looks through ${Math.round(entries / size)} entries on the average. The size is given when the module is loaded: the table has to be empty for that.`,
      commands: [
        `echo 'options ip_vs conn_tab_bits=${bits}' > /etc/modprobe.d/ip_vs.conf`,
        'ipvsadm -Sn > table && ipvsadm -C',
        'modprobe -r $(ls /sys/module/ip_vs/holders) ip_vs && modprobe ip_vs',
        'ipvsadm -R < table',
      ],
    },
  ]
}

/** Linux sends the first keepalive of a connection after two hours. */
const KEEPALIVE_SECONDS = 7200

export function idleTcp(facts: Facts): Finding[] {
  const idle = known(facts.idleTcp) ?? 0
  const seconds = known(facts.timeouts)?.tcpSeconds
  if (idle === 0 || seconds === undefined || seconds >= KEEPALIVE_SECONDS) return []
  return [
    {
      rule: 'tcp-timeout',
      severity: 'note',
      what: `${idle} idle TCP ${idle === 1 ? 'connection has' : 'connections have'} used two thirds of ${seconds} s.`,
      about: names(servicesOf(facts).filter(({ protocol }) => protocol === 'tcp')),
      why: 'After that IPVS forgets them, and what a client then sends is lost. Linux keeps connections alive after 7200 s only.',
      commands: ['ipvsadm --set 7500 0 0'],
    },
  ]
}

export function estimation(facts: Facts): Finding[] {
  const name = 'net.ipv4.vs.run_estimation'
  if (setting(facts, name) !== 0) return []
  return [
    {
      rule: 'run-estimation',
      severity: 'note',
      what: 'Counters of services and servers stand still.',
      about: [],
      why: 'With run_estimation=0 neither rates nor totals move: graphs and `ipvs top` show nothing.',
      commands: [`sysctl -w ${name}=1`],
      fix: [{ name, value: 1 }],
    },
  ]
}

/** Up to which release a kernel has it. */
interface Fault {
  readonly before: readonly [major: number, minor: number]
  readonly rule: string
  readonly what: string
  readonly why: string
  readonly source: string
  /** Whether it matters here. */
  readonly concerns: (facts: Facts) => boolean
}

const count = (facts: Facts) =>
  servicesOf(facts).reduce((sum, { destinations }) => sum + 1 + destinations.length, 0)

const FAULTS: readonly Fault[] = [
  {
    before: [5, 9],
    rule: 'kernel-udp-removed',
    what: 'entries of a removed server stay, whatever expire_nodest_conn says',
    why: 'UDP clients lose packets at every failover, and established connections hang until they expire.',
    source: 'https://github.com/cloudnativelabs/kube-router/issues/1533',
    concerns: (facts) => servicesOf(facts).some(({ protocol }) => protocol === 'udp'),
  },
  {
    before: [5, 9],
    rule: 'kernel-port-reuse',
    what: 'a client that takes a port again waits for a second',
    why: 'With vs.conntrack=1 the first packet of such a connection is dropped.',
    source: 'https://github.com/kubernetes/kubernetes/issues/93297',
    concerns: (facts) => setting(facts, 'net.ipv4.vs.conntrack') === 1,
  },
  {
    before: [6, 2],
    rule: 'kernel-estimators',
    what: 'the counters of all services and servers are added up in one go',
    why: 'Every 2 s packets wait for that, the longer the larger the table.',
    source: 'net/netfilter/ipvs/ip_vs_est.c: estimation_timer (kthreads since Linux 6.2)',
    concerns: (facts) => count(facts) > 10_000,
  },
  {
    before: [7, 2],
    rule: 'kernel-services',
    what: 'all services share 256 rows, those of other network namespaces too',
    why: 'The first packet of each connection looks through hundreds of services.',
    source:
      'net/netfilter/ipvs/ip_vs_ctl.c: IP_VS_SVC_TAB_BITS (a table that grows since Linux 7.2)',
    concerns: (facts) =>
      servicesOf(facts).length > 4000 && setting(facts, 'net.ipv4.vs.svc_lfactor') === undefined,
  },
]

export function kernelFaults(facts: Facts): Finding[] {
  const { release } = facts.kernel
  const [, major, minor] = /^(\d+)\.(\d+)/.exec(release) ?? []
  if (major === undefined) return []
  const isBefore = ([a, b]: readonly [number, number]) =>
    Number(major) < a || (Number(major) === a && Number(minor) < b)
  return FAULTS.filter(({ before, concerns }) => isBefore(before) && concerns(facts)).map(
    ({ before, rule, what, why, source }) => ({
      rule,
      severity: 'warning',
      what: `Linux ${release}: ${what}.`,
      about: [],
      why: `${why} Your distribution may have mended it.`,
      commands: [`install a kernel of Linux ${before.join('.')} or later`],
      source,
    }),
  )
}
