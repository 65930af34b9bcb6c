// Plays a life of a pool on MemoryKernel, with a clock of the test's (`setTimeout`, `performance` and `Date` are faked). Once
// all stops, the pool alone has to make the table what it says.
import { vi } from 'vitest'
import { Ipvs } from '../../../../src/client.js'
import type { MirroredPool } from '../../../../src/pool/index.js'
import { MemoryKernel } from '../../../../src/testing/index.js'
import type { Change } from '../../../../src/types.js'
import { type AnyEvent, record } from '../watch.js'
import { checkEvents, checkServers, checkTable, type Drained, type Said } from './end.js'
import { type Action, ADDRESSES, BACKUP, type Life, PROTOCOLS, REFUSED } from './life.js'

/** The pool under test: ours, or one with a fault put back. */
export type Pools = Pick<typeof MirroredPool, 'open'>

const SERVICES = PROTOCOLS.map(
  (protocol) => ({ protocol, address: '192.0.2.1', port: 53 }) as const,
)
const MINUTE_MS = 60_000

/** Throws what is wrong. */
export async function live(pools: Pools, life: Life): Promise<void> {
  const world = new World(pools, life)
  try {
    await world.open()
    for (const action of life.actions) await world.act(action)
    await world.end()
  } catch (error) {
    await world.abandon()
    throw error
  }
}

class World {
  readonly #pools: Pools
  readonly #life: Life
  readonly #kernel: MemoryKernel
  #ipvs!: Ipvs
  #other!: Ipvs
  #pool!: MirroredPool
  #events!: AnyEvent[]
  #heard!: AnyEvent[]
  #quorumAtFirst: boolean | undefined
  readonly #said = new Map<string, Said>()
  readonly #calls = new Set<Promise<unknown>>()
  /** What a call has rejected with that it must not. */
  #wrong: unknown
  #aborts: AbortController[] = []
  /** Things that may happen before the kernel takes changes again. */
  #refusing = 0
  /** Changes that the kernel was asked for. */
  #tries = 0
  #reads = 0
  /** Others have been at work. */
  #isEdited = false
  /** The fewest servers of each service that take connections, while it is watched. */
  #least: number[] | undefined
  /** When somebody may have been moved by a verdict. */
  #moves: number[] = []
  #serving = new Set<string>()

  constructor(pools: Pools, life: Life) {
    this.#pools = pools
    this.#life = life
    const rules = life.found.flatMap(({ protocol, rows }) => {
      const service = `-${protocol[0]} 192.0.2.1:53`
      const row = ({ server, weight }: (typeof rows)[number]) =>
        `-a ${service} -r ${ADDRESSES[server]}:53 -m -w ${weight}`
      return [`-A ${service} -s wrr`, ...rows.map(row)]
    })
    const sysctls = { expire_nodest_conn: 1 }
    this.#kernel = new MemoryKernel({ sysctls, rules: rules.join('\n') })
  }

  async open(): Promise<void> {
    const { options, reconcileIntervalMs, servers, judged, throws } = this.#life
    const kernel = this.#kernel
    // Time that passes at once is no time that a call has taken.
    this.#ipvs = await Ipvs.open({ kernel, deadlineMs: 3_600_000 })
    this.#other = await Ipvs.open({ kernel })
    const service = this.#ipvs.service.bind(this.#ipvs)
    this.#ipvs.service = (...given) => {
      this.#reads++
      return service(...given)
    }
    kernel.between(() => this.#beforeChange())
    // The first change of all has none before it: this one, which changes nothing.
    this.#other.applySync([{ op: 'ensure-no-service', service: { fwmark: 1 } }])
    this.#pool = await this.#pools.open(this.#ipvs, {
      address: '192.0.2.1',
      port: 53,
      scheduler: 'wrr',
      forwarding: 'masquerade',
      servers: servers.map((index) => ADDRESSES[index]!),
      reconcileIntervalMs,
      ...options,
    })
    await turns(2)
    this.#events = record(this.#pool)
    if (throws) {
      for (const name of ['up', 'down', 'drift'] as const) {
        this.#pool.on(name, () => {
          throw new Error('mine')
        })
      }
    }
    this.#heard = record(this.#pool)
    if (options.quorum ?? options.backup) this.#quorumAtFirst = this.#pool.status().quorum
    this.#note()
    if (judged) {
      for (const server of servers)
        await this.act({ do: 'report', server, healthy: true, factor: 1 })
      await turns(10)
    }
  }

  #beforeChange(): void {
    this.#tries++
    if (this.#refusing > 0) this.#kernel.fail({ nth: 1, errno: 'ENOMEM' })
    this.#look()
  }

  async act(at: Action): Promise<void> {
    if (this.#refusing > 0) this.#refusing--
    switch (at.do) {
      case 'fault':
        for (const nth of at.nth) this.#kernel.fail({ nth, errno: at.errno })
        break
      case 'read':
        this.#kernel.fail({ of: 'read', nth: at.nth, errno: at.errno })
        break
      case 'refuse':
        this.#refusing = at.count
        break
      case 'edit':
        // A blocking call has to find the client idle.
        await turns(1)
        this.#edit(at)
        break
      case 'turns':
        await turns(at.turns)
        break
      case 'time':
        await pass(at.ms)
        await turns(20)
        this.#note()
        this.#checkWaiting()
        break
      case 'clock':
        vi.setSystemTime(Date.now() + at.jumpMs)
        break
      case 'list':
        await this.#list(at)
        break
      default:
        this.#say(at)
    }
    this.#note()
    if (this.#wrong !== undefined) throw this.#wrong
  }

  #say(at: Exclude<Action, { do: 'list' }>): void {
    const pool = this.#pool
    if (at.do === 'reconcile') this.#call(pool.reconcile())
    if (at.do === 'abort') this.#aborts.pop()?.abort()
    if (!('server' in at)) return
    const address = ADDRESSES[at.server]!
    const member = [...pool.members()].find((one) => one.address === address)
    if (at.do === 'add' && member === undefined) {
      this.#call(pool.add(address, { backup: address === BACKUP }))
    }
    if (member === undefined) return
    const said = this.#said.get(member.key)!
    const about = address === REFUSED ? undefined : said
    switch (at.do) {
      case 'report': {
        const health = at.healthy ? 'up' : 'down'
        if (health !== said.health && address !== BACKUP) this.#moves.push(performance.now())
        Object.assign(said, { health, factor: at.factor })
        const verdict = { healthy: at.healthy, weightFactor: at.factor, initial: false }
        this.#call(pool.report(member, { ...verdict, reason: 'test', at: 0 }), about)
        break
      }
      case 'up':
      case 'down':
        Object.assign(said, { health: at.do, factor: 1 })
        this.#call(pool[at.do](address), about)
        break
      case 'remove':
        this.#call(pool.remove(address))
        break
      case 'weight':
        said.weight = at.weight
        this.#call(pool.setWeight(address, at.weight))
        break
      case 'admin':
        said.words.push(at.admin)
        this.#call(pool.setAdmin(address, at.admin))
        break
      case 'drain': {
        const { timeoutMs } = at
        const abort = new AbortController()
        if (at.aborted) abort.abort()
        else this.#aborts.push(abort)
        this.#connect(address, at.busy ? 1 : 0)
        const word: Drained = {}
        const last = said.words.at(-1)
        if (typeof last === 'object' && last.outcome === undefined && !at.aborted) {
          last.isFollowed = true
        }
        said.words.push(word)
        const drained = pool.drain(address, { timeoutMs, signal: abort.signal })
        drained.then(
          ({ outcome }) => {
            word.outcome = outcome
          },
          () => {
            word.outcome = 'rejected'
          },
        )
        this.#call(drained)
      }
    }
  }

  async #list({ servers, calm }: Action & { do: 'list' }): Promise<void> {
    const addresses = servers.map((index) => ADDRESSES[index]!)
    if (calm) await turns(30)
    const joins = addresses.some((address) => !this.#said.has(`${address}:53`))
    const before = calm ? this.#takers() : []
    for (const address of addresses) {
      const said = this.#said.get(`${address}:53`)
      if (said !== undefined) said.weight = 1
    }
    this.#call(this.#pool.setServers(addresses))
    if (!calm) return
    this.#least = [...before]
    await turns(30)
    this.#look()
    const least = this.#least
    this.#least = undefined
    // Who comes is wanted there for sure.
    const { initial = 'up', quorum: { onLost = 'keep' } = {} } = this.#life.options
    // Nor can the pool know of what others have taken away unseen.
    if (!joins || initial !== 'up' || onLost !== 'keep' || this.#isEdited) return
    for (const [index, count] of before.entries()) {
      if (count > 0 && least[index] === 0) throw new Error(`a list has emptied a front: ${servers}`)
    }
  }

  #edit({ server, edit, protocol }: Action & { do: 'edit' }): void {
    const service = { protocol, address: '192.0.2.1', port: 53 } as const
    const address = edit === 'foreign' ? '10.1.0.8' : ADDRESSES[server]!
    const destination = { address, port: 53, forwarding: 'masquerade', weight: 77 } as const
    const change: Record<typeof edit, Change> = {
      service: { op: 'ensure-no-service', service },
      back: { op: 'ensure-service', service: { ...service, scheduler: 'wrr' } },
      delete: { op: 'ensure-no-destination', service, destination },
      weight: { op: 'ensure-destination', service, destination },
      foreign: { op: 'ensure-destination', service, destination },
    }
    this.#isEdited = true
    // Where it cannot be done, nothing has happened.
    this.#other.applySync([change[edit]])
  }

  /** Open connections of a server, where it is. */
  #connect(address: string, active: number): void {
    for (const service of SERVICES) {
      if (!(`${address}:53` in (this.#rows(service.protocol) ?? {}))) continue
      this.#kernel.connections(service, { address, port: 53 }, { active, inactive: active })
    }
  }

  /** @param about a server whose health is all that the call is about: others have no part in it */
  #call(promise: Promise<unknown>, about?: Said): void {
    const settled: Promise<unknown> = promise.then(
      () => this.#calls.delete(settled),
      (error: { code?: string; change?: { destination?: { address: string } } }) => {
        this.#calls.delete(settled)
        const isOthers =
          error.change?.destination?.address === REFUSED && about && this.#isHealthAll(about)
        if (!error.code?.startsWith('ERR_IPVS') || error.code === 'ERR_IPVS_ARGUMENT' || isOthers) {
          this.#wrong ??= error
        }
      },
    )
    this.#calls.add(settled)
  }

  /** Nothing else was said of it, which might wait for others. */
  #isHealthAll(about: Said): boolean {
    return about.words.length === 0 && about.weight > 0 && [...this.#said.values()].includes(about)
  }

  /** Takes in who has come and gone, and who serves. */
  #note(): void {
    const rows = this.#pool.status().servers
    const keys = new Set(rows.map(({ server }) => server))
    for (const key of this.#said.keys()) if (!keys.has(key)) this.#said.delete(key)
    for (const { server, health, weight, serves } of rows) {
      if (!this.#said.has(server)) {
        const since = this.#events.at(-1)?.sequence ?? 0
        this.#said.set(server, { health, factor: 1, weight, told: health, since, words: [] })
      }
      if (serves === this.#serving.has(server)) continue
      this.#moves.push(performance.now())
      if (serves) this.#serving.add(server)
      else this.#serving.delete(server)
    }
  }

  /** Nobody waits while a limit leaves room. */
  #checkWaiting(): void {
    const rows = this.#pool.status().servers
    const { maxChangesPerMinute: most, quorum: { onLost = 'keep' } = {} } = this.#life.options
    if (most === undefined || onLost !== 'keep') return
    const now = performance.now()
    this.#moves = this.#moves.filter((at) => now - at < MINUTE_MS)
    if (this.#moves.length >= most) return
    for (const { server, health, admin, weight, serves, backup, error } of rows) {
      if (health !== 'up' || admin !== 'ready' || weight === 0 || backup || serves) continue
      if (error === undefined && server !== `${REFUSED}:53`)
        throw new Error(`${server} waits for nothing`)
    }
  }

  /** Nothing happens any more but what is called during the last look: the rest is the pool's. */
  async end(): Promise<void> {
    const { swept, options } = this.#life
    this.#refusing = 0
    const pool = this.#pool
    let sweep = reconciled(pool)
    await turns(swept.turns)
    for (const call of swept.calls) await this.act(call)
    for (const member of [...pool.members()]) {
      const healthy = member.state === 'up'
      Object.assign(this.#said.get(member.key)!, { health: healthy ? 'up' : 'down', factor: 1 })
      this.#call(pool.report(member, { healthy, initial: false, reason: 'last', at: 0 }))
    }
    // What nobody has seen cannot be put right.
    while (!(await sweep)) sweep = reconciled(pool)
    await turns(20)
    const minutes = options.maxChangesPerMinute === undefined ? 2 : 8
    for (let step = 0; step < 4 * minutes; step++) await pass(16_000)
    await turns(20)
    await this.#checkRest()
    await Promise.all(this.#calls)
    // Who gives way to another owner repairs less and less often.
    for (let look = 0; look < 40 && isContested(pool); look++) await reconciled(pool)
    if (options.drift === 'report') while (!(await reconciled(pool)));
    await turns(20)
    if (this.#wrong !== undefined) throw this.#wrong
    const status = pool.status()
    const tables = Object.fromEntries(
      PROTOCOLS.map((protocol) => [`${protocol} 192.0.2.1:53`, this.#rows(protocol)]),
    )
    checkServers(status, this.#said, options)
    checkTable(status, tables, this.#events, options)
    for (const events of [this.#events, this.#heard]) {
      checkEvents(status, events, this.#said, this.#quorumAtFirst)
    }
    await pool.close()
    await Promise.all([this.#ipvs.close(), this.#other.close()])
  }

  /** Whatever is wrong does not go on. */
  async abandon(): Promise<void> {
    this.#refusing = 0
    void this.#pool?.close().catch(() => {})
    await turns(20)
  }

  /** While no time passes, nothing is tried and nothing is read: whatever is refused has its pauses. */
  async #checkRest(): Promise<void> {
    const [tries, reads] = [this.#tries, this.#reads]
    await turns(60)
    if (this.#tries > tries) throw new Error(`it tries ${this.#tries - tries} changes at rest`)
    if (this.#reads > reads) throw new Error(`it reads ${this.#reads - reads} times at rest`)
  }

  /** What a service of the kernel holds: weights by server. */
  #rows(protocol: string): Record<string, number> | undefined {
    const flag = `-${protocol[0]} 192.0.2.1:53`
    const lines = this.#kernel.rules().split('\n')
    if (!lines.some((line) => line.startsWith(`-A ${flag}`))) return undefined
    const found: Record<string, number> = {}
    for (const line of lines) {
      const [, to, weight] =
        (line.startsWith(`-a ${flag}`) && / -r (\S+) .*-w (\d+)/.exec(line)) || []
      if (to !== undefined) found[to] = Number(weight)
    }
    return found
  }

  /** How many servers of each service take connections. */
  #takers(): number[] {
    return PROTOCOLS.map(
      (protocol) => Object.values(this.#rows(protocol) ?? {}).filter((weight) => weight > 0).length,
    )
  }

  #look(): void {
    if (this.#least === undefined) return
    const takers = this.#takers()
    this.#least = this.#least.map((least, index) => Math.min(least, takers[index]!))
  }
}

const isContested = (pool: MirroredPool) =>
  pool.status().warnings.some(({ code }) => code === 'contested')

const reconciled = (pool: MirroredPool) =>
  pool.reconcile().then(
    () => true,
    () => false,
  )

async function turns(count: number): Promise<void> {
  for (let n = 0; n < count; n++) await new Promise((resolve) => setImmediate(resolve))
}

async function pass(ms: number): Promise<void> {
  vi.advanceTimersByTime(ms)
  await turns(6)
}
