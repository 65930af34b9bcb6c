// /proc/net/ip_vs as the witness copies it.

/** One service: `wrr ops`, and what is behind it by endpoint: `Route 1`. */
export interface SeenService {
  readonly settings: string
  readonly servers: ReadonlyMap<string, string>
}

/** By key: `udp 192.0.2.1:53`, `udp [2001:db8::35]:53`, `fwm 7`. */
export type SeenTable = ReadonlyMap<string, SeenService>

export function readTable(lines: readonly string[]): SeenTable {
  const table = new Map<string, SeenService>()
  let servers = new Map<string, string>()
  for (const line of lines) {
    const [first = '', second = '', ...rest] = line.trim().split(/\s+/)
    if (first === '->') {
      servers.set(endpoint(second), rest.join(' '))
      continue
    }
    servers = new Map()
    const id = first === 'FWM' ? String(Number.parseInt(second, 16)) : endpoint(second)
    table.set(`${first.toLowerCase()} ${id}`, { settings: rest.join(' '), servers })
  }
  return table
}

/** The servers of a service that get traffic: a weight above 0. */
export function carrying(service: SeenService | undefined): Set<string> {
  const rows = [...(service?.servers ?? [])].filter(([, row]) => !row.endsWith(' 0'))
  return new Set(rows.map(([server]) => server))
}

/** `0A010001:0035`, or `[2001:0db8:...]:0035` as the kernel writes it. */
function endpoint(text: string): string {
  const [, ipv6, ipv4 = '', port] =
    /^(?:\[([^\]]+)\]|([0-9A-F]{8})):([0-9A-F]{4})$/i.exec(text) ?? []
  if (port === undefined) throw new Error(`/proc/net/ip_vs: "${text}" is no endpoint`)
  const bytes = [...ipv4.matchAll(/../g)].map(([hex]) => Number.parseInt(hex, 16))
  const address =
    ipv6 === undefined ? bytes.join('.') : `[${new URL(`http://[${ipv6}]`).hostname.slice(1, -1)}]`
  return `${address}:${Number.parseInt(port, 16)}`
}
