// One pool of one service, or of a TCP and a UDP service that are the same but for the protocol.
import type { Protocol } from '../../types.js'
import type { Model } from '../model/model.js'
import type { Notes } from '../note.js'
import { convertCheck, type ServerCheck } from './check.js'
import type { Comments, Json, JsonMap } from './document.js'
import { type Claims, type Hooks, hooksOf } from './hooks.js'
import type { Place, Server, Service } from './service.js'
import { duration } from './time.js'

/** A check of the document, with what is said of it. */
export interface PoolCheck {
  readonly check: JsonMap
  readonly comments: readonly string[]
}

export interface Pool {
  readonly services: readonly Service[]
  readonly pool: JsonMap
  /** That of most servers, which the pool's `check` is; `none`: nobody checks. */
  readonly check: PoolCheck | 'none'
  /** Entries of `servers` that have another one. */
  readonly others: readonly { readonly entry: JsonMap; readonly check: PoolCheck | 'none' }[]
}

/** What is not said where it is the library's default anyway. */
const ONE_PACKET_SCHEDULERS = ['rr', 'wrr', 'mh', 'sh']

/** Services that make one pool: the same but for TCP and UDP. */
export function mirrored(services: readonly Service[], notes: Notes): Service[][] {
  const pools: Service[][] = []
  const byKey = new Map<string, Service[]>()
  for (const service of services) {
    const { protocol } = service
    const key = JSON.stringify([
      service.places.map(({ address, port }) => `${address} ${port}`).toSorted(),
      service.marks,
      service.scheduler,
      service.source.flags,
      service.method,
      service.tunnel,
      service.persistence,
      service.source.engine?.text,
      [service.quorum, service.hysteresis],
      placeOf(service.sorry),
      service.servers
        .map((server) => [
          placeOf(server),
          server.weight,
          server.upperThreshold,
          server.lowerThreshold,
        ])
        .toSorted(),
    ])
    const pool = service.places.length > 0 && protocol !== 'sctp' ? byKey.get(key) : undefined
    if (pool?.every((other) => other.protocol !== protocol)) pool.push(service)
    else {
      const fresh = [service]
      pools.push(fresh)
      if (protocol !== 'sctp') byKey.set(key, fresh)
    }
  }
  return withoutTwice(pools, notes)
}

function placeOf(server: Server | undefined): string {
  return server === undefined ? '' : `${server.address} ${server.port}`
}

/** IPVS has one service of an address, a port and a protocol. */
function withoutTwice(pools: readonly Service[][], notes: Notes): Service[][] {
  const seen = new Map<string, Service>()
  return pools
    .map((services) =>
      services.filter((service) => {
        const keys = [
          ...service.places.map(({ address, port }) => `${service.protocol} ${address} ${port}`),
          ...service.marks.map(({ fwmark, family }) => `${fwmark} ${family}`),
        ]
        const before = keys.map((key) => seen.get(key)).find((other) => other !== undefined)
        for (const key of keys) if (!seen.has(key)) seen.set(key, service)
        if (before === undefined) return true
        notes.add(
          service.word,
          `it is the same service as ${before.title}, whose servers keepalived mixes with these in one table; it was left out`,
          'Make one of the two, with all servers.',
        )
        return false
      }),
    )
    .filter((services) => services.length > 0)
}

export function makePool(
  services: readonly Service[],
  claims: Claims,
  model: Model,
  comments: Comments,
  notes: Notes,
): Pool {
  const first = services[0]!
  const hooks = services.map((service) => hooksOf(service, services, claims, notes))
  const checks = new Map(
    first.servers.map((server) => [placeOf(server), checkOf(server, services, model, notes)]),
  )
  const usual = mostUsed([...checks.values()])
  const fronts = frontsOf(services, hooks)
  const pool: JsonMap = { fronts: fronts.map(writeFront) }
  comments.add(
    pool,
    'fronts',
    ...services.map(({ title }) => `${title}.`),
    ...hooks.flatMap((one) => one.comments),
  )
  if (services.length > 1)
    comments.add(
      pool,
      'fronts',
      'TCP and UDP have the same servers: one pool, that changes both at once.',
    )

  // Its place among the keys; what it is called is decided when all pools are known.
  pool.check = 'none'
  if (usual === 'none')
    comments.add(
      pool,
      'check',
      'Nothing checks these servers, as under keepalived: they count as up.',
    )
  const others: { entry: JsonMap; check: PoolCheck | 'none' }[] = []
  pool.servers = first.servers.map((server) => {
    const check = checks.get(placeOf(server))!
    if (sameCheck(check, usual)) return writeServer(server)
    const entry = serverMap(server)
    others.push({ entry, check })
    return entry
  })
  if (first.sorry !== undefined) {
    pool.backup = [{ ...serverMap(first.sorry), check: 'none' }]
    comments.add(pool, 'backup', 'sorry_server: keepalived does not check it.')
  }
  pool.scheduler = first.scheduler
  if (first.source.scheduler === undefined) comments.add(pool, 'scheduler', "keepalived's default.")
  pool.forwarding = first.method
  if (
    first.source.forwarding === undefined &&
    first.servers.every(({ real }) => real.forwarding === undefined)
  ) {
    comments.add(pool, 'forwarding', "keepalived's default, NAT.")
  }
  setMore(pool, services, hooks, comments, notes)
  setStart(pool, services, comments, notes)
  return { services, pool, check: usual, others }
}

function setMore(
  pool: JsonMap,
  services: readonly Service[],
  hooks: readonly Hooks[],
  comments: Comments,
  notes: Notes,
): void {
  const [first] = services as readonly [Service]
  const { tunnel, persistence, scheduler, source } = first
  if (tunnel !== undefined && (tunnel.type !== 'ipip' || tunnel.checksum !== undefined))
    pool.tunnel = { ...tunnel }
  if (persistence !== undefined) {
    const { seconds, netmask } = persistence
    pool.persistence = {
      timeout: duration(seconds * 1000),
      ...(netmask === undefined ? undefined : { netmask }),
    }
  }
  for (const { source } of services) {
    if (source.engine !== undefined)
      notes.add(
        source.engine,
        'a pool has no persistence engine',
        'Use persistence by address, or make the service with "ipvsadm --pe" or the library.',
      )
  }
  const hashes = scheduler === 'sh' || scheduler === 'mh'
  // The kernel has three bits; two of them have names of their own for these schedulers.
  const own: Record<string, string> = {
    'flag-1': `${scheduler}-fallback`,
    'flag-2': `${scheduler}-port`,
  }
  const flags = [...new Set(source.flags.map((flag) => (hashes && own[flag]) || flag))]
  if (flags.length > 0 || hashes) {
    pool.schedulerFlags = flags
    if (flags.length === 0)
      comments.add(
        pool,
        'schedulerFlags',
        `None, as under keepalived; without it the director takes ${scheduler}-fallback.`,
      )
  }
  setOnePacket(pool, services, comments)
  const { quorum, hysteresis } = first
  if (quorum > 1) {
    pool.quorum = {
      up: quorum + hysteresis,
      down: quorum - hysteresis,
      unit: 'weight',
      ...(first.sorry === undefined ? undefined : { onLost: 'refuse' }),
    }
    comments.add(
      pool,
      'quorum',
      hysteresis === 0
        ? `quorum ${quorum}: of weight.`
        : `quorum ${quorum}, hysteresis ${hysteresis}: regained with ${quorum} + ${hysteresis}, lost below ${quorum} - ${hysteresis}, of weight.`,
    )
    if (first.sorry !== undefined)
      comments.add(pool, 'quorum', 'onLost: with a sorry_server keepalived takes the others out.')
  }
  const all = hooks.flatMap((one) => one.hooks)
  const texts = all.map((hook) => JSON.stringify(hook))
  const different = all.filter((_, index) => texts.indexOf(texts[index]!) === index)
  if (different.length > 0) pool.hooks = different
}

/** The library has a default of its own for DNS, which keepalived does not. */
function setOnePacket(pool: JsonMap, services: readonly Service[], comments: Comments): void {
  const asked = services.find(({ onePacket }) => onePacket)
  if (asked !== undefined) {
    pool.onePacket = true
    return
  }
  const udp = services.find(({ protocol }) => protocol === 'udp')
  if (udp === undefined || udp.method === 'masquerade' || udp.persistence !== undefined) return
  if (!udp.places.some(({ port }) => port === 53) || !ONE_PACKET_SCHEDULERS.includes(udp.scheduler))
    return
  pool.onePacket = false
  comments.add(
    pool,
    'onePacket',
    'No ops under keepalived. Without this line the director schedules each query by itself, which no dead server can hold up.',
  )
}

function setStart(
  pool: JsonMap,
  services: readonly Service[],
  comments: Comments,
  notes: Notes,
): void {
  const servers = services.flatMap((service) => service.servers)
  const alpha = servers.filter(
    (server) => server.alpha || server.real.checkers.some((checker) => checker.alpha),
  )
  if (servers.every(({ real }) => real.checkers.length === 0)) pool.initial = 'up'
  else if (alpha.length > 0) {
    pool.initial = 'down'
    comments.add(pool, 'initial', 'alpha: down until the first check succeeds.')
    for (const server of servers.filter((one) => !alpha.includes(one))) {
      notes.add(
        server.word,
        `others of the pool have alpha, and ${server.address} has not; here all of them wait for their first check`,
        'Nothing: the first check is made at once.',
      )
    }
  } else {
    pool.initial = 'up'
    comments.add(
      pool,
      'initial',
      'No alpha: up until checks fail. At the start one failure is enough for keepalived, here it takes as many as later.',
    )
  }
  const quiesced = (service: Service) => service.servers.filter(({ inhibit }) => inhibit)
  const actions = services.map((service) => {
    const some = quiesced(service)
    if (some.length > 0 && some.length < service.servers.length) {
      for (const server of service.servers.filter(({ inhibit }) => !inhibit)) {
        notes.add(
          server.word,
          `others of the pool have inhibit_on_failure, and ${server.address} has not; here all of them get weight 0 when they fail`,
          'Give it a pool of its own, or make the servers the same.',
        )
      }
    }
    return [service.protocol, some.length > 0 ? 'quiesce' : 'remove'] as const
  })
  if (actions.every(([, action]) => action === 'remove')) return
  const one = actions.every(([, action]) => action === 'quiesce')
  pool.onDown = one ? 'quiesce' : Object.fromEntries(actions)
  comments.add(pool, 'onDown', 'inhibit_on_failure: weight 0 in place of removal.')
}

interface Front extends Place {
  readonly protocols: ReadonlySet<Protocol>
}

/** Addresses with all protocols that they have, and marks. */
function frontsOf(
  services: readonly Service[],
  hooks: readonly Hooks[],
): (Front | Service['marks'][number])[] {
  const fronts = new Map<string, Place & { protocols: Set<Protocol> }>()
  const add = ({ address, port }: Place, protocol: Protocol) => {
    const key = `${address} ${port}`
    const front = fronts.get(key) ?? { address, port, protocols: new Set() }
    front.protocols.add(protocol)
    fronts.set(key, front)
  }
  for (const { places, protocol } of services) for (const place of places) add(place, protocol)
  for (const { fronts: more } of hooks) for (const front of more) add(front, front.protocol)
  return [...fronts.values(), ...services[0]!.marks]
}

function writeFront(front: ReturnType<typeof frontsOf>[number]): Json {
  if ('fwmark' in front) return `fwmark/${front.fwmark}${front.family === 'ipv6' ? '/ipv6' : ''}`
  const { address, port, protocols } = front
  if (port === 0) return { address, port, protocols: [...protocols] }
  const place = `${address.includes(':') ? `[${address}]` : address}:${port}`
  if (protocols.size === 1) return `${[...protocols][0]}/${place}`
  return protocols.has('sctp') ? { address, port, protocols: [...protocols] } : place
}

function serverMap({ address, port, weight, upperThreshold, lowerThreshold }: Server): JsonMap {
  return {
    address,
    ...(port === 0 ? undefined : { port }),
    ...(weight === 1 ? undefined : { weight }),
    ...(upperThreshold === 0 ? undefined : { upperThreshold }),
    ...(lowerThreshold === 0 ? undefined : { lowerThreshold }),
  }
}

function writeServer(server: Server): Json {
  const { address, ...more } = serverMap(server)
  const { port, ...others } = more
  if (Object.keys(others).length > 0) return { address: address!, ...more }
  if (port === undefined) return address!
  return `${server.address.includes(':') ? `[${server.address}]` : server.address}:${server.port}`
}

/** All that checks a server, in whichever of the services. */
function checkOf(
  server: Server,
  services: readonly Service[],
  model: Model,
  notes: Notes,
): PoolCheck | 'none' {
  const all = services.flatMap((service) => {
    const same = service.servers.find((one) => placeOf(one) === placeOf(server))!
    const ports = new Set(service.places.map(({ port }) => port))
    const frontPort = service.marks.length === 0 && ports.size === 1 ? [...ports][0]! : 0
    return same.real.checkers.flatMap((checker) => {
      const check = convertCheck(checker, {
        source: service.source,
        server: same,
        ssl: model.ssl,
        notes,
        frontPort,
      })
      return check === undefined ? [] : [check]
    })
  })
  return all.length === 0 ? 'none' : joined(all)
}

/** Several are one: a server is down when one of them says so. */
function joined(all: readonly ServerCheck[]): PoolCheck {
  const texts = all.flatMap(({ checks }) => checks.map((check) => JSON.stringify(check)))
  const checks = all
    .flatMap((one) => one.checks)
    .filter((_, index) => texts.indexOf(texts[index]!) === index)
  const least = (name: 'interval' | 'fall' | 'retryDelay') =>
    Math.min(...all.map((one) => one[name]))
  const timeout = Math.max(...all.map((one) => one.timeout))
  const [interval, fall] = [least('interval'), least('fall')]
  const comments = [...new Set(all.flatMap((one) => one.comments))]
  const schedules = new Set(
    all.map((one) => JSON.stringify([one.interval, one.timeout, one.fall, one.retryDelay])),
  )
  if (schedules.size > 1)
    comments.push(
      'One schedule for all: the shortest interval, the fewest failures, the longest timeout.',
    )
  comments.push(
    'rise 1: one success is enough for keepalived. jitter 0: never later than the interval says.',
  )
  return {
    check: {
      ...(checks.length === 1 ? checks[0] : { all: checks }),
      interval: duration(interval),
      timeout: duration(timeout),
      rise: 1,
      fall,
      ...(fall === 1
        ? undefined
        : { retryDelay: duration(Math.min(interval, least('retryDelay'))) }),
      jitter: 0,
    },
    comments,
  }
}

function sameCheck(one: PoolCheck | 'none', other: PoolCheck | 'none'): boolean {
  if (one === 'none' || other === 'none') return one === other
  return JSON.stringify(one.check) === JSON.stringify(other.check)
}

function mostUsed(checks: readonly (PoolCheck | 'none')[]): PoolCheck | 'none' {
  const counts = new Map<string, { readonly check: PoolCheck | 'none'; count: number }>()
  for (const check of checks) {
    const key = check === 'none' ? '' : JSON.stringify(check.check)
    const entry = counts.get(key) ?? { check, count: 0 }
    entry.count++
    counts.set(key, entry)
  }
  const [most] = [...counts.values()].toSorted((a, b) => b.count - a.count)
  return most?.check ?? 'none'
}
