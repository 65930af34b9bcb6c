// Plays one failure under one system: a network of its own, everybody started anew, and what was seen from outside.
import { readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { endAll, ip, run, runIn } from '../../lab/network/namespaces.js'
import { nodeCommand, Program } from '../../lab/network/program.js'
import {
  buildNetwork,
  type Director,
  directors,
  pair,
  placesOf,
  removeNetwork,
  type Server,
  servers,
  setLink,
  splitPair,
  vip,
} from '../../lab/network/three-servers.js'
import { now } from '../../lab/traffic/messages.js'
import type { QueriesMessage, Query } from '../../lab/traffic/queries.js'
import { AdvertWitness } from '../../lab/witness/adverts.js'
import type { WitnessEntry } from '../../lab/witness/entries.js'
import { membersOf, protocols } from '../../lab/witness/members.js'
import { Witness } from '../../lab/witness/witness.js'
import type { ReceivedMessage } from '../failover/server.js'
import type { ClientName } from './client-names.js'
import type { CutMessage } from './clients.js'
import type { Evidence } from './evidence.js'
import type { Failure, FailureName, Stage } from './failures.js'
import type { Programs, System } from './systems.js'

/** From the first query to the failure. The kernel sends what it syncs when it has a packet full, or after 2 s. */
const steadyMs = 4000
/**
 * So long after an advertisement the failure comes, so that VRRP's timers run out alike: a silent master is missed 2.8 s later.
 */
const afterAdvertMs = 250
/** As long as it takes, but not longer. */
const startMs = 60_000
const detectedMs = 10_000

const program = (name: string) => fileURLToPath(new URL(name, import.meta.url))

export async function play(
  system: System,
  failure: Failure & { readonly name: FailureName },
): Promise<Evidence> {
  await buildNetwork(kindOf(failure))
  const trial = new Trial(system, failure)
  try {
    return await trial.run()
  } finally {
    endAll()
    await removeNetwork()
  }
}

const kindOf = ({ serversToo }: Failure) => (serversToo ? 'servers too' : 'pair')

type Part = 'vrrp' | 'controller'

class Trial implements Stage {
  readonly #system: System
  readonly #failure: Failure & { readonly name: FailureName }
  readonly #programs: Readonly<Record<Director, Programs>>
  readonly #entries: Record<Director, WitnessEntry[]> = { lb1: [], lb2: [] }
  readonly #witnesses: Readonly<Record<Director, Witness>>
  readonly #adverts: AdvertWitness
  readonly #servers = new Map<Server, Program>()
  readonly #running = new Map<string, Program>()
  readonly #queries: Query<ClientName>[] = []
  readonly #cuts: number[] = []
  #dead: Evidence['dead']
  readonly #times = { startedAt: 0, beganAt: 0, failedAt: 0, overAt: 0, endedAt: 0 }
  #twice = 0
  #output = ''
  #fail: (error: Error) => void = () => {}
  /** Rejects when a program ends although nobody wanted that. */
  readonly #failed = new Promise<never>((_, reject) => {
    this.#fail = reject
  })

  constructor(system: System, failure: Failure & { readonly name: FailureName }) {
    this.#system = system
    this.#failure = failure
    this.#failed.catch(() => {})
    const prepare = (director: Director) =>
      system.prepare(director, { serversToo: failure.serversToo === true })
    this.#programs = { lb1: prepare('lb1'), lb2: prepare('lb2') }
    // A look costs the guest's one CPU: one of the two sees to the time that is missing.
    const witness = (director: Director, tickMs: number) =>
      new Witness(director, { tableMs: 4, tickMs }, (entry) => this.#entries[director].push(entry))
    this.#witnesses = { lb1: witness('lb1', 1), lb2: witness('lb2', 4) }
    this.#adverts = new AdvertWitness('client')
    for (const { failure } of [...Object.values(this.#witnesses), this.#adverts]) {
      failure.catch(this.#fail)
    }
  }

  async run(): Promise<Evidence> {
    const places = placesOf(kindOf(this.#failure))
    for (const server of servers) {
      const command = nodeCommand(program('../failover/server.js'), [server])
      const heard = (line: string) => this.#received(line)
      this.#servers.set(server, this.#program(places[server], command, heard))
    }
    const clients = this.#program('client', nodeCommand(program('./clients.js')), (line) => {
      const message = JSON.parse(line) as QueriesMessage<ClientName> | CutMessage
      if (message.type === 'cut') this.#cuts.push(message.at)
      else this.#queries.push(...message.queries)
    })
    const watching = [...Object.values(this.#witnesses), this.#adverts]
    const all = [...watching, ...this.#servers.values(), clients]
    await this.#or(Promise.all(all.map(({ ready }) => ready)))
    await this.#or(this.#startPair())
    clients.order('go')
    this.#times.startedAt = now()
    await this.#or(this.#perform())
    await this.#or(clients.end())
    this.#times.endedAt = now()
    const hopsExceeded = await this.#hopsExceeded()
    const dead = this.#dead
    for (const [name, server] of this.#servers) {
      if (name !== dead?.server) await server.end()
    }
    for (const director of directors) await this.stop(director, 'SIGKILL')
    for (const witness of Object.values(this.#witnesses)) await witness.stop()
    return {
      system: this.#system.name,
      failure: this.#failure.name,
      ...this.#times,
      adverts: this.#adverts.adverts,
      tables: this.#entries,
      queries: this.#queries,
      cuts: this.#cuts,
      ...(dead && { dead }),
      twice: this.#twice,
      hopsExceeded,
      output: this.#output,
    }
  }

  /** lb1 becomes the master, and lb2 finds it there. */
  async #startPair(): Promise<void> {
    await this.start('lb1')
    await this.masterIs('lb1')
    await this.start('lb2')
    for (const director of directors) {
      const full = () => this.#isFull(director)
      if (await this.#witnesses[director].until(full, startMs)) continue
      throw new Error(`The table of ${director} is not full after ${startMs} ms. ${this.#said()}`)
    }
  }

  async #perform(): Promise<void> {
    await this.#witnesses.lb1.time(steadyMs)
    await this.#advertOf('lb1')
    await sleep(afterAdvertMs)
    this.#times.beganAt = this.#times.failedAt = this.#times.overAt = now()
    await this.#failure.play(this)
  }

  /** Every server is in both services. */
  #isFull(director: Director): boolean {
    const members = membersOf(this.#witnesses[director].table)
    return protocols.every((protocol) => members[protocol].length === servers.length)
  }

  async #advertOf(director: Director): Promise<void> {
    const { adverts } = this.#adverts
    const before = adverts.length
    const come = () =>
      adverts.slice(before).some(({ from, priority }) => from === pair[director] && priority > 0)
    if (await this.#witnesses.lb1.until(come, startMs)) return
    throw new Error(`${director} does not say that it is the master. ${this.#said()}`)
  }

  /** Packets that went round until their hops were used up. */
  async #hopsExceeded(): Promise<number> {
    let sum = 0
    for (const director of directors) {
      const text = await runIn(director, ['cat', '/proc/net/snmp'])
      const [names = '', values = ''] = text.split('\n').filter((line) => line.startsWith('Icmp:'))
      sum += Number(values.split(' ')[names.split(' ').indexOf('OutTimeExcds')])
    }
    return sum
  }

  #received(line: string): void {
    if (!line.startsWith('{')) return
    const { twice } = JSON.parse(line) as ReceivedMessage
    this.#twice += twice
  }

  #program(namespace: string, command: readonly string[], heard?: (line: string) => void): Program {
    const started = new Program(namespace, command, heard)
    started.failure.catch(this.#fail)
    return started
  }

  /** The work, unless some program ends although nobody wanted that. */
  #or<T>(work: Promise<T>): Promise<T> {
    return Promise.race([work, this.#failed])
  }

  #said(): string {
    const running = [...this.#running.entries()].map(([name, { output }]) => `${name}:\n${output}`)
    return `${this.#system.name} has said:\n${this.#output}${running.join('\n')}`
  }

  #startPart(director: Director, part: Part): void {
    const command = this.#programs[director][part]
    if (command && !this.#running.has(`${director} ${part}`))
      this.#running.set(`${director} ${part}`, this.#program(director, command))
  }

  async #endPart(director: Director, part: Part, how: NodeJS.Signals): Promise<void> {
    const name = `${director} ${part}`
    const running = this.#running.get(name)
    if (running === undefined) return
    await running.end(how)
    this.#running.delete(name)
    this.#output += `${name}:\n${running.output}`
  }

  // --- what a failure can do

  async stop(director: Director, how: 'SIGTERM' | 'SIGKILL'): Promise<void> {
    // Both at once, as a machine that goes down does it.
    await Promise.all([
      this.#endPart(director, 'vrrp', how),
      this.#endPart(director, 'controller', how),
    ])
  }

  async start(director: Director): Promise<void> {
    const { before } = this.#programs[director]
    // Services that are there already are an error that an init script does not mind.
    if (before) await runIn(director, before).catch(() => {})
    this.#startPart(director, 'vrrp')
    this.#startPart(director, 'controller')
  }

  resign(director: Director): Promise<void> {
    return this.#endPart(director, 'vrrp', 'SIGTERM')
  }

  async killController(director: Director): Promise<void> {
    const { checkers } = this.#programs[director]
    if (checkers !== undefined) {
      process.kill(Number(readFileSync(checkers, 'utf8')), 'SIGKILL')
      return
    }
    await this.#endPart(director, 'controller', 'SIGKILL')
    this.#startPart(director, 'controller')
  }

  async restartController(director: Director): Promise<void> {
    if (this.#programs[director].controller === undefined) {
      await this.stop(director, 'SIGTERM')
      await this.start(director)
      return
    }
    await this.#endPart(director, 'controller', 'SIGTERM')
    this.#startPart(director, 'controller')
  }

  link(director: Director, state: 'up' | 'down'): Promise<void> {
    return setLink(director, state)
  }

  split(state: 'on' | 'off'): Promise<void> {
    return splitPair(state)
  }

  async leadClients(director: Director): Promise<void> {
    const link = await run('ip', ['-n', director, '-json', 'link', 'show', 'eth0'])
    const [{ address }] = JSON.parse(link) as [{ address: string }]
    await ip('client', [`neighbour replace ${vip} lladdr ${address} dev eth0 nud stale`])
  }

  masterIs(director: Director): Promise<void> {
    return this.#advertOf(director)
  }

  async serverDies(): Promise<void> {
    const server = servers[1]!
    this.#dead = { server, from: now() }
    await this.#servers.get(server)!.end('SIGKILL')
    const isOut = () =>
      directors.every((director) => {
        const members = membersOf(this.#witnesses[director].table)
        return protocols.every((protocol) => !members[protocol].includes(server))
      })
    await this.#witnesses.lb1.until(isOut, detectedMs)
    // Its connections are others' by now, and those have to be synced, too.
    await this.#witnesses.lb1.time(steadyMs)
    await this.#advertOf('lb1')
    await sleep(afterAdvertMs)
  }

  begin(): void {
    this.#times.failedAt = now()
  }

  over(): void {
    this.#times.overAt = now()
  }
}
