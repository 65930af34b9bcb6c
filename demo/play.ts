// The play itself, inside the kernel that has IPVS: builds the network, starts everybody, lets
// servers fail and recover, and has the report written.
import type { ChildProcess } from 'node:child_process'
import { constants } from 'node:os'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import {
  buildNetwork,
  endAll,
  endGroup,
  run,
  type Server,
  servers,
  setLink,
  startServer,
} from '../lab/network/three-servers.js'
import { Actor } from '../lab/traffic/actor.js'
import {
  type ControllerMessage,
  type Message,
  now,
  type Query,
  type SamplerEndMessage,
  type TableMessage,
} from '../lab/traffic/messages.js'
import { failureLine, printSummary, resultLine, Timeline } from './report.js'
import { judge, type Phase } from './verdict.js'

const { values: options } = parseArgs({
  options: {
    json: { type: 'boolean', default: false },
    sabotage: { type: 'boolean', default: false },
    seconds: { type: 'string', default: '3' },
  },
})
const dwellMs = Number(options.seconds) * 1000
/** A flip that has not come after this does not come any more. */
const flipLimitMs = 8000

const people = options.json ? process.stderr : process.stdout
const timeline = new Timeline((text) => people.write(text))

const phases: Phase[] = []
const tables: TableMessage[] = []
const queries: Query[] = []
const controller: ControllerMessage[] = []
let samplerEnd: SamplerEndMessage | undefined
const dnsmasq = new Map<Server, ChildProcess>()

// ^C on a host's own kernel: the actors are in groups of their own and do not get it.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.on(signal, () => leave(128 + constants.signals[signal]))
}
try {
  leave(await play())
} catch (error) {
  timeline.end()
  const message = error instanceof Error ? error.message : String(error)
  process.stderr.write(`demo: ${message}\n`)
  if (options.json) process.stdout.write(`${failureLine(message)}\n`)
  leave(1)
}

/** At once: whatever is still open does not matter any more. What was written has been (pipes are synchronous). */
function leave(status: number): never {
  endAll()
  process.exit(status)
}

async function play(): Promise<number> {
  const bootSeconds = (Date.now() - Number(process.env.DEMO_STARTED)) / 1000
  timeline.say(`The kernel and Node are up (${bootSeconds.toFixed(1)} s). Building the network:`)
  timeline.say('  a client, a director and three servers, each a namespace on one bridge.')
  await buildNetwork()
  timeline.say('Starting dnsmasq on dns1, dns2 and dns3.')
  for (const server of servers) dnsmasq.set(server, await startServer(server))
  timeline.begin('start: the director (pool and health checks), the sampler and the clients start')
  const actors: Actors = {
    sampler: actor('sampler', 'director'),
    clients: actor('clients', 'client'),
    director: actor('director', 'director', options.sabotage ? ['--sabotage'] : []),
  }
  const failed = Promise.race(
    [actors.sampler, actors.clients, actors.director].map(({ failure }) => failure),
  )
  await Promise.race([perform(actors), failed])
  if (samplerEnd === undefined) throw new Error('The sampler has ended without its last word.')

  const ipvsadm = await run('ip', ['netns', 'exec', 'director', 'ipvsadm', '-Ln'])
  const verdict = judge({ phases, tables, samplerEnd, queries, controller, ipvsadm })
  timeline.end()
  people.write(printSummary(verdict, { ipvsadm, samplerEnd, start: timeline.start }))
  if (options.json) process.stdout.write(`${resultLine(verdict, timeline.start)}\n`)
  return verdict.problems.length === 0 ? 0 : 1
}

interface Actors {
  readonly sampler: Actor<Message>
  readonly clients: Actor<Message>
  readonly director: Actor<Message>
}

function actor(program: string, namespace: string, flags: string[] = []): Actor<Message> {
  return new Actor<Message>(new URL(`./${program}.js`, import.meta.url), namespace, flags, take)
}

async function perform({ sampler, clients, director }: Actors): Promise<void> {
  await Promise.all([sampler.ready, clients.ready, director.ready])
  if (!(await until(() => servers.every((server) => holds(server, 'up')), flipLimitMs))) {
    const said = controller.map(({ event, text, server = '' }) => `  ${event} ${server} ${text}\n`)
    throw new Error(
      `The director is ready, but IPVS does not hold all three servers on TCP and UDP. It said:\n${said.join('')}`,
    )
  }
  clients.order('go')
  timeline.askingBegins()
  await phase('steady', 'three servers answer on TCP and UDP')
  await phase('dns2 killed', 'kill -9 of dnsmasq on dns2', 'dns2', 'down', async () => {
    endGroup(dnsmasq.get('dns2')!)
  })
  await phase('dns2 back', 'dnsmasq on dns2 is started again', 'dns2', 'up', async () => {
    dnsmasq.set('dns2', await startServer('dns2'))
  })
  await phase('dns3 unplugged', 'the link of dns3 goes down', 'dns3', 'down', () =>
    setLink('dns3', 'down'),
  )
  await phase('dns3 plugged in', 'the link of dns3 comes up again', 'dns3', 'up', () =>
    setLink('dns3', 'up'),
  )
  await phase('end', 'nothing more happens')

  // The clients first: they wait for what they have asked.
  await clients.stop()
  await director.stop()
  await sampler.stop()
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
    // What is in flight when it happens was asked in this phase, not in the one before.
    await sleep(50)
    const causeAt = now()
    await act()
    expected = { server, to, causeAt }
    const seen = await until(() => holds(server, to), flipLimitMs)
    if (!seen)
      timeline.line(now(), `${server} is not ${to} on both protocols: no longer waited for`)
  }
  await sleep(dwellMs)
  phases.push({ name, from, to: now(), ...(expected && { expected }) })
}

/** Does IPVS hold the server in this state, on both protocols? */
function holds(server: Server, state: 'up' | 'down'): boolean {
  const table = tables.at(-1)
  const there = state === 'up'
  return table?.tcp.includes(server) === there && table.udp.includes(server) === there
}

async function until(condition: () => boolean, limitMs: number): Promise<boolean> {
  for (const start = now(); !condition(); await sleep(20)) {
    if (now() - start > limitMs) return false
  }
  return true
}

function take(message: Message): void {
  if (message.type === 'table') {
    timeline.table(message)
    tables.push(message)
  } else if (message.type === 'queries') {
    timeline.queries(message.queries)
    queries.push(...message.queries)
  } else if (message.type === 'controller') {
    timeline.controller(message)
    controller.push(message)
  } else if (message.type === 'sampler-end') {
    samplerEnd = message
  }
}
