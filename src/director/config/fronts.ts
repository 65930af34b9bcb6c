// Fronts as a file spells them: '192.0.2.53:53', 'tcp/[2001:db8::53]:853', 'fwmark/7', or the library's objects.
import type { PoolFront } from '../../pool/api.js'
import type { Protocol, ServiceId } from '../../types.js'
import type { Path } from './mistakes.js'
import { isMap, type Reader, shown } from './reader.js'

const EXAMPLES = "'192.0.2.53:53', 'tcp/[2001:db8::53]:853' or 'fwmark/7'"

/** Mistakes give fronts that stand for nothing, so that what comes next can be looked at. What is in a front is for the library to check. */
export function readFronts(value: unknown, path: Path, reader: Reader): PoolFront[] {
  if (!Array.isArray(value) || value.length === 0) {
    reader.add(path, `must be a list such as [${EXAMPLES}]; received ${shown(value)}`)
    return [{ fwmark: 1 }]
  }
  return value.map(
    (one: unknown, index) => readFront(one, [...path, index], reader) ?? { fwmark: index + 1 },
  )
}

function readFront(value: unknown, path: Path, reader: Reader): PoolFront | undefined {
  if (isMap(value)) return value as unknown as PoolFront
  const text = typeof value === 'string' ? value : ''
  const mark = /^fwmark\/(\d{1,10})(?:\/(ipv4|ipv6))?$/.exec(text)
  if (mark !== null) {
    const family = mark[2] as 'ipv4' | 'ipv6' | undefined
    return { fwmark: Number(mark[1]), ...(family === undefined ? {} : { family }) }
  }
  const front = /^(?:(tcp|udp|sctp)\/)?(?:\[([^\]]+)\]|([^:/[\]]+)):(\d{1,5})$/.exec(text)
  if (front !== null) {
    const [, protocol, ipv6, ipv4, port] = front
    const protocols = protocol === undefined ? {} : { protocols: [protocol as Protocol] }
    return { address: (ipv6 ?? ipv4)!, port: Number(port), ...protocols }
  }
  reader.add(path, `must be a front such as ${EXAMPLES}; received ${shown(value)}`)
  return undefined
}

/** The addresses of fronts, each once; a firewall mark has none. */
export function addressesOf(fronts: readonly PoolFront[]): string[] {
  return [...new Set(fronts.flatMap(({ address }) => address ?? []))]
}

/** The services that fronts stand for. */
export function serviceIdsOf(fronts: readonly PoolFront[]): ServiceId[] {
  return fronts.flatMap((front): ServiceId[] => {
    if (front.fwmark !== undefined) {
      return [{ fwmark: front.fwmark, family: front.family ?? 'ipv4' }]
    }
    const { address, port, protocols = ['tcp', 'udp'] } = front
    return protocols.map((protocol) => ({ protocol, address, port }))
  })
}
