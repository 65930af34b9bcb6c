// node ipvs.mjs apply|apply-first|applySync|snapshot|pool|pool-1000 each|bulk|load|read FILE
// This library, by its own door: changes are plain objects, made before the clock starts as a caller's are.
import { execFileSync } from 'node:child_process'
import { Ipvs, MirroredPool } from '../../../dist/index.js'
import { drive, readWorkload } from './workload.mjs'

const OPS = {
  '-A': 'add-service',
  '-a': 'add-destination',
  '-e': 'replace-destination',
  '-d': 'remove-destination',
}

/** A change as literals: V8 gives every `{ ...id, weight }` a shape of its own, which costs more than all else here. */
function toChange({ words: [verb, protocol, vip, , second, , , , weight], words }, serviceAt) {
  const op = OPS[verb]
  const service = serviceAt(protocol, vip)
  if (verb === '-A') return { op, service: { ...service, scheduler: second } }
  const [address, port] = words[4].split(':')
  if (verb === '-d') return { op, service, destination: { address, port: Number(port) } }
  const destination = {
    address,
    port: Number(port),
    forwarding: 'direct',
    weight: Number(weight ?? words.at(-1)),
  }
  return { op, service, destination }
}

/** One object for a service, as a program that has services would have it. */
function convert(changes) {
  const services = new Map()
  const serviceAt = (protocol, vip) => {
    const key = `${protocol} ${vip}`
    if (!services.has(key)) {
      const [address, port] = vip.split(':')
      const name = protocol === '-t' ? 'tcp' : 'udp'
      services.set(key, { protocol: name, address, port: Number(port) })
    }
    return services.get(key)
  }
  return new Map(changes.map((change) => [change, toChange(change, serviceAt)]))
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

/** As long, and without effect here: what the client needs of memory is there afterwards. */
function idle(list) {
  const setup = readWorkload(process.env.SETUP).flat()
  const there = [...convert(setup).values()].filter(({ op }) => op === 'add-destination')
  const absent = { address: '198.51.100.1', port: 1 }
  return list.map(({ service }, i) => {
    if (there.length === 0) return { op: 'ensure-no-destination', service, destination: absent }
    const { service: owner, destination } = there[i % there.length]
    return { op: 'replace-destination', service: owner, destination }
  })
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
      warmBulk: async (all) => {
        await elsewhere(listOf(all))
        await send(idle(listOf(all)))
      },
      read: async () => {
        const services = await read(ipvs)
        return services.reduce((sum, { destinations }) => sum + destinations.length, 0)
      },
      close,
    }
  },
  /** As a program that makes this one call: nothing has been compiled, and all memory is new. */
  'apply-first': async (changes) => {
    const { ipvs, listOf, close } = await client(changes)
    return { prepare: listOf, bulk: (all) => ipvs.apply(listOf(all), throwing), close }
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
