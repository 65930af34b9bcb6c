// Checks that ask the virtual address on one server, by the way of real packets: IPVS forwards them, by a firewall mark.
import { readdirSync, readFileSync } from 'node:fs'
import { networkInterfaces } from 'node:os'
import { parseAddress } from '../address.js'
import { rangeError, typeError } from '../errors.js'
import { type Netns, readNetns } from '../netns.js'
import { checkClient, type TableClient } from '../table-client.js'
import type { Change, Destination, Family, FwmarkServiceId, Tunnel } from '../types.js'
import { checkDestination, checkInteger, checkOptions, checkServiceId } from '../validate.js'
import type { CheckEndpointOptions } from './checks/endpoint.js'
import { Inconclusive } from './outcome.js'
import type { Check, HealthMember } from './types.js'

/** Options of {@link ForwardingPath}. */
export interface ForwardingPathOptions {
  /** The virtual address to ask. */
  readonly address: string
  /** Its port. */
  readonly port: number
  /** How the servers are reached, as in the pool. A plain check goes the way of `masquerade` but for its address. */
  readonly forwarding: 'direct' | 'tunnel'
  /** As in the pool; default `{ type: 'ipip' }`. */
  readonly tunnel?: Tunnel | undefined
  /** An address of this host that is not virtual, of the family of `address`: the servers answer to it. */
  readonly localAddress: string
  /** First and last of the firewall marks that are ours, 1 to 4294967295: one for each server, used by nobody else. */
  readonly marks: readonly [first: number, last: number]
  /** The network namespace of the client. Default: that of this process. */
  readonly netns?: Netns | undefined
}

/** What the checks have to be made with. */
export type ForwardingRoute = Required<Pick<CheckEndpointOptions, 'connect' | 'localAddress'>>

/** Of one server. */
interface Way {
  readonly mark: number
  /** Nobody has programmed it yet: there may be something left of another run. */
  fresh: boolean
  running: number
}

/**
 * Asks the virtual address on the very server that is checked. For each server there is a service of its own in IPVS, a firewall mark
 * with this one destination, and checks send with that mark. So it finds a server that answers at its own address and has lost the
 * virtual one, or that does not unpack what comes through the tunnel.
 *
 * The services are made before each check, if they are not there; `close()` removes them. Needs CAP_NET_ADMIN; if the virtual address
 * is one of this host's, answers from it are taken only with `net.ipv4.conf.all.accept_local=1` and `rp_filter` other than 1
 * (net/ipv4/fib_frontend.c: __fib_validate_source).
 */
export class ForwardingPath {
  readonly #client: TableClient
  readonly #options: ForwardingPathOptions
  /** By the server's address, who was asked last at the end. */
  readonly #ways = new Map<string, Way>()
  #closed = false

  /**
   * @param client of the namespace that forwards
   * @throws ArgumentError
   */
  constructor(client: TableClient, options: ForwardingPathOptions) {
    this.#client = checkClient(client, 'client')
    this.#options = readOptions(options)
  }

  /**
   * Makes a check that goes this way. Its `port` is that of the virtual address.
   *
   * @param make gets options for one of `checks`, which has to be made with them
   */
  check(make: (route: ForwardingRoute) => Check): Check {
    const { address, port, localAddress, netns } = this.#options
    const connect = (member: HealthMember) => {
      const mark = this.#ways.get(member.address)?.mark
      return { address, port, mark, netns }
    }
    const check = make({ connect, localAddress })
    return async (member, context) => {
      const way = this.#take(member.address)
      way.running++
      try {
        await this.#program(member.address, way)
        return await check(member, context)
      } finally {
        way.running--
      }
    }
  }

  /** Removes the services of all marks that were used. Stop the checker first: checks are unknown from now on. */
  async close(): Promise<void> {
    this.#closed = true
    const marks = [...this.#ways.values()].map(({ mark }) => mark)
    this.#ways.clear()
    const { errors } = await this.#client.apply(
      marks.map((mark) => ({ op: 'ensure-no-service', service: this.#service(mark) })),
    )
    if (errors[0] !== undefined) throw errors[0].error
  }

  #service(fwmark: number): FwmarkServiceId {
    return { fwmark, family: familyOf(this.#options.address) }
  }

  #take(address: string): Way {
    if (this.#closed) throw new Inconclusive('the forwarding path is closed')
    const way = this.#ways.get(address) ?? { mark: this.#freeMark(), fresh: true, running: 0 }
    this.#ways.delete(address)
    this.#ways.set(address, way)
    return way
  }

  /** The next one, or that of the server that was not asked for the longest time. */
  #freeMark(): number {
    const [first, last] = this.#options.marks
    if (this.#ways.size <= last - first) return first + this.#ways.size
    for (const [address, { mark, running }] of this.#ways) {
      if (running > 0) continue
      this.#ways.delete(address)
      return mark
    }
    throw new Inconclusive(
      `options.marks: more servers than marks, of which there are ${last - first + 1}`,
    )
  }

  async #program(server: string, way: Way): Promise<void> {
    const { address, netns } = this.#options
    const service = this.#service(way.mark)
    const changes: Change[] = [
      // One packet: what UDP leaves behind for minutes would lead a later check from the same port to another server.
      { op: 'ensure-service', service: { ...service, scheduler: 'rr', onePacket: true } },
      { op: 'ensure-destination', service, destination: destinationOf(server, this.#options) },
    ]
    if (way.fresh) {
      if (familyOf(address) === 'ipv4' && netns === undefined) refuseMartians(address)
      changes.unshift({ op: 'ensure-no-service', service })
    }
    // Before the answer: a second check of the server, at the same time, comes after this one.
    way.fresh = false
    const { errors } = await this.#client.apply(changes)
    if (errors[0] === undefined) return
    way.fresh = true
    const { error } = errors[0]
    throw new Inconclusive(`no forwarding path: ${error.message}`, { cause: error })
  }
}

function readOptions(options: unknown): ForwardingPathOptions {
  const names = [
    'address',
    'port',
    'forwarding',
    'tunnel',
    'localAddress',
    'marks',
    'netns',
  ] as const
  const fields = checkOptions(options, 'options', names)
  const { marks, forwarding, tunnel } = fields
  const virtual = parseAddress(fields.address, 'options.address')
  const local = parseAddress(fields.localAddress, 'options.localAddress')
  if (local.af !== virtual.af || local.text === virtual.text) {
    const rule = `another address than ${virtual.text}, of its family`
    throw rangeError('options.localAddress', rule, local.text)
  }
  if (forwarding !== 'direct' && forwarding !== 'tunnel')
    throw rangeError('options.forwarding', "'direct' or 'tunnel'", forwarding)
  if (!Array.isArray(marks) || marks.length !== 2)
    throw typeError('options.marks', '[first, last]', marks)
  const first = checkInteger(marks[0], 'options.marks[0]', 1, 2 ** 32 - 1)
  const last = checkInteger(marks[1], 'options.marks[1]', first, 2 ** 32 - 1)
  readNetns(fields.netns, 'options.netns')
  const read = {
    address: virtual.text,
    port: checkInteger(fields.port, 'options.port', 1, 65_535),
    forwarding,
    tunnel: tunnel as Tunnel | undefined,
    localAddress: local.text,
    marks: [first, last],
    netns: fields.netns as Netns | undefined,
  } as const
  const service = { fwmark: first, family: familyOf(read.address) }
  checkDestination(destinationOf(read.address, read), 'options', checkServiceId(service, 'options'))
  return read
}

function familyOf(address: string): Family {
  return address.includes(':') ? 'ipv6' : 'ipv4'
}

function destinationOf(
  address: string,
  { forwarding, tunnel }: Pick<ForwardingPathOptions, 'forwarding' | 'tunnel'>,
): Destination {
  // The port is the packets': a firewall mark has none.
  return { address, port: 0, weight: 1, forwarding, ...(tunnel && { tunnel }) }
}

/** If nobody takes what comes from an address of ours, every server looks dead. */
function refuseMartians(address: string): void {
  const ours = Object.values(networkInterfaces()).some((all) =>
    all?.some((one) => one.address === address),
  )
  const folder = '/proc/sys/net/ipv4/conf'
  const accepts = (name: string) =>
    readFileSync(`${folder}/${name}/accept_local`, 'utf8').trim() === '1'
  if (!ours || readdirSync(folder).some(accepts)) return
  const setting = 'net.ipv4.conf.all.accept_local=1'
  throw new Inconclusive(
    `options.address: answers from ${address}, an address of this host, are dropped without ${setting}`,
  )
}
