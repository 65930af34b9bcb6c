// Plays one scenario: builds the network, starts everybody, lets things happen one after the other, and returns what was
// seen from outside.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import type { MirroredPoolOptions } from 'ipvs'
import { compiled } from '../../lab/checkout.js'
import { endAll, runIn, set } from '../../lab/network/namespaces.js'
import { nodeCommand, Program } from '../../lab/network/program.js'
import { now } from '../../lab/traffic/messages.js'
import type { Query } from '../../lab/traffic/queries.js'
import type { Steal } from '../../lab/witness/steal.js'
import { Witness } from '../../lab/witness/witness.js'
import { STRACE } from '../kernel/strace.js'
import {
  type Break,
  type Client,
  type Done,
  type Message,
  type Stream,
  streams,
} from './messages.js'
import {
  buildNetwork,
  listensAt,
  mark,
  planOf,
  port,
  removeNetwork,
  type Server,
  servers,
} from './network.js'
import { type Action, limit, type Scenario } from './scenarios.js'
import { mutatingMessages } from './sent.js'

/** Between a server's death and the word to the pool: what a health check takes. */
const detectionMs = 300
const drainMs = 2500
const readyMs = 60_000

export interface Pace {
  /** How long each phase goes on after the promise has resolved: in stories, and where one thing happens only. */
  readonly storyMs: number
  readonly singleMs: number
}

/** From one action to the next. What is asked in it belongs to it. */
export interface Phase {
  readonly action: Action
  /** With which something happens; not with `steady` and `restart`. */
  readonly server: Server | undefined
  readonly from: number
  readonly startedAt: number
  readonly resolvedAt: number
  readonly to: number
  readonly warnings: readonly string[]
  /** Who answered each stream before it began. */
  readonly streamsOn: Readonly<Record<Stream, string | undefined>>
  readonly note: string
}

export interface Evidence {
  readonly scenario: Scenario
  readonly phases: readonly Phase[]
  readonly queries: readonly Query<Client>[]
  readonly breaks: readonly Break[]
  readonly steal: Steal
  /** Why the pool was not opened. */
  readonly refused?: string
  /** What the restarted controller sent that could change something, by strace. */
  readonly sent?: readonly number[]
}

/** @param sabotage takes back what the pool has set in the kernel: has to be noticed */
export async function play(scenario: Scenario, pace: Pace, sabotage = false): Promise<Evidence> {
  await buildNetwork(scenario)
  await prepareKernel(scenario)
  const play = new Play(scenario, pace, sabotage)
  try {
    return await play.run()
  } finally {
    play.end()
    await removeNetwork()
  }
}

async function prepareKernel(scenario: Scenario): Promise<void> {
  const { sysctls = {}, udpTimeoutSeconds } = scenario
  const lines = Object.entries(sysctls).map(([name, value]) => `echo ${value} >vs/${name}`)
  await set('director', lines.join('; '))
  const ipvsadm = (words: string[]) => runIn('director', ['ipvsadm', ...words])
  if (udpTimeoutSeconds !== undefined) await ipvsadm(['--set', '0', '0', `${udpTimeoutSeconds}`])
  if (sysctls.conntrack === 1) {
    // Connections are tracked where something needs it: a netfilter rule, or FTP behind masquerading.
    const { vip, servers } = planOf(scenario)
    await ipvsadm(['-A', '-t', `${vip}:21`])
    await ipvsadm(['-a', '-t', `${vip}:21`, '-r', `${servers.s1}:21`, '-m'])
  }
}

class Play {
  readonly #scenario: Scenario
  readonly #pace: Pace
  readonly #sabotage: boolean
  readonly #folder = mkdtempSync(path.join(tmpdir(), 'ipvs-dataplane-'))
  readonly #programs: Program[] = []
  /** What answers in each. */
  readonly #servers = new Map<Server, Program[]>()
  #director!: Program
  #warnings: readonly string[] = []
  readonly #phases: Phase[] = []
  readonly #queries: Query<Client>[] = []
  readonly #witness = new Witness('director', { tableMs: 0, tickMs: 5 })
  readonly #breaks: Break[] = []
  #refused: string | undefined
  #onDone: (done: Done) => void = () => {}
  readonly #weights = new Map<Server, number>()
  #fail: (error: Error) => void = () => {}
  /** Rejects when a program ends although nobody told it to. */
  readonly #failed = new Promise<never>((_, reject) => {
    this.#fail = reject
  })

  constructor(scenario: Scenario, pace: Pace, sabotage: boolean) {
    this.#scenario = scenario
    this.#pace = pace
    this.#sabotage = sabotage
    this.#failed.catch(() => {})
    this.#witness.failure.catch(this.#fail)
  }

  async run(): Promise<Evidence> {
    const { streams: kind = 'tcp' } = this.#scenario
    for (const server of servers) {
      const flags = [server, listensAt(server, this.#scenario)]
      const programs = [this.#start('server', server, flags)]
      if (kind === 'sctp') {
        programs.push(this.#run(server, [compiled('sctp'), 'serve', ...flags, `${port}`]))
      }
      this.#servers.set(server, programs)
    }
    const traffic = this.#start('traffic', 'client', [planOf(this.#scenario).vip, kind])
    this.#director = this.#startDirector()
    const all = [this.#witness, ...this.#programs]
    await Promise.race([Promise.all(all.map(({ ready }) => ready)), this.#failed])
    if (this.#refused === undefined) {
      traffic.order('go')
      await Promise.race([this.#perform(), this.#failed])
    }
    // The client first: it waits for what it has asked.
    for (const program of [traffic, this.#director, ...[...this.#servers.values()].flat()]) {
      await program.end()
    }
    await this.#witness.stop()
    const restarted = this.#phases.some(({ action }) => action === 'restart')
    return {
      scenario: this.#scenario,
      phases: this.#phases,
      queries: this.#queries,
      breaks: this.#breaks,
      steal: this.#witness.steal,
      ...(this.#refused !== undefined && { refused: this.#refused }),
      ...(restarted && { sent: mutatingMessages(readFileSync(this.#trace, 'utf8')) }),
    }
  }

  end(): void {
    endAll()
    rmSync(this.#folder, { recursive: true, force: true })
  }

  get #trace(): string {
    return path.join(this.#folder, 'trace')
  }

  async #perform(): Promise<void> {
    const clients = [...streams, 'UDP, one port'] as const
    const answered = () => clients.every((client) => this.#lastServer(client) !== undefined)
    if (!(await this.#witness.until(answered, readyMs))) {
      throw new Error('Not every client gets answers.')
    }
    this.#warnings = (await this.#do('look')).warnings
    if (this.#scenario.sysctls?.conntrack === 1) {
      // Without it the scenario would show nothing.
      await set('director', 'test "$(cat ../netfilter/nf_conntrack_count)" -gt 0')
    }
    if (this.#sabotage) await set('director', 'echo 0 >vs/expire_nodest_conn')
    const { actions } = this.#scenario
    for (const action of this.#sabotage ? actions.slice(0, 1) : actions) await this.#phase(action)
  }

  async #phase(action: Action): Promise<void> {
    const from = this.#phases.at(-1)?.to ?? now()
    // What is in flight when it happens was asked in this phase, not in the one before.
    await sleep(100)
    const server = this.#serverFor(action)
    const streamsOn = {
      'stream 1': this.#lastServer('stream 1'),
      'stream 2': this.#lastServer('stream 2'),
    }
    const { startedAt, resolvedAt, warnings, note } = await this.#act(action, server)
    this.#warnings = warnings
    const single = this.#scenario.actions.length === 1
    await this.#witness.time(single ? this.#pace.singleMs : this.#pace.storyMs)
    const to = now()
    const times = { from, startedAt, resolvedAt, to }
    this.#phases.push({ action, server, ...times, warnings, streamsOn, note })
  }

  /**
   * Things happen to the server that has the client with one port, which has the most to lose; where that one has both,
   * to the server with the first TCP stream.
   */
  #serverFor(action: Action): Server | undefined {
    if (action === 'steady' || action === 'restart') return undefined
    if (action === 'recover' || action === 'ready') return this.#phases.at(-1)?.server
    const limited = this.#phases.find(({ action }) => action === 'limit')
    if (limited !== undefined) return limited.server
    const lately = this.#queries.filter(({ client }) => client === 'UDP, one port').slice(-20)
    const spread = servers.every((name) => lately.some(({ server }) => server === name))
    return this.#lastServer(spread ? 'stream 1' : 'UDP, one port') as Server
  }

  async #act(action: Action, server: Server | undefined): Promise<Omit<Done, 'type' | 'order'>> {
    if (action === 'steady') {
      const at = now()
      return { startedAt: at, resolvedAt: at, warnings: this.#warnings, note: '' }
    }
    if (action === 'restart') return this.#restart()
    const address = planOf(this.#scenario).servers[server!]
    if (action === 'fail') {
      this.#order(server!, 'mute')
      await sleep(detectionMs)
      return this.#do(`down ${address}`)
    }
    if (action === 'recover') {
      this.#order(server!, 'unmute')
      await sleep(50)
      return this.#do(`up ${address}`)
    }
    if (action === 'drain') return this.#do(`drain ${address} ${drainMs}`)
    if (action === 're-add') return this.#do(`readd ${address}`)
    if (action === 'weight') {
      this.#weights.set(server!, 3)
      return this.#do(`weight ${address} 3`)
    }
    if (action === 'limit') {
      return this.#do(`limit ${address} ${limit.upperThreshold} ${limit.lowerThreshold}`)
    }
    return this.#do(`${action} ${address}`)
  }

  #order(server: Server, order: 'mute' | 'unmute'): void {
    for (const program of this.#servers.get(server)!) program.order(order)
  }

  async #restart(): Promise<Omit<Done, 'type' | 'order'>> {
    const startedAt = now()
    await this.#director.end()
    this.#director = this.#startDirector([...STRACE, '-e', 'trace=network', '-o', this.#trace])
    await this.#director.ready
    return { ...(await this.#do('reconcile')), startedAt }
  }

  /** Gives the director an order, and waits until it has been carried out. */
  #do(order: string): Promise<Done> {
    return new Promise((resolve) => {
      this.#onDone = resolve
      this.#director.order(order)
    })
  }

  #startDirector(under: readonly string[] = []): Program {
    const {
      pool,
      forwarding,
      family,
      marked,
      streams: kind = 'tcp',
      upperThreshold,
    } = this.#scenario
    const plan = planOf(this.#scenario)
    const options = {
      ...pool,
      // Its next look would mend what is taken back.
      ...(this.#sabotage && { reconcileIntervalMs: 0 }),
      fronts: [
        marked ? { fwmark: mark, family } : { address: plan.vip, port, protocols: [kind, 'udp'] },
      ],
      forwarding,
      servers: servers.map((server) => ({
        address: plan.servers[server],
        weight: this.#weights.get(server) ?? 1,
        upperThreshold,
      })),
    } satisfies MirroredPoolOptions
    return this.#start('director', 'director', [JSON.stringify(options)], under)
  }

  #start(
    program: string,
    namespace: string,
    flags: string[],
    under: readonly string[] = [],
  ): Program {
    const file = fileURLToPath(new URL(`./${program}.js`, import.meta.url))
    return this.#run(namespace, nodeCommand(file, flags, under))
  }

  #run(namespace: string, command: readonly string[]): Program {
    const started = new Program(namespace, command, (line) =>
      this.#take(JSON.parse(line) as Message),
    )
    this.#programs.push(started)
    started.failure.catch(this.#fail)
    return started
  }

  #take(message: Message): void {
    if (message.type === 'queries') this.#queries.push(...message.queries)
    else if (message.type === 'break') this.#breaks.push(message)
    else if (message.type === 'done') this.#onDone(message)
    else if (message.type === 'refused') this.#refused = message.text
  }

  #lastServer(client: Query['client']): string | undefined {
    return this.#queries.findLast((query) => query.client === client && query.server !== undefined)
      ?.server
  }
}
