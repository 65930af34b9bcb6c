// What is timed. Each case makes its own services, checks the table it leaves, and removes it.
import { execFileSync } from 'node:child_process'
import { hrtime } from 'node:process'
import type { Change, Destination, Ipvs, Service } from 'ipvs'

export interface Case {
  readonly name: string
  readonly driver: string
  /** Microseconds per change, one figure per sample. */
  run(ipvs: Ipvs): Promise<number[]>
}

const address = '192.0.2.1'
const tcp: Service = { protocol: 'tcp', address, port: 53, scheduler: 'wrr' }
const udp: Service = { protocol: 'udp', address, port: 53, scheduler: 'wrr' }
const member = (i: number, weight = 1): Destination => ({
  address: `10.${i >> 16}.${(i >> 8) & 255}.${i & 255}`,
  port: 53,
  forwarding: 'direct',
  weight,
})

async function withServices(
  ipvs: Ipvs,
  body: () => Promise<void>,
  expected: number,
): Promise<void> {
  const services = [tcp, udp]
  await ipvs.apply(
    services.map((service) => ({ op: 'add-service', service })),
    { onError: 'throw' },
  )
  await body()
  const { services: trees } = await ipvs.snapshot()
  const held = trees.reduce((sum, tree) => sum + tree.destinations.length, 0)
  if (held !== expected) throw new Error(`the table has ${held} destinations, not ${expected}`)
  await ipvs.apply(
    services.map((service) => ({ op: 'remove-service', service })),
    { onError: 'throw' },
  )
}

const since = (start: bigint): number => Number(hrtime.bigint() - start) / 1000

/** One server's weight on both protocols, one flip after the other. */
function flips(
  driver: string,
  n: number,
  flip: (ipvs: Ipvs, changes: readonly Change[]) => unknown,
): Case {
  return {
    name: 'mirrored flip by weight',
    driver,
    async run(ipvs) {
      const times: number[] = []
      const body = async () => {
        const add = [tcp, udp].map(
          (service): Change => ({ op: 'add-destination', service, destination: member(1) }),
        )
        await ipvs.apply(add, { onError: 'throw' })
        for (let i = 0; i < n; i++) {
          const changes = [tcp, udp].map(
            (service): Change => ({
              op: 'replace-destination',
              service,
              destination: member(1, 1 + (i % 9)),
            }),
          )
          const start = hrtime.bigint()
          await flip(ipvs, changes)
          times.push(since(start) / 2)
        }
      }
      await withServices(ipvs, body, 2)
      return times
    },
  }
}

function bulk(
  driver: string,
  n: number,
  add: (ipvs: Ipvs, destinations: readonly Destination[]) => unknown,
): Case {
  return {
    name: `${n.toLocaleString('en')} destinations added`,
    driver,
    async run(ipvs) {
      const destinations = Array.from({ length: n }, (_, i) => member(i + 1))
      let time = 0
      const body = async () => {
        const start = hrtime.bigint()
        await add(ipvs, destinations)
        time = since(start) / n
      }
      await withServices(ipvs, body, n)
      return [time]
    },
  }
}

const restore = (lines: readonly string[]) =>
  execFileSync('ipvsadm', ['-R'], {
    input: `${lines.join('\n')}\n`,
    stdio: ['pipe', 'ignore', 'inherit'],
  })
const weightOf = (change: Change) =>
  'destination' in change ? (change.destination as Destination).weight : 0
const flag = (change: Change) => (change.service.protocol === 'tcp' ? '-t' : '-u')

export const cases: readonly Case[] = [
  flips('apply', 500, (ipvs, changes) => ipvs.apply(changes, { onError: 'throw' })),
  flips('applySync', 500, (ipvs, changes) => {
    if (ipvs.applySync(changes).failed > 0) throw new Error('a flip failed')
  }),
  flips('ipvsadm, forked per change', 10, (_, changes) => {
    for (const change of changes) {
      const words = [
        '-e',
        flag(change),
        `${address}:53`,
        '-r',
        '10.0.0.1:53',
        '-g',
        '-w',
        `${weightOf(change)}`,
      ]
      execFileSync('ipvsadm', words)
    }
  }),
  flips('ipvsadm --restore, both in one', 10, (_, changes) =>
    restore(
      changes.map(
        (change) => `-e ${flag(change)} ${address}:53 -r 10.0.0.1:53 -g -w ${weightOf(change)}`,
      ),
    ),
  ),
  bulk('apply', 10_000, (ipvs, destinations) => {
    const changes = destinations.map(
      (destination): Change => ({ op: 'add-destination', service: udp, destination }),
    )
    return ipvs.apply(changes, { onError: 'throw' })
  }),
  bulk('ipvsadm --restore', 10_000, (_, destinations) =>
    restore(destinations.map((d) => `-a -u ${address}:53 -r ${d.address}:53 -g -w 1`)),
  ),
]
