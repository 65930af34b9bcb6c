// IPVS itself: whether it lets us in, its table, and what it is set to.
import { readFileSync } from 'node:fs'
import {
  Ipvs,
  IpvsError,
  type ListedService,
  parseListing,
  type ServiceTreeStatus,
} from '../../../index.js'
import { type Facts, nameOf, type Refusal, type Table } from '../facts.js'
import { look } from './look.js'

/** What a client tells; without one, what everybody may read. */
export type TableFacts = Pick<
  Facts,
  'access' | 'table' | 'timeouts' | 'syncRoles' | 'hash' | 'idleTcp'
>

/** The kernel shows them by a hash that is another one at each boot. */
function byName(a: ListedService, b: ListedService): number {
  return nameOf(a).localeCompare(nameOf(b), 'en', { numeric: true })
}

/** @param ipvs a client, or why there is none */
export function readTable(ipvs: Ipvs | Error): Promise<TableFacts> {
  return ipvs instanceof Ipvs ? readBy(ipvs) : readWithout(refusal(ipvs))
}

async function readBy(ipvs: Ipvs): Promise<TableFacts> {
  const table = await look(async (): Promise<Table> => {
    const { services, verified } = await ipvs.snapshot()
    const lacks = verified ? [] : ['what changed while it was read']
    return { from: 'netlink', services: services.toSorted(byName), lacks }
  })
  const timeouts = await look(() => ipvs.timeouts())
  const services = 'value' in table ? (table.value.services as readonly ServiceTreeStatus[]) : []
  return {
    access: { granted: true },
    table,
    timeouts,
    syncRoles: await look(async () => (await ipvs.syncDaemons()).map(({ role }) => role)),
    hash: await look(async () => {
      const { connectionTableSize: size } = await ipvs.info()
      return { size, bits: tableBits() }
    }),
    idleTcp: await look(async () => {
      if (!('value' in timeouts)) throw new Error('the timeouts are not known')
      return countIdle(ipvs, services, timeouts.value.tcpSeconds)
    }),
  }
}

/** The kernel walks its table anew for each page of what it shows: more entries than that take their time. */
const MOST_ENTRIES = 20_000

async function countIdle(
  ipvs: Ipvs,
  services: readonly ServiceTreeStatus[],
  seconds: number,
): Promise<number> {
  const servers = services.flatMap(({ destinations }) => destinations)
  const active = servers.reduce((sum, one) => sum + one.activeConnections, 0)
  if (active === 0) return 0
  const entries = servers.reduce((sum, one) => sum + one.inactiveConnections, active)
  if (entries > MOST_ENTRIES)
    throw new Error(`there are ${entries} connections, too many to look at each`)
  let idle = 0
  for await (const { protocol, state, expiresSeconds } of ipvs.connections())
    if (protocol === 'tcp' && state === 'ESTABLISHED' && expiresSeconds < seconds / 3) idle++
  return idle
}

function tableBits(): number | undefined {
  try {
    return Number(readFileSync('/sys/module/ip_vs/parameters/conn_tab_bits', 'utf8'))
  } catch {
    return undefined
  }
}

async function readWithout(access: Refusal): Promise<TableFacts> {
  const because = 'IPVS does not let us in'
  const text = await look(() => readFileSync('/proc/net/ip_vs', 'utf8'))
  const size = 'value' in text ? /\(size=(\d+)\)/.exec(text.value)?.[1] : undefined
  return {
    access,
    table: await look((): Table => {
      if ('because' in text) throw new Error(text.because)
      const { services, lacks } = parseListing(text.value)
      return { from: '/proc/net/ip_vs', services: services.toSorted(byName), lacks }
    }),
    timeouts: { because },
    syncRoles: { because },
    hash: size === undefined ? { because } : { value: { size: Number(size), bits: tableBits() } },
    idleTcp: { because },
  }
}

function refusal(error: Error): Refusal {
  const { message } = error
  if (!(error instanceof IpvsError)) return { granted: false, reason: 'other', message }
  if (error.code === 'ERR_IPVS_PERMISSION') return { granted: false, reason: 'permission', message }
  return { granted: false, reason: error.reason ?? 'other', message }
}
