// virtual_server: a service of IPVS, or one for each member of a group.
import type { Statement } from '../language/blocks.js'
import type { virtualServer as table } from '../language/grammar.js'
import type { Notes, Word } from '../note.js'
import { noted, type Reader, type Readers, readBlock } from './block.js'
import { schedule, set } from './checker.js'
import { readForwarding } from './forwarding.js'
import type { VirtualServer } from './model.js'
import { HEAVIEST, noMail, readOnce, readRealServer } from './real-server.js'
import { HIGHEST, readAddress, Words } from './words.js'

const SCHEDULERS = [
  'rr',
  'wrr',
  'lc',
  'wlc',
  'lblc',
  'lblcr',
  'sh',
  'mh',
  'dh',
  'fo',
  'ovf',
  'sed',
  'nq',
  'twos',
]
const protocols = { tcp: 'tcp', udp: 'udp', sctp: 'sctp' } as const
/** What ip_vs.h has for a persistence without a time: seconds. */
const PERSISTENCE = 360
const LONGEST_PERSISTENCE = 31 * 86_400

const scheduler: Reader<VirtualServer> = (words, server) => {
  const word = words.next()
  if (word !== undefined && SCHEDULERS.includes(word.text)) server.scheduler = word.text
  else
    words.refuse(
      word,
      `a scheduler${word === undefined ? '' : words.notes.guess(word.text, SCHEDULERS)}: ${SCHEDULERS.join(', ')}`,
    )
}
const forwarding: Reader<VirtualServer> = (words, server) =>
  set(server, 'forwarding', readForwarding(words))

/** A flag of one scheduler counts if that one has been named before. */
function flag(of?: string): Reader<VirtualServer> {
  return (words, server) => {
    const { keyword, notes } = words
    if (of === undefined || server.scheduler === of) server.flags.push(keyword.text)
    else {
      notes.add(
        keyword,
        `it is of scheduler ${of}, and ${server.scheduler === undefined ? 'no scheduler has been named before it' : `this is ${server.scheduler}`}; keepalived ignores it`,
        `Write it behind "lvs_sched ${of}", or remove it.`,
      )
    }
  }
}

const readers: Readers<typeof table, VirtualServer> = {
  ...schedule,
  alpha: (_, server) => {
    server.alpha = true
  },
  retry: (words, server) => set(server, 'retry', words.number(1)),
  connect_timeout: (words, server) => set(server, 'connectTimeout', words.time(1)),
  ip_family: (words, server) => {
    const word = words.next()
    const family = word?.text === 'inet' ? 'ipv4' : word?.text === 'inet6' ? 'ipv6' : undefined
    if (family === undefined || (server.family ?? family) !== family) {
      words.refuse(word, family === undefined ? 'inet or inet6' : 'the family of the address')
    } else server.family = family
  },
  inhibit_on_failure: (_, server) => {
    server.inhibit = true
  },
  lb_algo: scheduler,
  lvs_sched: scheduler,
  hashed: noted('it means nothing in any kernel', 'Remove it.'),
  ops: (words, server) => {
    server.onePacket = words.keyword
  },
  'flag-1': flag(),
  'flag-2': flag(),
  'flag-3': flag(),
  'sh-port': flag('sh'),
  'sh-fallback': flag('sh'),
  'mh-port': flag('mh'),
  'mh-fallback': flag('mh'),
  lb_kind: forwarding,
  lvs_method: forwarding,
  persistence_engine: (words, server) => set(server, 'engine', words.text('a name')),
  persistence_timeout: (words, server) => {
    const word = words.peek()
    if (word === undefined) server.persistence = PERSISTENCE
    // It is no time, and leaves things as they are: none, if nothing else says so.
    else if (/^0+$/.test(word.text)) words.next()
    else set(server, 'persistence', words.number(1, LONGEST_PERSISTENCE))
  },
  persistence_granularity: (words, server) => {
    const word = words.next()
    const text = word?.text ?? ''
    const family = server.family ?? (text.includes('.') ? 'ipv4' : 'ipv6')
    const mask =
      family === 'ipv4' ? readMask(words, word) : /^\d{1,3}$/.test(text) ? Number(text) : undefined
    if (mask === undefined || mask === 0 || (typeof mask === 'number' && mask > 128)) {
      words.refuse(
        word,
        family === 'ipv4' ? 'a mask, such as 255.255.255.0' : 'a prefix length from 1 to 128',
      )
      return
    }
    server.netmask = mask
    server.family ??= family
    server.persistence ??= PERSISTENCE
  },
  protocol: (words, server) => {
    const word = words.next()
    const name = word?.text.toLowerCase() ?? ''
    if (Object.hasOwn(protocols, name)) server.protocol = protocols[name as keyof typeof protocols]
    else words.refuse(word, 'TCP, UDP or SCTP')
  },
  ha_suspend: noted(
    'the director checks servers also while this machine does not have the address',
    'Nothing, unless the checks are a burden; then start and stop the director by the pair.',
  ),
  smtp_alert: (words, server, statement) => {
    if (words.flag() === true) noMail(words, server, statement)
  },
  virtualhost: (words, server) => set(server, 'virtualhost', words.text('a name')?.text),
  snmp_name: (words, server) => set(server, 'name', words.text('a name')?.text),
  omega: noted(
    'hooks do not run because the director ends',
    'Have what ends the director run them, such as ExecStopPost= of its unit.',
  ),
  quorum_up: (words, server) => readOnce(words, server, 'quorumUp'),
  quorum_down: (words, server) => readOnce(words, server, 'quorumDown'),
  quorum: (words, server) => {
    server.quorum = words.number(1) ?? 1
  },
  hysteresis: (words, server) => set(server, 'hysteresis', words.number(0)),
  weight: (words, server) => set(server, 'weight', words.number(1, HEAVIEST)),
  sorry_server: (words, server) => {
    const endpoint = words.endpoint('keepalived has no sorry server')
    if (endpoint !== undefined) server.sorry = { ...endpoint, word: words.keyword }
  },
  sorry_server_inhibit: noted(
    'a backup is in the table only while it is needed, and never with weight 0',
    'Nothing; connections to it end when it is no longer needed.',
  ),
  sorry_server_lvs_method: (words, server) => {
    const method = readForwarding(words)
    if (server.sorry === undefined)
      words.notes.add(
        words.keyword,
        'there is no sorry_server before it; keepalived ignores it',
        'Write it behind the sorry_server.',
      )
    else set(server.sorry, 'forwarding', method)
  },
  real_server: (words, server, statement) => {
    words.rest()
    const real = readRealServer(statement, words.notes)
    if (real !== undefined) server.servers.push(real)
  },
}

/** Of IPv4. A bare number is an address to keepalived, whose last part it is. */
function readMask(words: Words, word: Word | undefined): string | undefined {
  const text = word?.text ?? ''
  const number = /^\d{1,10}$/.test(text) ? Number(text) : Number.NaN
  if (!(number > 0 && number <= HIGHEST)) {
    const address = readAddress(text)
    // Of 0 all clients would count as one.
    return address?.family === 'ipv4' && address.address !== '0.0.0.0' ? address.address : undefined
  }
  const mask = [24, 16, 8, 0].map((shift) => (number >>> shift) & 255).join('.')
  words.notes.add(
    word!,
    `keepalived takes it for the mask ${mask}, not for a prefix length`,
    'Write a mask, such as 255.255.255.0.',
  )
  return mask
}

/** `undefined` if keepalived does not have it. */
export function readVirtualServer(statement: Statement, notes: Notes): VirtualServer | undefined {
  const { keyword, block } = statement
  const front = readFront(new Words(statement, notes))
  if (front === undefined) return undefined
  const empty: VirtualServer = { ...front, word: keyword, flags: [], servers: [] }
  if (front.endpoint !== undefined) empty.family = front.endpoint.family
  const server = readBlock(block, readers, empty, notes)
  if (server.servers.length > 0) return server
  notes.add(
    keyword,
    'it has no real server, so that keepalived ignores it',
    'Write one, or remove it.',
  )
  return undefined
}

function readFront(words: Words): Pick<VirtualServer, 'endpoint' | 'mark' | 'group'> | undefined {
  const skipped = 'keepalived skips the virtual server with all of its block'
  const kind = words.peek()?.text
  if (kind !== 'group' && kind !== 'fwmark') {
    const endpoint = words.endpoint(skipped)
    words.done()
    return endpoint === undefined ? undefined : { endpoint }
  }
  words.next()
  const word = words.next()
  words.done()
  if (kind === 'group' && word !== undefined) return { group: word.text }
  const mark = word !== undefined && /^\d{1,10}$/.test(word.text) ? Number(word.text) : Number.NaN
  if (mark >= 1 && mark <= HIGHEST) return { mark }
  const what = kind === 'group' ? 'the name of a group' : `a mark from 1 to ${HIGHEST}`
  words.notes.add(
    word ?? words.keyword,
    word === undefined
      ? `behind ${kind} ${what} is missing; keepalived does not start with such a file`
      : `it is not ${what}, and ${skipped}`,
    'Write it, and import again.',
  )
  return undefined
}
