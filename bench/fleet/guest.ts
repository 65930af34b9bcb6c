// Inside the kernel that has IPVS: the network, the programs, one failure after the other, and what the clients have lost.
import { writeFileSync } from 'node:fs'
import { setTimeout as pause } from 'node:timers/promises'
import { EtcdClient, Ipvs } from 'ipvs'
import { endAll, runIn } from '../../lab/network/namespaces.js'
import { nodeCommand, Program } from '../../lab/network/program.js'
import { now } from '../../lab/traffic/messages.js'
import {
  buildNetwork,
  type DirectorName,
  directors,
  sendTo,
  setPartition,
  setReach,
} from './network.js'
import {
  etcdUrl,
  ipvsCommand,
  poolAddress,
  poolCount,
  poolName,
  poolPort,
  prepare,
  serverAddress,
  serversPerPool,
  startBird,
  startDirector,
  startEtcd,
  startRouter,
} from './programs.js'
import type { Outcome, Row } from './verdict.js'

export interface Plan {
  readonly file: string
  /** A folder. */
  readonly logs: string
}

const plan: Plan = JSON.parse(process.argv[2]!)
const here = (name: string) => new URL(`./${name}.js`, import.meta.url).pathname
const patienceMs = 60_000
const changeCount = 100
const flowCount = 10_000
/** Its flows are compared. */
const flowPool = 10
/** What is changed while nobody fails. */
const vip = '192.0.2.53'
const dnsServers = ['10.1.0.1', '10.1.0.2', '10.1.0.3']
const queriesPerSecond = 20

const problems: string[] = []
/** Those before are known to the kernels still. */
let firstFlow = 0
const rows: Row[] = []
const programs = new Map<string, Program>()
const etcd = new EtcdClient({ endpoints: [etcdUrl], timeoutMs: 2000 })
const kernels = new Map<DirectorName, Ipvs>()

function say(text: string): void {
  process.stderr.write(`${text}\n`)
}

function check(holds: boolean, what: string): void {
  if (!holds) problems.push(what)
}

/** When it first holds; undefined if it never does. */
async function until(
  holds: () => boolean | Promise<boolean>,
  what: string,
  everyMs = 2,
): Promise<number | undefined> {
  const end = now() + patienceMs
  while (now() < end) {
    if (await holds()) return now()
    await pause(everyMs)
  }
  problems.push(`${what}: not within ${patienceMs / 1000} s`)
  return undefined
}

// --- what the kernels hold

const serviceOf = (pool: number) => ({
  protocol: 'udp' as const,
  address: poolAddress(pool),
  port: poolPort,
})

async function weights(director: DirectorName, pool: number): Promise<Map<string, number>> {
  const found = await kernels.get(director)!.destinations(serviceOf(pool))
  return new Map(found.map(({ address, weight }) => [address, weight]))
}

const weightOf = async (director: DirectorName, pool: number, server: string) =>
  (await weights(director, pool)).get(server)

const keyOf = (pool: number, server: string) => `ipvs/pools/${poolName(pool)}/${server}`

async function isWhole(director: DirectorName): Promise<boolean> {
  const { services } = await kernels.get(director)!.snapshot()
  const full = services.filter(({ destinations }) => destinations.length === serversPerPool)
  return full.length === 2 * poolCount
}

/** From the writing until the last of these kernels has it. */
async function changeReaches(
  pool: number,
  server: string,
  weight: number,
  whom: readonly DirectorName[] = directors,
): Promise<number> {
  const began = now()
  await etcd.put(keyOf(pool, server), String(weight))
  const at = await Promise.all(
    whom.map((one) =>
      until(
        async () => (await weightOf(one, pool, server)) === weight,
        `${server} of ${poolName(pool)} has weight ${weight} at ${one}`,
      ),
    ),
  )
  return Math.max(...at.map((one) => one ?? Number.POSITIVE_INFINITY)) - began
}

// --- what the router knows

async function readRoute(): Promise<string | undefined> {
  const text = await runIn('router', ['ip', '-4', 'route', 'show', `${vip}/32`])
  return /via (\S+)/.exec(text)?.[1]
}

const routeIs = (wanted: string | undefined) => async () => (await readRoute()) === wanted

// --- clients

const clients = new Map<string, Program>()

async function report(client: Program) {
  const line = await client.ask('report')
  return JSON.parse(line.replace(/^report /, '')) as { asked: number; lost: readonly number[] }
}

/** What every client loses while it runs. It gives the time until all is well, where there is one. */
async function phase(
  failure: string,
  run: () => Promise<number | null>,
  mayLose: readonly string[] = [],
): Promise<void> {
  for (const client of clients.values()) await report(client)
  say(`  ${failure}`)
  const took = await run()
  await pause(1200)
  for (const [name, client] of clients) {
    const { asked, lost } = await report(client)
    rows.push({
      system: 'ipvs',
      failure,
      client: name,
      asked,
      lost: lost.length,
      takeoverMs: took === null ? null : Math.round(took),
    })
    check(
      lost.length === 0 || mayLose.includes(name),
      `${failure}: client ${name} lost ${lost.length} of ${asked}`,
    )
    say(
      `    ${name}: ${lost.length} of ${asked} lost${took === null ? '' : `, ${Math.round(took)} ms`}`,
    )
  }
}

async function ipvs(director: DirectorName, words: readonly string[]): Promise<string> {
  return runIn(director, ipvsCommand(director, words))
}

const startOne = (director: DirectorName) => {
  programs.set(director, startDirector(director))
}

// --- the play

await buildNetwork()
prepare()
try {
  const outcome = await play()
  writeFileSync(plan.file, JSON.stringify(outcome))
} catch (error) {
  for (const [name, program] of programs) say(`--- ${name}\n${program.output.slice(-3000)}`)
  throw error
} finally {
  // What they have said, for whoever asks why.
  for (const [name, { output }] of programs) writeFileSync(`${plan.logs}/${name}.log`, output)
  endAll()
}
process.exit()

async function play(): Promise<Outcome> {
  programs.set('etcd', startEtcd())
  const isUp = async () =>
    etcd.range('ipvs/').then(
      () => true,
      () => false,
    )
  await until(isUp, 'etcd answers', 100)
  say('etcd answers')
  await fill()
  const udp = [1, 2, 3].map((pool) => `${poolAddress(pool)}:${poolPort}`)
  const servers = new Program(
    'servers',
    nodeCommand(here('servers'), [
      JSON.stringify({ udp: [...udp, `${vip}:53`], tcp: dnsServers.map((one) => `${one}:53`) }),
    ]),
  )
  programs.set('servers', servers)
  programs.set('router', startRouter())
  for (const name of directors) programs.set(`${name}-bird`, startBird(name))
  for (const name of directors) {
    kernels.set(name, await Ipvs.open({ netns: name }))
    startOne(name)
  }
  await servers.ready
  for (const name of directors) await until(() => isWhole(name), `${name} holds all pools`, 200)
  say('all three kernels hold all pools')
  await until(routeIs('10.0.0.1'), 'the route leads to d1', 100)
  say('the router has the route')
  for (const [at, name] of directors.entries()) await sendTo(name, poolAddress(at + 1))
  await sendTo('d1', poolAddress(flowPool))
  await startClients()

  const quiet = await changes()
  const first = await maglev('after the start')
  await ofEtcd()
  const compacted = await whileCompacted()
  await partitioned()
  const second = await maglev('after a partition in which servers have gone and come')
  await ofDirectors()
  await ofQuorum()
  await ofVerdicts()
  const fleet = await ipvs('d1', ['state', 'dns', '--fleet', '--no-color'])
  return { rows, changes: { quiet, compacted }, maglev: [first, second], problems, fleet }
}

async function fill(): Promise<void> {
  for (let pool = 1; pool <= poolCount; pool++) {
    await etcd.commit(
      Array.from({ length: serversPerPool }, (_, at) => ({
        key: keyOf(pool, serverAddress(pool, at + 1)),
        value: '1',
      })),
    )
  }
  await etcd.commit(dnsServers.map((server) => ({ key: `ipvs/pools/dns/${server}`, value: '' })))
}

async function startClients(): Promise<void> {
  const targets: [string, string, number][] = [
    ['bgp', vip, 53],
    ...directors.map((name, at): [string, string, number] => [name, poolAddress(at + 1), poolPort]),
  ]
  for (const [name, address, port] of targets) {
    const words = [address, `${port}`, `${queriesPerSecond}`]
    const client = new Program('client', nodeCommand(here('client'), words))
    await client.ready
    clients.set(name, client)
  }
}

async function changes(): Promise<number[]> {
  const all: number[] = []
  await phase('member changes', async () => {
    for (let i = 0; i < changeCount; i++) {
      const pool = 11 + (i % (poolCount - 10))
      all.push(await changeReaches(pool, serverAddress(pool, 1 + (i % serversPerPool)), 2 + i))
      await pause(20)
    }
    return Math.max(...all)
  })
  return all
}

/** Of the flows, those for which all directors have chosen the same server. */
async function maglev(when: string): Promise<Outcome['maglev'][number]> {
  const chosen: Map<string, string>[] = []
  const first = firstFlow
  firstFlow += flowCount
  for (const name of directors) {
    await sendTo(name, poolAddress(flowPool))
    const words = [poolAddress(flowPool), `${poolPort}`, `${first}`, `${flowCount}`]
    const flows = new Program('client', nodeCommand(here('flows'), words))
    await flows.ready
    await flows.end().catch(() => {})
    chosen.push(await connectionsOf(name, first))
  }
  const [one, ...others] = chosen
  const flows = [...one!].filter(([flow]) => others.every((all) => all.has(flow)))
  const same = flows.filter(([flow, server]) => others.every((all) => all.get(flow) === server))
  say(`  maglev ${when}: ${same.length} of ${flows.length}`)
  check(flows.length > 0.99 * flowCount, `maglev ${when}: only ${flows.length} flows arrived`)
  return { when, flows: flows.length, same: same.length }
}

async function connectionsOf(director: DirectorName, first: number): Promise<Map<string, string>> {
  const found = new Map<string, string>()
  const service = poolAddress(flowPool)
  for await (const { client, service: to, destination } of kernels.get(director)!.connections()) {
    const [, , high, low] = client.address.split('.').map(Number)
    const index = (high! << 8) | low!
    if (to.address === service && index >= first)
      found.set(`${client.address}:${client.port}`, destination.address)
  }
  return found
}

async function ofEtcd(): Promise<void> {
  const key = () => 200 + Math.floor(Math.random() * 1_000_000)
  await phase('etcd stopped for 5 s', async () => {
    await programs.get('etcd')!.end('SIGTERM')
    await pause(5000)
    programs.set('etcd', startEtcd())
    return changeAfterStart(key())
  })
  await phase('etcd killed and restarted', async () => {
    await programs.get('etcd')!.end('SIGKILL')
    programs.set('etcd', startEtcd())
    return changeAfterStart(key())
  })
}

/** From etcd's start until a change of every pool, which etcd takes as soon as it can, is in every kernel. */
async function changeAfterStart(weight: number): Promise<number> {
  const began = now()
  const pools = Array.from({ length: poolCount }, (_, at) => at + 1)
  const changes = pools.map((pool) => ({
    key: keyOf(pool, serverAddress(pool, 20)),
    value: String(weight),
  }))
  await until(
    () =>
      etcd.commit(changes).then(
        () => true,
        () => false,
      ),
    'etcd takes a write again',
    50,
  )
  say(`    etcd takes a write ${Math.round(now() - began)} ms after its start`)
  for (const name of directors) {
    for (const pool of pools) {
      const server = serverAddress(pool, 20)
      const isThere = async () => (await weightOf(name, pool, server)) === weight
      await until(isThere, `${name} has caught up with ${poolName(pool)}`, 20)
    }
  }
  return now() - began
}

async function compact(): Promise<void> {
  const { revision } = await etcd.range('ipvs/pools/dns/')
  const answer = await fetch(`${etcdUrl}/v3/kv/compaction`, {
    method: 'POST',
    body: JSON.stringify({ revision: String(revision), physical: true }),
  })
  check(answer.ok, `etcd was not compacted: ${await answer.text()}`)
}

async function whileCompacted(): Promise<number[]> {
  const all: number[] = []
  await phase('etcd compacted', async () => {
    for (let i = 0; i < 20; i++) {
      await compact()
      all.push(await changeReaches(30, serverAddress(30, 1 + i), 500 + i))
    }
    return Math.max(...all)
  })
  return all
}

/** d3 cannot reach etcd, which is compacted meanwhile; servers of the pool of the flows go and come. */
async function partitioned(): Promise<void> {
  const others = ['d1', 'd2'] as const
  await phase('d3 cut off from etcd for 20 s', async () => {
    await setPartition('d3', true)
    const began = now()
    const before = await weights('d3', 40)
    for (let i = 0; i < 20; i++) await changeReaches(40, serverAddress(40, 1 + i), 700 + i, others)
    for (const at of [3, 7, 11]) {
      await etcd.delete(keyOf(flowPool, serverAddress(flowPool, at)))
      for (const name of others) {
        await until(
          async () => !(await weights(name, flowPool)).has(serverAddress(flowPool, at)),
          `${name} has taken a server out`,
        )
      }
      await changeReaches(flowPool, serverAddress(flowPool, at), 1, others)
    }
    await compact()
    check(
      JSON.stringify([...before]) === JSON.stringify([...(await weights('d3', 40))]),
      'd3 did not keep what it had while it was cut off',
    )
    await pause(Math.max(0, began + 20_000 - now()))
    await setPartition('d3', false)
    const healed = now()
    for (let i = 0; i < 20; i++) {
      const server = serverAddress(40, 1 + i)
      await until(async () => (await weightOf('d3', 40, server)) === 700 + i, 'd3 has caught up')
    }
    return now() - healed
  })
}

async function ofDirectors(): Promise<void> {
  await phase('the director of d1 killed, and started again', async () => {
    await programs.get('d1')!.end('SIGKILL')
    await pause(3000)
    check((await readRoute()) === '10.0.0.1', 'the route of a director that was killed has gone')
    startOne('d1')
    await until(
      async () => (await ipvs('d1', ['state', 'dns']).catch(() => '')).includes('announced'),
      'd1 is back',
      200,
    )
    return null
  })
  await phase(
    'the director of d1 told to end (withdraw)',
    async () => {
      const began = now()
      const ended = programs.get('d1')!.end('SIGTERM')
      await until(routeIs('10.0.0.2'), 'the route leads to d2', 5)
      const took = now() - began
      await ended
      return took
    },
    // What leads to d1 whatever happens has nowhere else to go.
    ['d1'],
  )
  await phase('the director of d1 started', async () => {
    const began = now()
    startOne('d1')
    await until(routeIs('10.0.0.1'), 'the route leads to d1 again', 5)
    const took = now() - began
    await until(() => isWhole('d1'), 'd1 holds all pools', 100)
    return took
  }, ['d1'])
}

/** Servers are taken out at one director only, by hand: its quorum is lost. */
async function ofQuorum(): Promise<void> {
  await phase('quorum lost at d1', async () => {
    await ipvs('d1', ['set', `dns/${dnsServers[0]}`, 'maintenance'])
    const [, at] = await Promise.all([
      ipvs('d1', ['set', `dns/${dnsServers[1]}`, 'maintenance']),
      until(async () => (await serversOf('d1')) === dnsServers[2], 'd1 has one server left', 1),
    ])
    await until(routeIs('10.0.0.2'), 'the route leads to d2', 1)
    return now() - (at ?? now())
  })
  await phase('quorum regained at d1, held for 5 s', async () => {
    const began = now()
    for (const server of dnsServers.slice(0, 2)) await ipvs('d1', ['set', `dns/${server}`, 'ready'])
    await until(routeIs('10.0.0.1'), 'the route leads to d1 again', 5)
    return now() - began
  })
}

async function serversOf(director: DirectorName): Promise<string> {
  const found = await kernels
    .get(director)!
    .destinations({ protocol: 'udp', address: vip, port: 53 })
  return found
    .map(({ address }) => address)
    .toSorted()
    .join(' ')
}

async function ofVerdicts(): Promise<void> {
  const all = dnsServers.join(' ')
  const rest = [dnsServers[0], dnsServers[2]].join(' ')
  const network = `${dnsServers[1]}/32`
  // The checks of one director fail, and its packets are lost: but for them everybody would be served.
  await phase('one of three directors finds a server down', async () => {
    await setReach('d3', network, false)
    await until(
      async () => (await ipvs('d3', ['state', 'dns'])).includes('1 of 3 directors say down'),
      'd3 says so',
      200,
    )
    for (const name of directors)
      check((await serversOf(name)) === all, `${name} has taken out what one director finds down`)
    return null
  }, [])
  await phase('a second one finds it down too', async () => {
    const began = now()
    await setReach('d2', network, false)
    for (const name of directors)
      await until(async () => (await serversOf(name)) === rest, `${name} has taken it out`, 5)
    return now() - began
  }, [])
  await phase('and it is back', async () => {
    const began = now()
    for (const name of ['d2', 'd3'] as const) await setReach(name, network, true)
    for (const name of directors)
      await until(async () => (await serversOf(name)) === all, `${name} has it back`, 5)
    return now() - began
  })
  await phase('d3 finds all servers down', async () => {
    await setReach('d3', '10.1.0.0/24', false)
    await until(
      async () =>
        (await ipvs('d3', ['state', 'dns'])).includes('0 of 2 directors say down') ||
        programs.get('d3')!.output.includes('the others are believed'),
      'd3 believes the others',
      200,
    )
    await pause(3000)
    for (const name of directors)
      check((await serversOf(name)) === all, `${name} has not all servers, though two see them`)
    check((await readRoute()) === '10.0.0.1', 'the route has moved')
    await setReach('d3', '10.1.0.0/24', true)
    return null
  })
}
