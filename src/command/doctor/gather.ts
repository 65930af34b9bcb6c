// All facts of this machine and network namespace.
import { release } from 'node:os'
import { Ipvs } from '../../client.js'
import type { ListedService } from '../../rules/index.js'
import { type Facts, known, servicesOf } from './facts.js'
import { look } from './readers/look.js'
import { readAddresses, readDevices, readFiltered, readRoutes } from './readers/network.js'
import { readChains, readProcesses, readSets } from './readers/owners.js'
import { probeServers } from './readers/probe.js'
import { readSettings } from './readers/settings.js'
import { readTable } from './readers/table.js'

export interface GatherOptions {
  /** What the file says. */
  readonly file?: readonly ListedService[] | undefined
  /** Ask the servers, by real packets. */
  readonly probe: boolean
}

export async function gather({ file, probe }: GatherOptions): Promise<Facts> {
  const kernel = { platform: process.platform, arch: process.arch, release: release() }
  const ipvs = await Ipvs.open().catch((error: unknown) => error as Error)
  const table = await readTable(ipvs)
  try {
    const services = servicesOf({ table: table.table, file })
    const addresses = services.flatMap(({ address, destinations }) => [
      ...(address === undefined ? [] : [address]),
      ...destinations.map((server) => server.address),
    ])
    const routes = await look(() => readRoutes(addresses))
    return {
      kernel,
      ...table,
      file,
      schedulers: await look(() => trySchedulers(file ?? [])),
      settings: await look(readSettings),
      devices: await look(readDevices),
      addresses: await look(readAddresses),
      routes,
      filtered: await look(readFiltered),
      processes: await look(readProcesses),
      sets: await look(readSets),
      chains: await look(readChains),
      ...(probe && {
        probes: await look(() => {
          if (!(ipvs instanceof Ipvs)) throw new Error('IPVS does not let us in')
          return probeServers(ipvs, services, known(routes) ?? new Map())
        }),
      }),
    }
  } finally {
    if (ipvs instanceof Ipvs) await ipvs.close()
  }
}

async function trySchedulers(
  file: readonly ListedService[],
): Promise<Readonly<Record<string, boolean>>> {
  const names = [...new Set(file.map(({ scheduler = 'wlc' }) => scheduler))]
  if (names.length === 0) return {}
  const { available, schedulers, advice } = await Ipvs.probe({ schedulers: names })
  if (!available || Object.keys(schedulers).length < names.length)
    throw new Error(advice.at(-1) ?? 'they could not be tried')
  return schedulers
}
