// Names of pools: what serves there, and the address where that is not enough.

const SERVICES: Readonly<Record<number, string>> = {
  21: 'ftp',
  22: 'ssh',
  25: 'smtp',
  53: 'dns',
  80: 'http',
  110: 'pop3',
  123: 'ntp',
  143: 'imap',
  389: 'ldap',
  443: 'https',
  465: 'smtps',
  514: 'syslog',
  587: 'submission',
  636: 'ldaps',
  853: 'dns-over-tls',
  993: 'imaps',
  995: 'pop3s',
  1812: 'radius',
  3306: 'mysql',
  5060: 'sip',
  5432: 'postgresql',
  6379: 'redis',
  8080: 'http-8080',
  11211: 'memcached',
}

export interface Named {
  /** A name that somebody gave. */
  readonly given: string | undefined
  readonly protocol: string
  readonly port: number | undefined
  readonly address: string | undefined
  readonly fwmark: number | undefined
}

/** A name for each, all different. */
export function namesOf(all: readonly Named[]): string[] {
  const short = all.map(shortName)
  const counts = countOf(short)
  const long = all.map((named, index) => {
    const name = short[index]!
    if (counts.get(name) === 1) return name
    return clean([name, named.address].filter(Boolean).join('-'))
  })
  const again = countOf(long)
  all.forEach(({ protocol }, index) => {
    if (again.get(long[index]!)! > 1) long[index] = `${long[index]}-${protocol}`
  })
  const taken = new Set<string>()
  return long.map((name) => {
    let free = name
    for (let number = 2; taken.has(free); number++) free = `${name}-${number}`
    taken.add(free)
    return free
  })
}

function shortName({ given, protocol, port, fwmark }: Named): string {
  if (given !== undefined && clean(given) !== '') return clean(given)
  if (fwmark !== undefined) return `fwmark-${fwmark}`
  return SERVICES[port ?? 0] ?? (port ? `${protocol}-${port}` : protocol)
}

function clean(name: string): string {
  return name
    .replaceAll(/[^A-Za-z0-9._-]+/g, '-')
    .replaceAll(/^[-_]+|-+$/g, '')
    .slice(0, 100)
}

function countOf(names: readonly string[]): Map<string, number> {
  const counts = new Map<string, number>()
  for (const name of names) counts.set(name, (counts.get(name) ?? 0) + 1)
  return counts
}
