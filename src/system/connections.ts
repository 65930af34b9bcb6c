// The connection table, from /proc/net/ip_vs_conn of the client's namespace.
import { createReadStream, type ReadStream } from 'node:fs'
import { createInterface } from 'node:readline'
import { AF_INET, AF_INET6, formatAddress } from '../address.js'

/** One entry of the connection table. */
export interface Connection {
  /** `tcp`, `udp`, `sctp`, or the number of another protocol (0: a persistence template of a fwmark service). */
  readonly protocol: string
  readonly client: { readonly address: string; readonly port: number }
  /** The service's address; with a persistence template of a fwmark service, the mark as an address. */
  readonly service: { readonly address: string; readonly port: number }
  readonly destination: { readonly address: string; readonly port: number }
  /** As the kernel names it: `ESTABLISHED`, `UDP`, `NONE`… */
  readonly state: string
  /** Seconds until it expires, unless a packet comes. */
  readonly expiresSeconds: number
  /** What the persistence engine knows the client by. */
  readonly persistenceEngine?: { readonly name: string; readonly data: string }
}

/**
 * Reads the table line by line; memory stays flat. Not a snapshot: entries that come and go meanwhile may be missing
 * or doubled. The kernel walks its table anew for each page of text, so that the cost grows with the square of the
 * number of entries (ip_vs_conn.c: ip_vs_conn_seq_start).
 */
export function readConnections(
  open: () => Promise<number>,
): AsyncGenerator<Connection, void, void> {
  const reading: Reading = { stream: undefined }
  const connections = connectionsOf(open, reading)
  DROPPED.register(connections, reading)
  return connections
}

interface Reading {
  stream: ReadStream | undefined
}

/** Who stops asking, and does not say so either, leaves a file open. */
const DROPPED = new FinalizationRegistry<Reading>(({ stream }) => stream?.destroy())

async function* connectionsOf(
  open: () => Promise<number>,
  reading: Reading,
): AsyncGenerator<Connection, void, void> {
  const fd = await open()
  const stream = createReadStream('', { fd, encoding: 'latin1', highWaterMark: 65_536 })
  reading.stream = stream
  const lines = createInterface({ input: stream, crlfDelay: Number.POSITIVE_INFINITY })
  try {
    for await (const line of lines) {
      const connection = parseConnection(line)
      if (connection !== undefined) yield connection
    }
  } finally {
    lines.close()
    stream.destroy()
  }
}

/** One line; `undefined` for the heading. */
export function parseConnection(line: string): Connection | undefined {
  const [
    protocol,
    client,
    clientPort,
    virtual,
    port,
    destination,
    destinationPort,
    state,
    expires,
    engine,
    data,
  ] = line.trim().split(/\s+/)
  if (expires === undefined || !/^\d+$/.test(expires)) return undefined
  const end = (address: string | undefined, hex: string | undefined) => ({
    address: readAddress(address ?? ''),
    port: Number.parseInt(hex ?? '', 16),
  })
  return {
    protocol: protocolOf(protocol!),
    client: end(client, clientPort),
    service: end(virtual, port),
    destination: end(destination, destinationPort),
    state: state!,
    expiresSeconds: Number(expires),
    ...(engine !== undefined && { persistenceEngine: { name: engine, data: data ?? '' } }),
  }
}

/** What the kernel has words for beside those that it balances (ip_vs_core.c: ip_vs_proto_name). */
const OTHERS: Readonly<Record<string, string>> = { IP: '0', ICMP: '1', ICMPv6: '58' }

/** Others are written with their number behind: `IP_47`. */
function protocolOf(name: string): string {
  return OTHERS[name] ?? name.replace(/^IP_(?=\d+$)/, '').toLowerCase()
}

/** `C0000201`, or `2001:0db8:…` in full. */
function readAddress(text: string): string {
  const hex = text.replaceAll(':', '')
  const bytes = Buffer.from(hex, 'hex')
  return formatAddress(bytes.length === 16 ? AF_INET6 : AF_INET, bytes)
}
