// Reads what strace wrote, and the netlink messages in it.

/** One system call, in the order in which they began. */
export interface SystemCall {
  readonly thread: string
  readonly name: string
  /** The first bytes string in its arguments: of a send, what was sent; of a receive, what came. */
  readonly bytes: Uint8Array
  readonly netlink: boolean
}

/** Options for a trace that {@link systemCalls} can read: bytes as hex, and whole; descriptors with what they are. */
export const STRACE = ['strace', '-f', '-yy', '-xx', '-s', '1048576']

export function systemCalls(text: string): SystemCall[] {
  const calls: { thread: string; name: string; bytes: Uint8Array; netlink: boolean }[] = []
  const unfinished = new Map<string, (typeof calls)[number]>()
  for (const line of text.split('\n')) {
    const begun = /^(\d+) +(\w+)\((.*)/.exec(line)
    if (begun !== null) {
      const [, thread, name, rest] = begun as unknown as [string, string, string, string]
      const netlink = /^\d+<NETLINK:/.test(rest)
      const call = { thread, name, bytes: bytesOf(rest), netlink }
      calls.push(call)
      if (line.endsWith('<unfinished ...>')) unfinished.set(thread, call)
      continue
    }
    const resumed = /^(\d+) +<\.\.\. \w+ resumed>(.*)/.exec(line)
    if (resumed === null) continue
    const call = unfinished.get(resumed[1]!)
    if (call !== undefined && call.bytes.length === 0) call.bytes = bytesOf(resumed[2]!)
    unfinished.delete(resumed[1]!)
  }
  return calls
}

function bytesOf(text: string): Uint8Array {
  const quoted = /"((?:\\x[0-9a-f]{2})*)"/.exec(text)?.[1] ?? ''
  return Buffer.from(quoted.replaceAll('\\x', ''), 'hex')
}

/** The calls between the two writes of "mark" to standard output. */
export function betweenMarks(calls: readonly SystemCall[]): readonly SystemCall[] {
  const isMark = ({ name, bytes }: SystemCall) =>
    name === 'write' && Buffer.from(bytes).toString() === 'mark\n'
  const first = calls.findIndex(isMark)
  const last = calls.findLastIndex(isMark)
  if (first < 0 || first === last) throw new Error('the trace has no two marks')
  return calls.slice(first + 1, last)
}

/** A netlink message as it was sent. */
export interface Message {
  readonly type: number
  readonly flags: number
  readonly sequence: number
  /** Of generic netlink: the command. */
  readonly command: number
  /** `tcp` or `udp` of the service in it. */
  readonly protocol: string | undefined
  /** The address of the destination in it. */
  readonly destination: string | undefined
}

const NOOP = 1
const HEADER = 16
const GENERIC_HEADER = 4
const SERVICE = 1 // IPVS_CMD_ATTR_SERVICE
const DESTINATION = 2 // IPVS_CMD_ATTR_DEST
const SERVICE_PROTOCOL = 2 // IPVS_SVC_ATTR_PROTOCOL
const DESTINATION_ADDRESS = 1 // IPVS_DEST_ATTR_ADDR

/** The messages of one buffer. */
export function messages(bytes: Uint8Array): Message[] {
  const buffer = Buffer.from(bytes)
  const found: Message[] = []
  for (let at = 0; at < buffer.length; ) {
    const length = buffer.readUInt32LE(at)
    const type = buffer.readUInt16LE(at + 4)
    const payload = buffer.subarray(at + HEADER, at + length)
    const generic = type !== NOOP && payload.length >= GENERIC_HEADER
    const top = generic ? attributes(payload.subarray(GENERIC_HEADER)) : new Map()
    const protocol = attributes(top.get(SERVICE)).get(SERVICE_PROTOCOL)?.readUInt16LE(0)
    const address = attributes(top.get(DESTINATION)).get(DESTINATION_ADDRESS)
    found.push({
      type,
      flags: buffer.readUInt16LE(at + 6),
      sequence: buffer.readUInt32LE(at + 8),
      command: generic ? payload[0]! : 0,
      protocol: protocol === 6 ? 'tcp' : protocol === 17 ? 'udp' : undefined,
      destination: address?.join('.'),
    })
    at += (length + 3) & ~3
  }
  return found
}

function attributes(bytes: Buffer | undefined): Map<number, Buffer> {
  const found = new Map<number, Buffer>()
  for (let at = 0; bytes !== undefined && at < bytes.length; ) {
    const length = bytes.readUInt16LE(at)
    found.set(bytes.readUInt16LE(at + 2) & 0x3fff, bytes.subarray(at + 4, at + length))
    at += (length + 3) & ~3
  }
  return found
}
