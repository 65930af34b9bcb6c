// "Did you mean ...?" for option names and named values. Runs only when an error is about to be thrown.

/** What other tools, and other versions of this one, call the things we have a name for. */
const OTHER_WORDS: Readonly<Record<string, readonly string[]>> = {
  fwmark: ['firewallmark', 'fwm', 'mark'],
  family: ['af', 'addressfamily', 'addrfamily'],
  protocol: ['proto', 'transport', 'l4proto'],
  address: ['vip', 'addr', 'ip', 'ipaddress', 'host', 'hostname', 'rip'],
  port: ['vport', 'tunport', 'tunnelport'],
  scheduler: ['sched', 'schedname', 'lbalgo', 'algorithm'],
  onePacket: ['ops', 'onepacketscheduling'],
  persistence: [
    'persistent',
    'persistencetimeout',
    'sticky',
    'timeout',
    'timeoutseconds',
    'netmask',
  ],
  timeoutSeconds: ['timeout', 'timeoutms', 'seconds'],
  netmask: ['mask', 'persistencenetmask', 'persistencegranularity', 'granularity', 'prefix'],
  persistenceEngine: ['pe', 'pename', 'engine'],
  schedulerFlags: ['flags', 'schedflags'],
  destinations: ['dests', 'servers', 'reals', 'realservers'],
  forwarding: ['method', 'forward', 'fwd', 'fwdmethod', 'forwardingmethod', 'lbkind', 'mode'],
  upperThreshold: ['upper', 'uthresh', 'uthreshold', 'maxconnections', 'maxconn'],
  lowerThreshold: ['lower', 'lthresh', 'lthreshold', 'minconnections', 'minconn'],
  tunnel: ['tun', 'tunneltype', 'tuntype', 'ipip'],
  type: ['tunneltype', 'tuntype'],
  checksum: ['csum', 'tunflags', 'flags'],
  op: ['operation', 'action', 'cmd', 'command', 'type', 'kind'],
  service: ['svc', 'virtualservice', 'virtual', 'vs', 'id'],
  destination: ['dest', 'dst', 'server', 'realserver', 'real', 'rs'],
  masquerade: ['masq', 'nat', 'masquerading'],
  direct: ['dr', 'gate', 'gateway', 'gatewaying', 'route', 'droute', 'directrouting'],
  local: ['localhost', 'localnode'],
  ipv4: ['inet', 'inet4', 'ip4', 'v4', '4'],
  ipv6: ['inet6', 'ip6', 'v6', '6'],
  none: ['nocsum'],
  standard: ['csum'],
  remote: ['remcsum'],
  'replace-service': ['updateservice', 'setservice', 'editservice', 'replace', 'update'],
  'replace-destination': ['updatedestination', 'setdestination', 'editdestination', 'setdest'],
  'remove-service': ['deleteservice', 'delservice', 'remove', 'delete'],
  'remove-destination': [
    'deletedestination',
    'deldestination',
    'deletedest',
    'removedest',
    'deldest',
  ],
  'add-service': ['newservice', 'createservice', 'add'],
  'add-destination': ['newdestination', 'createdestination', 'newdest', 'adddest', 'addserver'],
  'ensure-service': ['upsertservice', 'ensure'],
  'ensure-destination': ['upsertdestination', 'ensuredest'],
  'ensure-no-service': ['ensureabsentservice', 'ensureservicegone'],
  'ensure-no-destination': ['ensureabsentdestination', 'ensurenodest'],
}

/** The name among `names` that `word` was probably meant to be. */
function nearestName(word: string, names: readonly string[]): string | undefined {
  if (word.length > 40) return undefined
  const folded = fold(word)
  const same = names.find((name) => fold(name) === folded)
  if (same !== undefined) return same
  // Names may be anything that somebody wrote, `constructor` too.
  const other = names.find(
    (name) => Object.hasOwn(OTHER_WORDS, name) && OTHER_WORDS[name]!.includes(folded),
  )
  if (other !== undefined) return other

  // A slip of the pen: at most one edit in a short word, two in a long one.
  let nearest: string | undefined
  let least = folded.length < 6 ? 2 : 3
  for (const name of names) {
    const edits = distance(folded, fold(name))
    if (edits < least) {
      least = edits
      nearest = name
    }
  }
  return nearest
}

/** ` (did you mean "x"?)`, or nothing. */
export function didYouMean(word: unknown, names: readonly string[]): string {
  const name =
    typeof word === 'string' || typeof word === 'number'
      ? nearestName(String(word), names)
      : undefined
  return name === undefined ? '' : ` (did you mean "${name}"?)`
}

/** `"a", "b", "c"` */
export function quoted(names: Iterable<string>): string {
  return [...names].map((name) => `"${name}"`).join(', ')
}

function fold(word: string): string {
  return word.toLowerCase().replaceAll(/[-_ ]/g, '')
}

/** Levenshtein distance. */
function distance(a: string, b: string): number {
  let previous = Array.from({ length: b.length + 1 }, (_, index) => index)
  for (let i = 1; i <= a.length; i++) {
    const row = [i]
    for (let j = 1; j <= b.length; j++) {
      const swap = previous[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1)
      row.push(Math.min(swap, previous[j]! + 1, row[j - 1]! + 1))
    }
    previous = row
  }
  return previous[b.length]!
}
