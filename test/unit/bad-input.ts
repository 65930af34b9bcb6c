// Every field of every operation, with everything that may be wrong with it.

/** A change that must be refused before anything is sent. */
export interface BadChange {
  readonly name: string
  readonly change: unknown
  /** The path that `apply([change])` must name: it starts with `changes[0]`. */
  readonly option: string
  /** The value that the error must carry. */
  readonly value: unknown
}

/** Fields that are wrong together, with the path and the value at fault. */
type Combination = readonly [what: string, object: object, option: string, value: unknown]
type Fields = Readonly<Record<string, unknown>>
/** What is wrong, with the value that shows it. */
type Wrong = readonly [what: string, value: unknown]

const service = {
  protocol: 'udp',
  address: '192.0.2.1',
  port: 53,
  scheduler: 'sh',
  onePacket: false,
  persistence: { timeoutSeconds: 300, netmask: '255.255.255.0' },
  schedulerFlags: ['sh-port'],
  persistenceEngine: 'sip',
}
const addressId = { protocol: 'udp', address: '192.0.2.1', port: 53 }
const service6 = {
  ...service,
  address: '2001:db8::1',
  persistence: { timeoutSeconds: 300, netmask: 64 },
}
const fwmarkId = { fwmark: 7, family: 'ipv4' }
const fwmarkService = { ...fwmarkId, scheduler: 'rr' }
const destination = {
  address: '10.1.0.1',
  port: 53,
  forwarding: 'tunnel',
  weight: 1,
  upperThreshold: 20,
  lowerThreshold: 10,
  tunnel: { type: 'gue', port: 6080, checksum: 'remote' },
}
const destinationId = { address: '10.1.0.1', port: 53 }

const notStrings: readonly Wrong[] = [
  ['null', null],
  ['a number', 5],
  ['NaN', Number.NaN],
  ['a bigint', 5n],
  ['true', true],
  ['an object', {}],
  ['an array', ['rr']],
  ['a function', () => 'rr'],
  ['a symbol', Symbol('rr')],
]
const notObjects: readonly Wrong[] = [
  ['null', null],
  ['a number', 300],
  ['NaN', Number.NaN],
  ['a string', 'x'],
  ['an empty string', ''],
  ['true', true],
  ['an array', []],
  ['a function', () => ({})],
]
const notBooleans: readonly Wrong[] = [
  ['null', null],
  ['0', 0],
  ['NaN', Number.NaN],
  ['a string', 'true'],
  ['an empty string', ''],
  ['an object', {}],
]
const badStrings: readonly Wrong[] = [
  ['empty', ''],
  ['NUL inside', 'r\0r'],
  ['NUL at the end', 'rr\0'],
  ['white space', 'r r'],
]
const badAddresses: readonly Wrong[] = [
  ...notStrings,
  ...badStrings,
  ['a zone id', 'fe80::1%eth0'],
  ['IPv4-mapped', '::ffff:10.1.0.1'],
  ['IPv4-mapped in hexadecimal', '0:0:0:0:0:FFFF:0a01:0001'],
  ['leading zeros', '10.1.0.010'],
  ['an octet above', '10.1.0.256'],
  ['an octet below', '10.1.0.-1'],
  ['three octets', '10.1.1'],
  ['brackets', '[2001:db8::1]'],
  ['a port', '10.1.0.1:53'],
  ['a bracketed port', '[2001:db8::1]:53'],
  ['a prefix length', '10.1.0.0/24'],
  ['a host name', 'www.example.com'],
  ['a long one', '1'.repeat(100_000)],
  ['NUL after a good one', '10.1.0.1\0'],
  ['white space before a good one', ' 10.1.0.1'],
  ['a newline after a good one', '10.1.0.1\n'],
]
const names = (...wrong: string[]): readonly Wrong[] => [
  ...notStrings,
  ...badStrings,
  ...['bogus', '__proto__', 'constructor', ...wrong].map((name) => [name, name] as const),
]
const moduleNames: readonly Wrong[] = [
  ...notStrings,
  ...badStrings,
  ['a slash', 'a/b'],
  ['16 bytes', 'abcdefghijklmnop'],
  ['16 bytes in 8 characters', 'é'.repeat(8)],
  ['a megabyte', 'x'.repeat(1_000_000)],
]
const integers = (min: number, max: number): readonly Wrong[] => [
  ['null', null],
  ['a string', String(max)],
  ['an empty string', ''],
  ['NUL', '\0'],
  ['a bigint', BigInt(max)],
  ['true', true],
  ['an object', {}],
  ['an array', [max]],
  ['below', min - 1],
  ['above', max + 1],
  ['2^32 above', max + 2 ** 32],
  ['NaN', Number.NaN],
  ['Infinity', Number.POSITIVE_INFINITY],
  ['-Infinity', Number.NEGATIVE_INFINITY],
  ['a fraction', min + 0.5],
]
const missing: Wrong = ['missing', undefined]

const weights = integers(0, 2 ** 31 - 1)
const badServiceId: Readonly<Record<string, readonly Wrong[]>> = {
  protocol: [...names('TCP', 'icmp'), missing],
  address: [...badAddresses, missing],
  port: [...integers(0, 65535), missing],
}
const badFwmarkId: Readonly<Record<string, readonly Wrong[]>> = {
  fwmark: integers(1, 2 ** 32 - 1),
  family: names('IPv4', 'inet'),
  protocol: [['beside a fwmark', 'udp']],
  address: [['beside a fwmark', '192.0.2.1']],
  port: [['beside a fwmark', 53]],
}
const badService: Readonly<Record<string, readonly Wrong[]>> = {
  ...badServiceId,
  address: [...badAddresses, ['unspecified', '0.0.0.0'], ['unspecified IPv6', '::'], missing],
  family: [['beside an address', 'ipv4']],
  scheduler: [...moduleNames, ['none', 'none'], missing],
  onePacket: notBooleans,
  persistence: notObjects,
  'persistence.timeoutSeconds': [...integers(1, 4_294_967), missing],
  'persistence.netmask': [
    ...notStrings,
    ...badStrings,
    ['a prefix length', 24],
    ['an IPv6 address', 'ffff::'],
    ['zero', '0.0.0.0'],
    ['leading zeros', '255.255.255.000'],
  ],
  schedulerFlags: [...notObjects.filter(([what]) => what !== 'an array'), ['an object', {}]],
  'schedulerFlags.0': [...names('mh-port', 'flag-1', 'SH-PORT'), missing],
  persistenceEngine: moduleNames,
}
const badDestinationId: Readonly<Record<string, readonly Wrong[]>> = {
  address: [
    ...badAddresses,
    ['unspecified', '0.0.0.0'],
    ['unspecified IPv6', '0::0'],
    ['broadcast', '255.255.255.255'],
    ['multicast', '224.0.0.1'],
    ['last multicast', '239.255.255.255'],
    ['IPv6 multicast', 'ff02::1'],
    missing,
  ],
  port: [...integers(0, 65535), missing],
}
const badDestination: Readonly<Record<string, readonly Wrong[]>> = {
  ...badDestinationId,
  port: [...integers(1, 65535), ["not the service's", 54], missing],
  forwarding: [...names('masq', 'Direct', 'bypass'), missing],
  weight: weights,
  upperThreshold: weights,
  lowerThreshold: [...weights, ['above the upper one', 21]],
  tunnel: notObjects,
  'tunnel.type': [...names('IPIP', 'vxlan'), missing],
  'tunnel.port': [...integers(1, 65535), missing],
  'tunnel.checksum': names('csum', 'Standard'),
}

/** All changes that must be refused, each with one thing wrong. */
export function* badChanges(): Generator<BadChange> {
  for (const op of ['add-service', 'replace-service', 'ensure-service']) {
    yield* badObject(op, { op, service }, 'service', badService, ['persistence'])
    yield* badObject(`${op} fwmark`, { op, service: fwmarkService }, 'service', badFwmarkId)
    yield* badChangeObject({ op, service })
    yield* combinations(op)
    yield bad(op, 'a destination too', { op, service, destination }, 'destination', destination)
  }
  for (const op of ['add-service', 'ensure-service']) {
    const service = { ...fwmarkService, destinations: [destination] }
    yield bad(op, 'destinations', { op, service }, 'service.destinations', service.destinations)
  }
  for (const op of ['remove-service', 'ensure-no-service']) {
    yield* badIds(op, undefined)
    yield* badChangeObject({ op, service: addressId })
    yield bad(op, 'a destination too', { op, service, destination }, 'destination', destination)
  }
  for (const op of ['add-destination', 'replace-destination', 'ensure-destination']) {
    const change = { op, service: addressId, destination }
    yield* badIds(op, destination)
    yield* badObject(op, change, 'destination', badDestination, ['tunnel'])
    yield* badChangeObject(change)
    yield* destinationCombinations(op)
  }
  for (const op of ['remove-destination', 'ensure-no-destination']) {
    const change = { op, service: addressId, destination: destinationId }
    yield* badIds(op, destinationId)
    yield* badObject(op, change, 'destination', badDestinationId)
    yield* badChangeObject(change)
  }
  for (const [what, change] of notObjects) yield bad('change', what, change, '', change)
}

/** The identity of a service, in both forms. */
function* badIds(op: string, destination: unknown): Generator<BadChange> {
  const rest = destination === undefined ? {} : { destination }
  yield* badObject(op, { op, service: addressId, ...rest }, 'service', badServiceId)
  const change = { op, service: fwmarkId, ...rest }
  yield* badObject(`${op} fwmark`, change, 'service', badFwmarkId)
}

/** The change itself: its `op`, its own keys. */
function* badChangeObject(change: Fields): Generator<BadChange> {
  const wrong = [...names('update-service', 'ADD-SERVICE'), missing]
  for (const [what, value] of wrong) {
    yield bad(`${change.op} op`, what, { ...change, op: value }, 'op', value)
  }
  yield* badKeys(String(change.op), '', change, (value) => value)
}

/** Each field of `change[key]` in turn, then the object's keys, then those of the objects in it. */
function* badObject(
  name: string,
  change: Fields,
  key: string,
  fields: Readonly<Record<string, readonly Wrong[]>>,
  nested: readonly string[] = [],
): Generator<BadChange> {
  const object = change[key] as Fields
  for (const [path, wrongs] of Object.entries(fields)) {
    const [outer, inner] = path.split('.') as [string, string?]
    for (const [what, value] of wrongs) {
      const given =
        inner === undefined
          ? value
          : Array.isArray(object[outer])
            ? [value]
            : { ...(object[outer] as Fields), [inner]: value }
      const option = `${key}.${path.replace('.0', '[0]')}`
      yield bad(
        `${name} ${option}`,
        what,
        { ...change, [key]: { ...object, [outer]: given } },
        option,
        value,
      )
    }
  }
  for (const [what, value] of [...notObjects, missing]) {
    yield bad(`${name} ${key}`, what, { ...change, [key]: value }, key, value)
  }
  yield* badKeys(name, key, object, (value) => ({ ...change, [key]: value }))
  for (const inner of nested) {
    const wrap = (value: unknown) => ({ ...change, [key]: { ...object, [inner]: value } })
    yield* badKeys(name, `${key}.${inner}`, object[inner] as Fields, wrap)
  }
}

/** Unknown and inherited keys of one object. */
function* badKeys(
  name: string,
  path: string,
  object: Fields,
  wrap: (object: unknown) => unknown,
): Generator<BadChange> {
  const at = (key: string) => (path === '' ? key : `${path}.${key}`)
  for (const key of ['bogus', 'fwMark', 'ops', 'method', 'vip', 'toString', '__proto__']) {
    const value = Object.defineProperty({ ...object }, key, { value: 1, enumerable: true })
    yield bad(`${name} ${path}`, `unknown key ${JSON.stringify(key)}`, wrap(value), at(key), 1)
  }
  const inherits = Object.assign(Object.create({ bogus: 1 }), object)
  yield bad(`${name} ${path}`, 'an inherited unknown key', wrap(inherits), at('bogus'), 1)
  for (const key of Object.keys(object)) {
    const { [key]: value, ...rest } = object
    const inherits = Object.assign(Object.create({ [key]: value }), rest)
    yield bad(`${name} ${path}`, `inherited key ${key}`, wrap(inherits), at(key), value)
  }
}

/** Fields that are good by themselves but not together. */
function* combinations(op: string): Generator<BadChange> {
  const { persistence: _, persistenceEngine: __, ...plain } = service
  const tcp = { ...plain, protocol: 'tcp' }
  const cases: readonly Combination[] = [
    ['port 0 without persistence', { ...plain, port: 0 }, 'port', 0],
    [
      'an engine without persistence',
      { ...plain, persistenceEngine: 'sip' },
      'persistenceEngine',
      'sip',
    ],
    ['one-packet TCP', { ...tcp, onePacket: true }, 'onePacket', true],
    ['one-packet SCTP', { ...tcp, protocol: 'sctp', onePacket: true }, 'onePacket', true],
    ['sh flags on rr', { ...plain, scheduler: 'rr' }, 'schedulerFlags[0]', 'sh-port'],
    ['sh flags on mh', { ...plain, scheduler: 'mh' }, 'schedulerFlags[0]', 'sh-port'],
    [
      'a second flag of another scheduler',
      { ...plain, schedulerFlags: ['sh-port', 'flag-2'] },
      'schedulerFlags[1]',
      'flag-2',
    ],
    ['nothing of an identity', { scheduler: 'rr' }, 'protocol', undefined],
    ['a family only', { family: 'ipv4', scheduler: 'rr' }, 'family', 'ipv4'],
  ]
  for (const [what, service, option, value] of cases) {
    yield bad(op, what, { op, service }, `service.${option}`, value)
  }
  const netmasks: readonly Wrong[] = [
    ['a dotted mask for IPv6', '255.255.255.0'],
    ['a prefix as a string', '64'],
    ['null', null],
    ...[0, -1, 129, 1.5, Number.NaN].map((value) => [`prefix ${value}`, value] as const),
  ]
  for (const [what, netmask] of netmasks) {
    const service = { ...service6, persistence: { timeoutSeconds: 1, netmask } }
    yield bad(op, what, { op, service }, 'service.persistence.netmask', netmask)
  }
}

function* destinationCombinations(op: string): Generator<BadChange> {
  const { tunnel, ...plain } = destination
  const other = '2001:db8::5'
  const cases: readonly Combination[] = [
    ['a lower threshold alone', { ...destination, upperThreshold: 0 }, 'lowerThreshold', 10],
    ['direct to another port', { ...plain, forwarding: 'direct', port: 54 }, 'port', 54],
    ...['direct', 'masquerade', 'local'].flatMap((forwarding) => [
      [`a tunnel with ${forwarding}`, { ...destination, forwarding }, 'tunnel', tunnel] as const,
      [
        `${forwarding} across families`,
        { ...plain, forwarding, address: other },
        'address',
        other,
      ] as const,
      [`${forwarding} to port 0`, { ...plain, forwarding, port: 0 }, 'port', 0] as const,
    ]),
    ...['ipip', 'gre'].map(
      (type) =>
        [`a port for ${type}`, { ...plain, tunnel: { type, port: 1 } }, 'tunnel.port', 1] as const,
    ),
    ...[
      ['ipip', 'standard'],
      ['ipip', 'remote'],
      ['gre', 'remote'],
    ].map(
      ([type, checksum]) =>
        [
          `${checksum} for ${type}`,
          { ...plain, tunnel: { type, checksum } },
          'tunnel.checksum',
          checksum,
        ] as const,
    ),
  ]
  for (const [what, destination, option, value] of cases) {
    const change = { op, service: addressId, destination }
    yield bad(op, what, change, `destination.${option}`, value)
  }
}

function bad(name: string, what: string, change: unknown, path: string, value: unknown): BadChange {
  const option = path === '' ? 'changes[0]' : `changes[0].${path}`
  return { name: `${name}: ${what}`, change, option, value }
}
