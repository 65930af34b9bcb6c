// Plays one failure under one system: a network of its own, everybody started anew, and what was seen from outside.
import { readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import {
  addresses,
  buildNetwork,
  endAll,
  port,
  run,
  type Server,
  servers,
  setLink,
  vip,
} from '../../lab/network/three-servers.js'
import { Actor } from '../../lab/traffic/actor.js'
import { type Message, now, type Query } from '../../lab/traffic/messages.js'
import type { WitnessEntry } from '../../test/chaos/logs.js'
import { readTable } from '../../test/chaos/table.js'
import { type Dead, type Evidence, type Protocol, protocols } from './evidence.js'
import type { Failure, FailureName, Stage } from './failures.js'
import { Program } from './program.js'
import type { System } from './systems.js'

const tablesFile = '/tmp/tables.jsonl'
/** The systems' checks come once a second. */
const halfIntervalMs = 500
/** From the first query to the failure: every system has checked every server by then. */
const steadyMs = 2500
/** As long as it takes, but not longer. */
const fullWithinMs = 15_000
const recoveredWithinMs = 5000

const hosts = ['switch', 'client', 'director', ...servers]
const serverProgram = fileURLToPath(new URL('./server.js', import.meta.url))

export async function play(
  system: System,
  failure: Failure & { readonly name: FailureName },
  witness: string,
): Promise<Evidence> {
  await buildNetwork()
  const trial = new Trial(system, failure, witness)
  try {
    return await trial.run()
  } finally {
    endAll()
    await run('ip', ['-force', '-batch', '-'], hosts.map((name) => `netns del ${name}\n`).join(''))
  }
}

class Trial implements Stage {
  readonly #system: System
  readonly #failure: Failure & { readonly name: FailureName }
  readonly #witness: Program
  readonly #servers = new Map<Server, Program>()
  /** For the victim, whichever it will be. */
  readonly #spares = new Map<Server, Program>()
  readonly #queries: Query[] = []
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

  constructor(system: System, failure: Failure & { readonly name: FailureName }, witness: string) {
    this.#system = system
    this.#failure = failure
    this.#failed.catch(() => {})
    this.#witness = this.#start('director', [witness, tablesFile, '1'])
  }

  async run(): Promise<Evidence> {
    for (const server of servers) {
      this.#servers.set(server, this.#startServer(server))
      if (this.#failure.spare) this.#spares.set(server, this.#startServer(server, 'closed'))
    }
    await Promise.race([this.#allSay('ready'), this.#failed])
    const clients = new Actor<Message>(
      new URL('../../lab/traffic/clients.js', import.meta.url),
      'client',
      [],
      (message) => {
        if (message.type === 'queries') this.#queries.push(...message.queries)
      },
    )
    clients.failure.catch(this.#fail)
    await this.startController()
    await Promise.race([clients.ready, this.#failed])
    if (!(await this.#full(fullWithinMs))) {
      throw new Error(`The table is not full after ${fullWithinMs} ms. ${this.#said()}`)
    }
    clients.order('go')
    const startedAt = now()
    const times = await Promise.race([this.#perform(), this.#failed])
    await clients.stop()
    const endedAt = now()
    this.#output += this.#controller.output
    await this.#controller.end('SIGKILL')
    await this.#witness.end('input')
    return {
      system: this.#system.name,
      failure: this.#failure.name,
      victim: this.#victim,
      startedAt,
      failedAt: this.#failedAt,
      ...times,
      endedAt,
      dead: this.#dead,
      tables: readTables(),
      queries: this.#queries,
      output: this.#output,
    }
  }

  async #perform(): Promise<{ restoredAt: number }> {
    await sleep(steadyMs)
    // The server of the client that keeps its port, which has the most to lose.
    this.#victim =
      this.#queries.findLast(({ client, server }) => client === 'UDP, one port' && server)
        ?.server ?? this.#victim
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
    const heard = (text: string) => {
      for (const protocol of protocols) {
        if (!text.includes(`check ${protocol}`)) continue
        this.#checked.set(`${server} ${protocol}`, performance.now())
      }
    }
    return this.#start(server, [process.execPath, serverProgram, server, ...flags], heard)
  }

  #start(namespace: string, command: readonly string[], heard?: (text: string) => void): Program {
    const program = new Program(namespace, command, heard)
    program.failure.catch(this.#fail)
    return program
  }

  async #allSay(text: string): Promise<void> {
    const programs = [this.#witness, ...this.#servers.values(), ...this.#spares.values()]
    for (const program of programs) await program.says(text)
  }

  /** Every server is in both services, as the director's kernel shows it. */
  async #full(limitMs: number): Promise<boolean> {
    const file = `/proc/${this.#witness.pid}/net/ip_vs`
    for (const start = now(); now() < start + limitMs; await sleep(20)) {
      const table = readTable(readFileSync(file, 'utf8').trimEnd().split('\n').slice(3))
      const isFull = protocols.every((protocol) => {
        const found = table.get(`${protocol} ${vip}:${port}`)?.servers
        return servers.every((server) => found?.has(`${addresses[server]}:${port}`))
      })
      if (isFull) return true
    }
    return false
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
    if (before) await run('ip', ['netns', 'exec', 'director', ...before]).catch(() => {})
    this.#controller = this.#start('director', command)
  }

  async ipvsadm(...words: string[]): Promise<void> {
    await run('ip', ['netns', 'exec', 'director', 'ipvsadm', ...words])
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

function readTables(): WitnessEntry[] {
  const lines = readFileSync(tablesFile, 'utf8').trim().split('\n')
  return lines.map((line) => JSON.parse(line) as WitnessEntry)
}
