// Tables for the command, in the kernel that this runs on.
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { type Change, Ipvs } from 'ipvs'
import { built } from '../../lab/checkout.js'

export const addressOf = (service: number) => `192.0.${service >> 8}.${service & 255}`

/** Services with so many destinations each. */
export async function makeTable(services: number, destinations: number): Promise<void> {
  spawnSync('ip', ['link', 'set', 'lo', 'up'])
  const changes: Change[] = []
  for (let n = 0; n < services; n++) {
    const service = { protocol: 'udp', address: addressOf(n), port: 53 } as const
    changes.push({ op: 'add-service', service: { ...service, scheduler: 'wrr' } })
    for (let d = 1; d <= destinations; d++) {
      const address = `10.${n >> 8}.${n & 255}.${d}`
      const destination = { address, port: 53, forwarding: 'direct', weight: d % 4 } as const
      changes.push({ op: 'add-destination', service, destination })
    }
  }
  const ipvs = await Ipvs.open({ deadlineMs: 120_000 })
  await ipvs.flush()
  await ipvs.apply(changes, { onError: 'throw' })
  await ipvs.close()
}

/** Datagrams to all of them. Whoever calls it ends it. */
export function startTraffic(services: number, perSecond: number): ChildProcess {
  // Services and destinations are this machine itself.
  for (const network of ['192.0.0.0/16', '10.0.0.0/8']) {
    spawnSync('ip', ['route', 'replace', 'local', network, 'dev', 'lo'])
  }
  const addresses = Array.from({ length: services }, (_, n) => addressOf(n))
  const file = built('tools/bench/command/traffic.js')
  return spawn(process.execPath, [file, JSON.stringify([addresses, perSecond])], {
    stdio: ['ignore', 'ignore', 'inherit'],
  })
}
