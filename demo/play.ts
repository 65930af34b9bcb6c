// The play itself, inside the kernel that has IPVS: builds the network, starts everybody, lets
// servers fail and recover, and has the report written. Its argument is the plan of main.ts.
import type { ChildProcess } from 'node:child_process'
import { constants } from 'node:os'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { exitStatus, printJson } from '../lab/command.js'
import { endAll, endGroup, runIn } from '../lab/network/namespaces.js'
import { nodeCommand, Program } from '../lab/network/program.js'
import { buildNetwork, type Server, servers, setLink } from '../lab/network/three-servers.js'
import type { ClientName } from '../lab/traffic/client-names.js'
import { startDnsmasq } from '../lab/traffic/dnsmasq.js'
import { now } from '../lab/traffic/messages.js'
import type { Query } from '../lab/traffic/queries.js'
import { membersOf, membersOver, protocols } from '../lab/witness/members.js'
import { Witness } from '../lab/witness/witness.js'
import type { ControllerMessage, Message } from './messages.js'
import { type Pace, paceOf } from './pace.js'
import { failureJson, printSummary, resultJson, Timeline } from './report.js'
import { judge, type Phase } from './verdict.js'

export interface Plan {
  readonly json: boolean
  readonly sabotage: boolean
  /** How long each phase goes on after its flip. */
  readonly seconds: number
  readonly color: boolean
  /** By the host's clock. */
  readonly startedAt: number
}

/** How often the witness looks at the table and at the clock. */
const looks = { tableMs: 2, tickMs: 2 }
/** The director has opened its pool and has checked all servers; a machine that needs longer is stuck. */
const readyMs = 60_000

const plan: Plan = JSON.parse(process.argv[2]!)
const people = plan.json ? process.stderr : process.stdout
const timeline = new Timeline((text) => people.write(text), plan.color)

const phases: Phase[] = []
const queries: Query<ClientName>[] = []
const controller: ControllerMessage[] = []
let perSecond: number | undefined
let pace: Pace
let witness: Witness
/** Programs of build/tools. */
const file = (name: string) => fileURLToPath(new URL(name, import.meta.url))
const dnsmasq = new Map<Server, ChildProcess>()

// ^C on a host's own kernel: the programs are in groups of their own and do not get it.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.on(signal, () => leave(128 + constants.signals[signal]))
}
try {
  leave(await play())
} catch (error) {
  timeline.end()
  const message = error instanceof Error ? error.message : String(error)
  process.stderr.write(`demo: ${message}\n`)
  printJson(failureJson(message), plan.json)
  leave(exitStatus.failed)
}

/** At once: whatever is still open does not matter any more. What was written has been (pipes are synchronous). */
function leave(status: number): never {
  endAll()
  process.exit(status)
}

async function play(): Promise<number> {
  const bootSeconds = (Date.now() - plan.startedAt) / 1000
  timeline.say(`The kernel and Node are up (${bootSeconds.toFixed(1)} s). Building the network:`)
  timeline.say('  a client, a director and three servers, each a namespace on one bridge.')
  await buildNetwork()
  timeline.say('Starting dnsmasq on dns1, dns2 and dns3.')
  for (const server of servers) dnsmasq.set(server, await startDnsmasq(server))
  const clients = start('client', nodeCommand(file('../lab/traffic/clients.js')))
  await or(clients.ready, clients)
  pace = await calibrate(clients)
  timeline.begin('start: the director (pool and health checks), the witness and the clients start')
  witness = new Witness('director', looks, (entry) => timeline.table(entry))
  const flags = [JSON.stringify(pace), ...(plan.sabotage ? ['sabotage'] : [])]
  const director = start('director', nodeCommand(file('./director.js'), flags))
  await or(perform(clients, director), clients, director, witness)
  const end = await witness.stop()

  const ipvsadm = await runIn('director', ['ipvsadm', '-Ln'])
  const { steal } = witness
  const tables = membersOver(witness.tables)
  const dwellMs = dwell()
  const verdict = judge({ phases, tables, end, queries, controller, ipvsadm, steal, pace, dwellMs })
  timeline.end()
  people.write(printSummary(verdict, { ipvsadm, end, start: timeline.start, color: plan.color }))
  printJson(resultJson(verdict, timeline.start), plan.json)
  return exitStatus[verdict.outcome]
}

function start(namespace: string, command: readonly string[]): Program {
  return new Program(namespace, command, (line) => take(JSON.parse(line) as Message))
}

/** The work, unless one of them ends although nobody told it to. */
function or<T>(work: Promise<T>, ...those: readonly { failure: Promise<never> }[]): Promise<T> {
  return Promise.race([work, ...those.map(({ failure }) => failure)])
}

/** A second of queries: how fast is this machine now? */
async function calibrate(clients: Program): Promise<Pace> {
  clients.order('calibrate')
  while (perSecond === undefined) await or(sleep(20), clients)
  const found = paceOf(perSecond)
  const times = `${found.slowness.toFixed(1)} times as long as on a quiet machine`
  timeline.say(
    `Calibrated: ${Math.round(perSecond)} queries a second, one after the other. ` +
      (found.slowness === 1 ? 'That is quick enough.' : `Intervals and time limits are ${times}.`),
  )
  return found
}

/** The slower the machine, the fewer the queries: for as many, a phase lasts longer. */
function dwell(): number {
  return plan.seconds * 1000 * Math.min(3, pace.slowness)
}

async function perform(clients: Program, director: Program): Promise<void> {
  await Promise.all([witness.ready, director.ready])
  if (!(await witness.until(() => servers.every((server) => holds(server, 'up')), readyMs))) {
    const said = controller.map(({ event, text, server = '' }) => `  ${event} ${server} ${text}\n`)
    throw new Error(
      `The director is ready, but IPVS does not hold all three servers on TCP and UDP. It said:\n${said.join('')}`,
    )
  }
  clients.order(`go ${1 / pace.slowness}`)
  timeline.askingBegins()
  await phase('steady', 'three servers answer on TCP and UDP')
  await phase('dns2 killed', 'kill -9 of dnsmasq on dns2', 'dns2', 'down', async () => {
    endGroup(dnsmasq.get('dns2')!)
  })
  await phase('dns2 back', 'dnsmasq on dns2 is started again', 'dns2', 'up', async () => {
    dnsmasq.set('dns2', await startDnsmasq('dns2'))
  })
  await phase('dns3 unplugged', 'the link of dns3 goes down', 'dns3', 'down', () =>
    setLink('dns3', 'down'),
  )
  await phase('dns3 plugged in', 'the link of dns3 comes up again', 'dns3', 'up', () =>
    setLink('dns3', 'up'),
  )
  await phase('end', 'nothing more happens')

  // The clients first: they wait for what they have asked.
  await clients.end()
  await director.end()
}

async function phase(
  name: string,
  text: string,
  server?: Server,
  to?: 'up' | 'down',
  act?: () => Promise<void>,
): Promise<void> {
  // Without a gap: no query is to fall between two phases.
  const from = phases.at(-1)?.to ?? now()
  timeline.phase(from, name, text)
  let expected: Phase['expected']
  if (server !== undefined && to !== undefined && act !== undefined) {
    const causeAt = now()
    await act()
    expected = { server, to, causeAt }
    if (!(await witness.until(() => holds(server, to), pace.flipLimitMs))) {
      timeline.line(now(), `${server} is not ${to} on both protocols: no longer waited for`)
    }
  }
  await witness.time(dwell())
  phases.push({ name, from, to: now(), ...(expected && { expected }) })
}

/** Does IPVS hold the server in this state, on both protocols? */
function holds(server: Server, state: 'up' | 'down'): boolean {
  const members = membersOf(witness.table)
  return protocols.every((protocol) => members[protocol].includes(server) === (state === 'up'))
}

function take(message: Message): void {
  if (message.type === 'queries') {
    timeline.queries(message.queries)
    queries.push(...message.queries)
  } else if (message.type === 'controller') {
    timeline.controller(message)
    controller.push(message)
  } else perSecond = message.perSecond
}
