// Two hundred directors in one process, each with a client of etcd and a kernel in memory: what passes, and when all agree, after one
// change, after etcd's restart, and after a partition. Each follows the servers of all pools; a few of the pools are programmed.
import { setTimeout as pause } from 'node:timers/promises'
import { EtcdClient, etcdServers, Ipvs, MirroredPool } from 'ipvs'
import { MemoryKernel } from 'ipvs/testing'
import { type Counts, Gateway } from './gateway.js'

export interface Size {
  readonly directors: number
  readonly pools: number
  readonly serversPerPool: number
  /** Of each director, that are in its kernel too. */
  readonly programmed: number
}

export interface Step {
  readonly what: string
  readonly requests: number
  readonly messages: number
  readonly sentBytes: number
  readonly heardBytes: number
  readonly ms: number
  /** Of the directors together, and of what stands for etcd. */
  readonly cpuMs: number
}

interface Director {
  readonly ipvs: Ipvs
  readonly pools: readonly MirroredPool[]
  readonly client: EtcdClient
  readonly end: AbortController
}

const prefix = 'ipvs/pools/'
const address = (pool: number, server: number) => `10.${pool >> 8}.${pool & 255}.${server + 1}`
const keyOf = (pool: number, server: number) => `${prefix}p${pool}/${address(pool, server)}`
const fallMs = 2000
const cutMs = 5000
/** While some are cut off. */
const changesMeanwhile = 100

export async function simulate(size: Size, say: (text: string) => void): Promise<Step[]> {
  const gateway = new Gateway()
  for (let pool = 0; pool < size.pools; pool++) {
    for (let server = 0; server < size.serversPerPool; server++)
      gateway.fill(keyOf(pool, server), '1')
  }
  const directors: Director[] = []
  const steps: Step[] = []
  let weight = 1

  /** All kernels hold this weight of the first server of each programmed pool. */
  const agree = async () => {
    for (const { ipvs } of directors) {
      for (let pool = 0; pool < size.programmed; pool++) {
        const id = { protocol: 'udp', address: `192.0.2.${pool + 1}`, port: 53 } as const
        const isSo = async () =>
          (await ipvs.destinations(id)).find((one) => one.address === address(pool, 0))?.weight ===
          weight
        // One process does the work of all machines: an answer may come too late for the client's own patience.
        while (!(await isSo().catch(() => false))) await pause(1)
      }
    }
  }
  const change = () => {
    weight++
    for (let pool = 0; pool < size.programmed; pool++) gateway.put(keyOf(pool, 0), String(weight))
  }
  const step = async (what: string, run: () => Promise<void>) => {
    const before = gateway.counts
    const cpu = process.cpuUsage()
    const began = performance.now()
    await run()
    await agree()
    const ms = performance.now() - began
    const { user, system } = process.cpuUsage(cpu)
    const passed = minus(gateway.counts, before)
    steps.push({ what, ...passed, ms, cpuMs: (user + system) / 1000 })
    say(`  ${what}: ${Math.round(ms)} ms`)
  }

  await step('start', async () => {
    for (let at = 0; at < size.directors; at++) {
      directors.push(await open(await gateway.endpoint(at), size))
    }
  })
  await step('one change', async () => change())
  await step('etcd restarted', async () => {
    for (const one of gateway.clients) gateway.shut(one)
    await pause(fallMs)
    change()
    await Promise.all(gateway.clients.map((one) => gateway.open(one)))
  })
  await step('etcd restarted and compacted', async () => {
    for (const one of gateway.clients) gateway.shut(one)
    await pause(fallMs)
    change()
    gateway.compact()
    await Promise.all(gateway.clients.map((one) => gateway.open(one)))
  })
  const cut = gateway.clients.filter((one) => one % 4 === 0)
  await step(`a quarter cut off, ${changesMeanwhile} changes`, async () => {
    for (const one of cut) gateway.shut(one)
    for (let at = 0; at < changesMeanwhile; at++) {
      gateway.put(keyOf(size.programmed + (at % (size.pools - size.programmed)), 0), '2')
      if (at % 20 === 0) await pause(cutMs / (changesMeanwhile / 20))
    }
    change()
    await Promise.all(cut.map((one) => gateway.open(one)))
  })
  for (const { ipvs, pools, client, end } of directors) {
    end.abort()
    client.close()
    for (const pool of pools) await pool.close()
    await ipvs.close()
  }
  for (const one of gateway.clients) gateway.shut(one)
  return steps
}

async function open(endpoint: string, { programmed }: Size): Promise<Director> {
  const ipvs = await Ipvs.open({ kernel: new MemoryKernel() })
  const pools = await Promise.all(
    Array.from({ length: programmed }, (_, pool) =>
      MirroredPool.open(ipvs, {
        address: `192.0.2.${pool + 1}`,
        port: 53,
        scheduler: 'mh',
        forwarding: 'direct',
        reconcileIntervalMs: 0,
        // Its source says which, so that a start is over when that was read.
        servers: [],
      }),
    ),
  )
  // As above.
  const client = new EtcdClient({ endpoints: [endpoint], timeoutMs: 60_000 })
  const end = new AbortController()
  for (const [at, pool] of pools.entries()) {
    const source = etcdServers(client, `${prefix}p${at}/`, { together: prefix })
    void pool.follow(source, { signal: end.signal, ref: false })
  }
  return { ipvs, pools, client, end }
}

function minus(after: Counts, before: Counts): Counts {
  return {
    requests: after.requests - before.requests,
    messages: after.messages - before.messages,
    sentBytes: after.sentBytes - before.sentBytes,
    heardBytes: after.heardBytes - before.heardBytes,
  }
}
