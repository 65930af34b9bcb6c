// Whether the servers have the virtual address: asked by real packets, through IPVS itself.
import {
  type Check,
  CheckTimeoutError,
  checks,
  ForwardingPath,
  Inconclusive,
  type Ipvs,
} from '../../../index.js'
import type { ListedDestination, ListedService } from '../../../rules/index.js'
import { endpoint } from '../../table/seen.js'
import { nameOf, type Probed, type Route } from '../facts.js'

/** A mark for the whole walk: one server is asked at a time. Those in use are left alone. */
const FIRST_MARK = 0x7d0c7000

const LIMIT_MS = 1000

/** A question of anybody: `.`, type NS, which each DNS server answers or refuses. */
const DNS_PORT = 53

/**
 * @param routes to the virtual addresses and the servers
 * @throws what keeps all of them from being asked
 */
export async function probeServers(
  ipvs: Ipvs,
  services: readonly ListedService[],
  routes: ReadonlyMap<string, Route>,
): Promise<Probed[]> {
  const marks = new Set(services.map(({ fwmark }) => fwmark))
  let mark = FIRST_MARK
  while (marks.has(mark)) mark++
  const probed: Probed[] = []
  for (const service of services) {
    const make = checkFor(service)
    if (make === undefined) continue
    for (const server of service.destinations) {
      const { forwarding, address } = server
      if (forwarding !== 'direct' && forwarding !== 'tunnel') continue
      const route = routes.get(address)
      if (route === undefined || 'code' in route || route.source === address) continue
      probed.push({
        service: nameOf(service),
        server: endpoint(server),
        address,
        virtual: service.address!,
        forwarding,
        outcome: await outcomeOf(ipvs, service, server, route.source, mark, make),
      })
    }
  }
  return probed
}

type Make = (options: object) => Check

function checkFor({ protocol, port }: ListedService): Make | undefined {
  if (port === undefined || port === 0) return undefined
  if (protocol === 'tcp') return (options) => checks.tcp(options)
  // Others than DNS need not answer what nobody knows how to ask.
  if (protocol !== 'udp' || port !== DNS_PORT) return undefined
  return (options) =>
    checks.dns({ ...options, name: '.', type: 'NS', protocols: ['udp'], rcodes: () => true })
}

async function outcomeOf(
  ipvs: Ipvs,
  service: ListedService,
  server: ListedDestination,
  localAddress: string,
  mark: number,
  make: Make,
): Promise<Probed['outcome']> {
  if (localAddress === service.address)
    throw new Error(
      `${localAddress} is the only address of this machine on the way to ${server.address}`,
    )
  const way = new ForwardingPath(ipvs, {
    address: service.address!,
    port: service.port!,
    forwarding: server.forwarding as 'direct' | 'tunnel',
    tunnel: (server as { tunnel?: never }).tunnel,
    localAddress,
    marks: [mark, mark],
  })
  try {
    const said = await ask(way.check(make), server)
    if (said !== 'silent') return said
    // Whoever refuses at its own address is alive as well.
    return (await ask(make({}), { ...server, port: server.port || service.port! })) === 'silent'
      ? 'dead'
      : 'silent'
  } finally {
    await way.close()
  }
}

async function ask(
  check: Check,
  { address, port }: ListedDestination,
): Promise<'answers' | 'refuses' | 'silent'> {
  const stop = new AbortController()
  const timer = setTimeout(() => stop.abort(new CheckTimeoutError(LIMIT_MS)), LIMIT_MS)
  try {
    await check({ key: address, address, port }, { signal: stop.signal })
    return 'answers'
  } catch (error) {
    if (error instanceof Inconclusive) throw error
    if (stop.signal.aborted) return 'silent'
    // No route, no neighbour: nobody has said anything either.
    return /EHOSTUNREACH|ENETUNREACH|ETIMEDOUT/.test(codes(error)) ? 'silent' : 'refuses'
  } finally {
    clearTimeout(timer)
  }
}

function codes(error: unknown): string {
  const { code = '', message = '' } = error as NodeJS.ErrnoException
  return `${code} ${message}`
}
