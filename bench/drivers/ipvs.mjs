// node ipvs.mjs apply|applySync|pool|pool-1000 each|bulk|load|read FILE
// This library, by its own door: changes are plain objects, made before the clock starts as a caller's are.
import { execFileSync } from 'node:child_process'
import { Ipvs, MirroredPool } from '../../dist/index.js'
import { drive, readWorkload } from './workload.mjs'

const OPS = {
  '-A': 'add-service',
  '-a': 'add-destination',
  '-e': 'replace-destination',
  '-d': 'remove-destination',
}

function toChange({ words: [verb, protocol, vip, , second, , , , weight], words }) {
  const [address, port] = vip.split(':')
  const service = { protocol: protocol === '-t' ? 'tcp' : 'udp', address, port: Number(port) }
  if (verb === '-A') return { op: OPS[verb], service: { ...service, scheduler: second } }
  const at = words[4].split(':')
  const id = { address: at[0], port: Number(at[1]) }
  if (verb === '-d') return { op: OPS[verb], service, destination: id }
  const destination = { ...id, forwarding: 'direct', weight: Number(weight ?? words.at(-1)) }
  return { op: OPS[verb], service, destination }
}

/** One object for a service, as a program that has services would have it. */
function convert(changes) {
  const services = new Map()
  return new Map(
    changes.map((change) => {
      const made = toChange(change)
      const key = change.words.slice(1, 3).join(' ')
      if (change.words[0] === '-A') return [change, made]
      if (!services.has(key)) services.set(key, made.service)
      return [change, { ...made, service: services.get(key) }]
    }),
  )
}

async function read(ipvs) {
  const { services, verified } = await ipvs.snapshot()
  if (!verified) throw new Error('the table could not be verified')
  return services
}

const throwing = { onError: 'throw', deadlineMs: 600_000 }

const open = () => Ipvs.open({ deadlineMs: 600_000 })

async function client(changes) {
  const ipvs = await open()
  const made = convert(changes)
  const lists = new Map()
  /** The objects of an operation, made before: by the caller's array. */
  const listOf = (operation) => {
    if (!lists.has(operation))
      lists.set(
        operation,
        operation.map((change) => made.get(change)),
      )
    return lists.get(operation)
  }
  return { ipvs, listOf, close: () => ipvs.close() }
}

/** The same list where it harms nobody: in a namespace of its own, from the same table. */
async function elsewhere(list) {
  const name = `warm-${process.pid}`
  execFileSync('ip', ['netns', 'add', name])
  execFileSync('ip', ['-n', name, 'link', 'set', 'lo', 'up'])
  const ipvs = await Ipvs.open({ netns: name, deadlineMs: 600_000 })
  const setup = readWorkload(process.env.SETUP).flat()
  const made = convert(setup)
  await ipvs.apply(
    setup.map((change) => made.get(change)),
    throwing,
  )
  await ipvs.apply(list, throwing)
  await ipvs.close()
  execFileSync('ip', ['netns', 'del', name])
}

function failing(result) {
  if (result.failed > 0) throw result.errors[0].error
}

/** Flips as a pool's own calls: a weight, or a server that is down or up. */
async function pool(concurrent) {
  const ipvs = await open()
  const seen = await read(ipvs)
  const service = seen[0]
  const pool = await MirroredPool.open(ipvs, {
    address: service.address,
    port: service.port,
    protocols: ['tcp', 'udp'],
    scheduler: service.scheduler,
    forwarding: 'direct',
    onePacket: false,
    initial: 'up',
    servers: service.destinations.map(({ address, port, weight }) => ({ address, port, weight })),
  })
  const flip = ([{ words }]) => {
    const server = words[4]
    if (words[0] === '-e') return pool.setWeight(server, Number(words.at(-1)))
    return words[0] === '-d' ? pool.down(server) : pool.up(server)
  }
  const bulk = async (all) => {
    // Both halves of a flip are neighbours in the file; the pool makes both.
    const halves = all.filter(({ words }) => words[1] === '-t')
    for (let at = 0; at < halves.length; at += concurrent) {
      await Promise.all(halves.slice(at, at + concurrent).map((half) => flip([half])))
    }
  }
  return { each: flip, bulk, warmBulk: bulk, close: () => pool.close().then(() => ipvs.close()) }
}

await drive({
  apply: async (changes) => {
    const { ipvs, listOf, close } = await client(changes)
    const send = (list) => ipvs.apply(list, throwing)
    return {
      each: (operation) => send(listOf(operation)),
      prepare: listOf,
      bulk: (all) => send(listOf(all)),
      warmBulk: (all) => elsewhere(listOf(all)),
      read: async () => {
        const services = await read(ipvs)
        return services.reduce((sum, { destinations }) => sum + destinations.length, 0)
      },
      close,
    }
  },
  /** A read that leaves the rows alone. */
  snapshot: async () => {
    const { ipvs, close } = await client([])
    return {
      read: async () => {
        await read(ipvs)
      },
      rows: () => undefined,
      close,
    }
  },
  applySync: async (changes) => {
    const { ipvs, listOf, close } = await client(changes)
    const send = (list) => failing(ipvs.applySync(list))
    return {
      each: (operation) => send(listOf(operation)),
      prepare: listOf,
      bulk: (all) => send(listOf(all)),
      close,
    }
  },
  pool: () => pool(1),
  'pool-1000': () => pool(1000),
})
