// What the drivers are given: changes as text in the words of ipvsadm, and the table that must be left.
/** Changes that belong together: a mirrored flip is two. */
export type Operation = readonly string[]

export interface Workload {
  /** Made before the clock starts. */
  readonly setup: readonly Operation[]
  /** What is timed. */
  readonly operations: readonly Operation[]
}

export const asText = (operations: readonly Operation[]): string =>
  operations.map((operation) => `${operation.join('\n')}\n\n`).join('')

export const countChanges = (operations: readonly Operation[]): number =>
  operations.reduce((sum, { length }) => sum + length, 0)

/** The table that a workload leaves, as `ipvsadm -Sn` prints it, sorted. */
export function finalTable({ setup, operations }: Workload): string[] {
  const table = new Map<string, string>()
  for (const line of [...setup, ...operations].flat()) {
    const words = line.split(' ')
    const service = words.slice(1, 3).join(' ')
    const server = words.slice(3, 5).join(' ')
    if (words[0] === '-A') table.set(service, line)
    else if (words[0] === '-d') table.delete(`${service} ${server}`)
    else if (words[0] === '-a' || words[0] === '-e') {
      table.set(`${service} ${server}`, `-a ${words.slice(1).join(' ')}`)
    } else throw new Error(`a workload has no word for: ${line}`)
  }
  return [...table.values()].sort()
}

/** The n-th server. */
export const server = (n: number): string => `10.${n >> 16}.${(n >> 8) & 255}.${n & 255}`

const VIP = '192.0.2.1:53'
const destination = (verb: string, service: string, n: number, weight: number): string =>
  `${verb} ${service} -r ${server(n)}:53 -g -w ${weight}`

/** TCP and UDP of one address with `servers` servers. */
function pair(servers: number): Operation[] {
  const services = ['-t', '-u'].map((protocol) => `${protocol} ${VIP}`)
  return [
    services.map((service) => `-A ${service} -s wrr`),
    ...Array.from({ length: servers }, (_, n) =>
      services.map((service) => destination('-a', service, n + 1, 1)),
    ),
  ]
}

/** One server's weight on both protocols, one flip after the other. */
export function weightFlips(flips: number, servers = 4): Workload {
  const operations = Array.from({ length: flips }, (_, i) =>
    ['-t', '-u'].map((protocol) =>
      destination('-e', `${protocol} ${VIP}`, 1 + (i % servers), 2 + (i % 7)),
    ),
  )
  return { setup: pair(servers), operations }
}

/** Lists of `size` weights each, over 16 services. */
export function batches(size: number, count: number): Workload {
  const { setup, operations } = weights(size * count, 16, 64)
  const lines = operations.flat()
  const lists = Array.from({ length: count }, (_, n) => lines.slice(n * size, (n + 1) * size))
  return { setup, operations: lists }
}

/** One server leaves both protocols and comes back. */
export function memberFlips(flips: number, servers = 4): Workload {
  const operations = Array.from({ length: flips }, (_, i) => {
    const n = 1 + ((i >> 1) % servers)
    return ['-t', '-u'].map((protocol) =>
      i % 2 === 0
        ? `-d ${protocol} ${VIP} -r ${server(n)}:53`
        : destination('-a', `${protocol} ${VIP}`, n, 1),
    )
  })
  return { setup: pair(servers), operations }
}

/** Servers that one service gets, all new. */
export function additions(count: number): Workload {
  const service = `-u ${VIP}`
  const operations = Array.from({ length: count }, (_, n) => [destination('-a', service, n + 1, 1)])
  return { setup: [[`-A ${service} -s wrr`]], operations }
}

/** Weights of the servers of `services` services, over and over. */
export function weights(count: number, services: number, servers: number): Workload {
  const all = table(services, servers)
  const places = all.slice(services).map(([line]) => line!.split(' '))
  const operations = Array.from({ length: count }, (_, i) => {
    const [, protocol, vip, , at] = places[(i * 7919) % places.length]!
    return [`-e ${protocol} ${vip} -r ${at} -g -w ${2 + (i % 97)}`]
  })
  return { setup: all, operations }
}

/** Services, then their servers. */
export function table(services: number, servers: number): Operation[] {
  const vips = Array.from({ length: services }, (_, n) => `-u 10.200.${n >> 8}.${n & 255}:53`)
  return [
    ...vips.map((vip) => [`-A ${vip} -s wrr`]),
    ...vips.flatMap((vip, s) =>
      Array.from({ length: servers }, (_, n) => [
        destination('-a', vip, (s * servers + n) % 60_000, 1),
      ]),
    ),
  ]
}

/** Services in pairs of TCP and UDP, with the same servers behind each, as pools have them. */
export function pairs(count: number, servers: number): Operation[] {
  return Array.from({ length: count }, (_, n) => `10.200.${n >> 8}.${n & 255}:53`).flatMap((vip) =>
    ['-t', '-u'].flatMap((protocol) => [
      [`-A ${protocol} ${vip} -s wrr`],
      ...Array.from({ length: servers }, (_, n) => [
        destination('-a', `${protocol} ${vip}`, n + 1, 1),
      ]),
    ]),
  )
}

/** Servers that come, go and change over many services, as a day of deployments does; always the same list. */
export function churn(count: number, services: number, servers: number): Workload {
  const setup = table(services, servers)
  const members = new Map<number, Set<number>>()
  for (let s = 0; s < services; s++) {
    members.set(s, new Set(Array.from({ length: servers }, (_, n) => (s * servers + n) % 60_000)))
  }
  const random = generator(20_061_123)
  const operations: Operation[] = []
  while (operations.length < count) {
    const s = Math.floor(random() * services)
    const vip = `-u 10.200.${s >> 8}.${s & 255}:53`
    const there = members.get(s)!
    const kind = random()
    if (kind < 0.6 && there.size > 0) {
      const n = [...there][Math.floor(random() * there.size)]!
      operations.push([destination('-e', vip, n, 1 + Math.floor(random() * 100))])
    } else if (kind < 0.8 && there.size > 2) {
      const n = [...there][Math.floor(random() * there.size)]!
      there.delete(n)
      operations.push([`-d ${vip} -r ${server(n)}:53`])
    } else {
      const n = Math.floor(random() * 60_000)
      if (there.has(n)) continue
      there.add(n)
      operations.push([destination('-a', vip, n, 1)])
    }
  }
  return { setup, operations }
}

/** Mulberry32: the same numbers every time. */
function generator(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296
  }
}
