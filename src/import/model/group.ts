// virtual_server_group: addresses, ranges of them, and marks that have the same servers.
import { isIP } from 'node:net'
import { addressBytes, formatAddress } from '../../address.js'
import type { Statement } from '../language/blocks.js'
import type { Line } from '../language/lines.js'
import type { Notes, Word } from '../note.js'
import type { Endpoint, Group } from './model.js'
import { readPort, Words } from './words.js'

/** Of one range. keepalived makes a service of each address, whatever their number. */
const MOST_ADDRESSES = 65_536

/** `undefined` if keepalived does not have it. */
export function readGroup({ keyword, words, lines }: Statement, notes: Notes): Group | undefined {
  const [name, ...more] = words
  for (const word of more) notes.add(word, 'keepalived takes one name', 'Remove it.')
  if (name === undefined) {
    notes.add(keyword, 'it has no name', 'Write one: virtual_server_group NAME {')
    return undefined
  }
  const group: Group = { word: keyword, name: name.text, addresses: [], marks: [] }
  for (const line of lines) readEntry(line, group, notes)
  const families = new Set([...group.addresses, ...group.marks].map(({ family }) => family))
  if (families.has('ipv4') && families.has('ipv6') && families.has(undefined)) {
    notes.add(
      keyword,
      `group ${name.text} has both families, and a mark that does not say which; keepalived removes it`,
      'Write inet or inet6 behind the mark.',
    )
    return undefined
  }
  if (group.addresses.length + group.marks.length > 0) return group
  notes.add(
    keyword,
    `group ${name.text} has nothing that keepalived takes, so that it ignores it`,
    'Write an address, or remove the group.',
  )
  return undefined
}

function readEntry({ words: [first, ...others] }: Line, group: Group, notes: Notes): void {
  const bare = { keyword: first, words: others, block: [], lines: [], end: first }
  if (first.text === 'fwmark') {
    const words = new Words(bare, notes)
    const fwmark = words.number(1)
    const word = fwmark === undefined ? undefined : words.next()
    const family =
      word === undefined
        ? undefined
        : word.text === 'inet'
          ? 'ipv4'
          : word.text === 'inet6'
            ? 'ipv6'
            : null
    if (family === null) words.refuse(word, 'inet or inet6 behind the mark')
    else if (fwmark !== undefined)
      group.marks.push(family === undefined ? { fwmark } : { fwmark, family })
    words.done()
    return
  }
  const [portWord, ...left] = others
  const port = portWord === undefined || /^0+$/.test(portWord.text) ? 0 : readPort(portWord.text)
  const addresses = addressesOf(first, notes)
  if (port === undefined) skip(portWord!, 'is no port', notes)
  else group.addresses.push(...addresses.map((one) => ({ ...one, port })))
  for (const word of left)
    notes.add(
      word,
      'keepalived does not look at what stands behind the port',
      'Write each address in a line of its own.',
    )
}

function skip(word: Word, why: string, notes: Notes): [] {
  notes.add(
    word,
    `"${word.text}" ${why}; keepalived skips the line`,
    'Write ADDRESS PORT, 10.0.0.1-20 PORT, 10.0.0.1-10.0.1.20 PORT or 10.0.0.0/24 PORT.',
  )
  return []
}

type Address = Omit<Endpoint, 'port'>

function addressesOf(word: Word, notes: Notes): Address[] {
  const [, start, separator, end] = /^([^-/]*)(?:([-/])(.*))?$/s.exec(word.text) ?? []
  if (start === undefined || isIP(start) === 0 || start.includes('%'))
    return skip(word, 'is no address', notes)
  const low = bytesOf(start)
  if (low === undefined) return skip(word, 'is no address', notes)
  const high =
    separator === undefined
      ? low
      : separator === '/'
        ? endOfNetwork(low, end!)
        : endOfRange(low, end!)
  if (high === undefined) return skip(word, 'is no range', notes)
  const count = high.value - low.value + 1n
  if (count < 1n) return skip(word, 'ends before it begins', notes)
  if (count > MOST_ADDRESSES) {
    notes.add(
      word,
      `these are ${count} addresses, of which the first ${MOST_ADDRESSES} were taken`,
      'Use a firewall mark for so many.',
    )
  }
  const family = low.bytes === 4 ? 'ipv4' : 'ipv6'
  const all: Address[] = []
  for (let value = low.value; value <= high.value && all.length < MOST_ADDRESSES; value++) {
    all.push({ address: textOf(value, low.bytes), family })
  }
  return all
}

interface Numeric {
  readonly value: bigint
  readonly bytes: 4 | 16
}

function bytesOf(text: string): Numeric | undefined {
  try {
    const bytes = Array.from(addressBytes(text, 'address', true))
    return {
      value: bytes.reduce((value, byte) => (value << 8n) | BigInt(byte), 0n),
      bytes: bytes.length === 4 ? 4 : 16,
    }
  } catch {
    return undefined
  }
}

function textOf(value: bigint, bytes: 4 | 16): string {
  const all = Array.from({ length: bytes }, (_, index) =>
    Number((value >> BigInt(8 * (bytes - 1 - index))) & 255n),
  )
  return formatAddress(bytes === 4 ? 2 : 10, all)
}

/** `10.0.0.0/24`: nothing may be set behind the prefix. */
function endOfNetwork({ value, bytes }: Numeric, text: string): Numeric | undefined {
  const prefix = /^\d{1,3}$/.test(text) ? Number(text) : 0
  if (prefix < 1 || prefix > bytes * 8) return undefined
  const behind = (1n << BigInt(bytes * 8 - prefix)) - 1n
  return (value & behind) === 0n ? { value: value | behind, bytes } : undefined
}

/** `10.0.0.1-20`: the last part, for IPv6 in hexadecimal; or a whole address. */
function endOfRange(low: Numeric, text: string): Numeric | undefined {
  if (/[.:]/.test(text)) {
    const high = isIP(text) === 0 ? undefined : bytesOf(text)
    return high?.bytes === low.bytes ? high : undefined
  }
  const [pattern, base, part] =
    low.bytes === 4 ? [/^\d{1,3}$/, 10, 255n] : [/^[0-9A-Fa-f]{1,4}$/, 16, 65535n]
  if (!pattern.test(text)) return undefined
  const last = BigInt(Number.parseInt(text, base as number))
  const limit = part as bigint
  // The end has to be behind the start.
  return last <= limit && last > (low.value & limit)
    ? { value: (low.value & ~limit) | last, bytes: low.bytes }
    : undefined
}
