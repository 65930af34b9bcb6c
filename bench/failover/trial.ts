// Plays one failure under one system: a network of its own, everybody started anew, and what was seen from outside.
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { endAll, runIn } from '../../lab/network/namespaces.js'
import { nodeCommand, Program } from '../../lab/network/program.js'
import {
  buildNetwork,
  removeNetwork,
  type Server,
  servers,
  setLink,
} from '../../lab/network/three-servers.js'
import type { ClientName } from '../../lab/traffic/client-names.js'
import { now } from '../../lab/traffic/messages.js'
import type { QueriesMessage, Query } from '../../lab/traffic/queries.js'
import type { WitnessEntry } from '../../lab/witness/entries.js'
import { membersOf, type Protocol, protocols } from '../../lab/witness/members.js'
import { Witness } from '../../lab/witness/witness.js'
import type { Dead, Evidence } from './evidence.js'
import type { Failure, FailureName, Stage } from './failures.js'
import type { System } from './systems.js'

/** The systems' checks come once a second. */
const halfIntervalMs = 500
/** From the first query to the failure: every system has checked every server by then. */
const steadyMs = 2500
/** As long as it takes, but not longer. */
const fullWithinMs = 60_000
const recoveredWithinMs = 5000

const program = (name: string) => fileURLToPath(new URL(name, import.meta.url))

export async function play(
  system: System,
  failure: Failure & { readonly name: FailureName },
): Promise<Evidence> {
  await buildNetwork()
  const trial = new Trial(system, failure)
  try {
    return await trial.run()
  } finally {
    endAll()
    await removeNetwork()
  }
}

class Trial implements Stage {
  readonly #system: System
  readonly #failure: Failure & { readonly name: FailureName }
  readonly #witness: Witness
  readonly #entries: WitnessEntry[] = []
  readonly #servers = new Map<Server, Program>()
  /** For the victim, whichever it will be. */
  readonly #spares = new Map<Server, Program>()
  readonly #queries: Query<ClientName>[] = []
  readonly #dead: Dead[] = []
  #controller!: Program
  #output = ''
  #victim: Server = servers[0]!
  #failedAt = 0
  #fail: (error: Error) => void = () => {}
  /** Rejects when a program ends although nobody wanted that. */
  readonly #failed = new Promise<never>((_, reject) => {
    this.#fail = reject
  })
  readonly #checked = new Map<string, number>()

  constructor(system: System, failure: Failure & { readonly name: FailureName }) {
    this.#system = system
    this.#failure = failure
    this.#failed.catch(() => {})
    this.#witness = new Witness('director', { tableMs: 1, tickMs: 1 }, (entry) =>
      this.#entries.push(entry),
    )
    this.#witness.failure.catch(this.#fail)
  }

  async run(): Promise<Evidence> {
    for (const server of servers) {
      this.#servers.set(server, this.#startServer(server))
      if (this.#failure.spare) this.#spares.set(server, this.#startServer(server, 'closed'))
    }
    const clients = this.#start(
      'client',
      nodeCommand(program('../../lab/traffic/clients.js')),
      (line) => {
        const message = JSON.parse(line) as QueriesMessage<ClientName>
        this.#queries.push(...message.queries)
      },
    )
    const all = [this.#witness, ...this.#servers.values(), ...this.#spares.values(), clients]
    await this.#or(Promise.all(all.map(({ ready }) => ready)))
    await this.startController()
    if (!(await this.#full(fullWithinMs))) {
      throw new Error(`The table is not full after ${fullWithinMs} ms. ${this.#said()}`)
    }
    clients.order('go')
    const startedAt = now()
    const times = await this.#or(this.#perform())
    await clients.end()
    const endedAt = now()
    this.#output += this.#controller.output
    await this.#controller.end('SIGKILL')
    await this.#witness.stop()
    return {
      system: this.#system.name,
      failure: this.#failure.name,
      victim: this.#victim,
      startedAt,
      failedAt: this.#failedAt,
      ...times,
      endedAt,
      dead: this.#dead,
      tables: this.#entries,
      queries: this.#queries,
      output: this.#output,
    }
  }

  async #perform(): Promise<{ restoredAt: number }> {
    await this.#witness.time(steadyMs)
    // The server of the client that keeps its port, which has the most to lose.
    this.#victim =
      (this.#queries.findLast(({ client, server }) => client === 'UDP, one port' && server)
        ?.server as Server | undefined) ?? this.#victim
    await this.#checkOf(this.#victim)
    await sleep(halfIntervalMs)
    this.#failedAt = now()
    await this.#failure.play(this)
    const restoredAt = now()
    if (this.#dead.length > 0) await this.#full(recoveredWithinMs)
    await sleep(halfIntervalMs)
    return { restoredAt }
  }

  /** All systems get their failure at the same point between two checks; where there is no such check, soon. */
  async #checkOf(server: Server): Promise<void> {
    const key = `${server} ${this.#failure.after}`
    const start = performance.now()
    while ((this.#checked.get(key) ?? 0) < start && performance.now() < start + 1500) await sleep(5)
  }

  #startServer(server: Server, ...flags: string[]): Program {
    const heard = (line: string) => {
      const protocol = protocols.find((one) => line === `check ${one}`)
      if (protocol) this.#checked.set(`${server} ${protocol}`, performance.now())
    }
    return this.#start(server, nodeCommand(program('./server.js'), [server, ...flags]), heard)
  }

  #start(namespace: string, command: readonly string[], heard?: (line: string) => void): Program {
    const started = new Program(namespace, command, heard)
    started.failure.catch(this.#fail)
    return started
  }

  /** The work, unless some program ends although nobody wanted that. */
  #or<T>(work: Promise<T>): Promise<T> {
    return Promise.race([work, this.#failed])
  }

  /** Every server is in both services. */
  #full(limitMs: number): Promise<boolean> {
    return this.#witness.until(() => {
      const members = membersOf(this.#witness.table)
      return protocols.every((protocol) => members[protocol].length === servers.length)
    }, limitMs)
  }

  #said(): string {
    return `${this.#system.name} has said:\n${this.#output}${this.#controller.output}`
  }

  // --- what a failure can do

  get #server(): Program {
    return this.#servers.get(this.#victim)!
  }

  order(...words: string[]): void {
    for (const word of words) this.#server.order(word)
  }

  killServer(): Promise<void> {
    return this.#server.end('SIGKILL')
  }

  startServer(): void {
    this.#servers.set(this.#victim, this.#spares.get(this.#victim)!)
    this.order('tcp-on', 'udp-on')
  }

  signalServer(signal: NodeJS.Signals): void {
    this.#server.signal(signal)
  }

  link(state: 'up' | 'down'): Promise<void> {
    return setLink(this.#victim, state)
  }

  async stopController(how: 'SIGTERM' | 'SIGKILL'): Promise<void> {
    await this.#controller.end(how)
    this.#output += this.#controller.output
  }

  async startController(): Promise<void> {
    const { before, command } = this.#system
    // Services that are there already are an error that an init script does not mind.
    if (before) await runIn('director', before).catch(() => {})
    this.#controller = this.#start('director', command)
  }

  async ipvsadm(...words: string[]): Promise<void> {
    await runIn('director', ['ipvsadm', ...words])
  }

  dead(...dead: Protocol[]): void {
    const from = now()
    for (const protocol of dead) {
      this.#dead.push({ protocol, from, to: Number.POSITIVE_INFINITY })
    }
  }

  alive(): void {
    const to = now()
    for (const [index, spell] of this.#dead.entries()) {
      if (spell.to > to) this.#dead[index] = { ...spell, to }
    }
  }

  begin(): void {
    this.#failedAt = now()
  }
}
