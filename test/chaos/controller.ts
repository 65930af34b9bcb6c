// controller.js NAMESPACE STATE: the program under test. Keeps two pools as it is told, and may be killed at any moment.
//
// It needs nothing but the state file to go on: the list of servers is in it and so is the word on each of them. It
// opens its pools with `initial: 'adopt'`, so that the opening changes no server, and then says of every server what is
// wanted, all in one turn of the event loop, so that it is one batch.
//
// Commands arrive on stdin, one JSON object a line, and are answered on stdout. The file is always written first: a
// command whose version is in the file already is done when the pools are open.
import { readFileSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { Ipvs, MirroredPool } from 'ipvs'
import {
  type Answer,
  type Command,
  POOLS,
  type PoolName,
  poolOptions,
  type State,
  type Wishes,
} from './pools.js'

const [, , netns, file] = process.argv
const state = JSON.parse(readFileSync(file!, 'utf8')) as State
const lines = createInterface({ input: process.stdin })
const waiting: string[] = []
lines.on('line', (line) => waiting.push(line))
// Whoever started it is gone.
lines.on('close', () => process.exit(0))

const answer = (it: Answer) => process.stdout.write(`${JSON.stringify(it)}\n`)
/** For whoever asks later why. */
const note = (what: string, it: unknown) =>
  process.stderr.write(
    `${(Number(process.hrtime.bigint()) / 1e6).toFixed(1)} ${what} ${tell(it)}\n`,
  )

function tell(it: unknown): string {
  return JSON.stringify(it, (_, value) => (value instanceof Error ? String(value) : value))
}

answer({ opening: state.version })
const ipvs = await Ipvs.open({ netns: netns! })
const opened = POOLS.map(async (pool) => [pool.name, await open(pool.name)] as const)
const pools = Object.fromEntries(await Promise.all(opened)) as Record<PoolName, MirroredPool>
answer({ ready: state.version })
lines.removeAllListeners('line')
for (const line of waiting) obey(line)
lines.on('line', obey)

async function open(name: PoolName): Promise<MirroredPool> {
  const wishes = state.pools[name]
  const options = poolOptions(POOLS.find((it) => it.name === name)!, wishes, state.sabotage)
  const pool = await MirroredPool.open(ipvs, options)
  for (const event of ['drift', 'diverged', 'warning', 'error'] as const) {
    pool.on(event, (it: object) => note(event, it))
  }
  for (;;) {
    const outcomes = await Promise.allSettled(sayAll(pool, wishes))
    const refused = outcomes.find(({ status }) => status === 'rejected')
    if (refused === undefined) return pool
    note('refused', refused)
  }
}

function sayAll(pool: MirroredPool, wishes: Wishes): Promise<void>[] {
  return Object.entries(wishes).flatMap(([server, { healthy, admin }]) => [
    ...(admin === 'ready' ? [] : [pool.setAdmin(server, admin)]),
    healthy ? pool.up(server) : pool.down(server),
  ])
}

async function obey(line: string): Promise<void> {
  const command = JSON.parse(line) as Command
  const { version } = command
  if (version <= state.version) {
    answer({ done: version })
    return
  }
  try {
    await Promise.all(carryOut(pools[command.pool], command))
    answer({ done: version })
  } catch (error) {
    answer({ refused: version, error: String(error) })
  }
}

/** All of it begins in this turn, so that it is one batch. */
function carryOut(pool: MirroredPool, command: Command): Promise<void>[] {
  switch (command.op) {
    case 'up':
      return [pool.up(command.server)]
    case 'down':
      return [pool.down(command.server)]
    case 'weight':
      return [pool.setWeight(command.server, command.weight)]
    case 'admin':
      return [pool.setAdmin(command.server, command.admin)]
    case 'remove':
      return [pool.remove(command.server)]
    case 'add': {
      const { server: address, weight } = command
      return [pool.add({ address, weight }), pool.up(address)]
    }
    case 'servers': {
      const known = new Set([...pool.members()].map(({ address }) => address))
      const list = Object.entries(command.weights)
      const setting = pool.setServers(list.map(([address, weight]) => ({ address, weight })))
      // Who comes is healthy: with `adopt`, it waits for that word.
      const coming = list.filter(([address]) => !known.has(address))
      return [setting, ...coming.map(([address]) => pool.up(address))]
    }
  }
}
