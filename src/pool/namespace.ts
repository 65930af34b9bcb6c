// Settings of the whole network namespace that a pool's clients need, where the caller has agreed that it sets them.
import type { Sysctls } from '../system/sysctls.js'
import type { TableClient } from '../table-client.js'
import { carries, type FrontSpec } from './config/fronts.js'
import type { NamespaceSettings } from './config/options.js'

/** Reads that are under way: a thousand pools that look at once need one. */
const reading = new WeakMap<TableClient, Promise<Sysctls>>()

/** Reads the settings, and sets those that have to be others. */
export async function ensureSysctls(
  client: TableClient,
  fronts: readonly FrontSpec[],
  { apply, udpTimeoutSeconds }: NamespaceSettings,
): Promise<Sysctls> {
  const sysctls = await sysctlsOf(client)
  if (!apply) return sysctls
  const needed: { expire_nodest_conn?: 1; expire_quiescent_template?: 1 } = {}
  // Else what belongs to a removed server is dropped until it expires (ip_vs_core.c: ip_vs_in_hook).
  if (fronts.some((front) => carries(front, 'udp'))) needed.expire_nodest_conn = 1
  // Else persistence brings clients back to a server with weight 0 (ip_vs_conn.c: ip_vs_check_template).
  if (fronts.some(({ service }) => service.persistence !== undefined)) {
    needed.expire_quiescent_template = 1
  }
  const set: { expire_nodest_conn?: 1; expire_quiescent_template?: 1 } = {}
  for (const name of ['expire_nodest_conn', 'expire_quiescent_template'] as const) {
    if (needed[name] === undefined || sysctls[name] !== 0) continue
    await client.setSysctl(name, 1)
    set[name] = 1
  }
  if (udpTimeoutSeconds !== undefined) {
    const { udpSeconds } = await client.timeouts()
    if (udpSeconds !== udpTimeoutSeconds) {
      await client.setTimeouts({ udpSeconds: udpTimeoutSeconds })
    }
  }
  return { ...sysctls, ...set }
}

function sysctlsOf(client: TableClient): Promise<Sysctls> {
  const known = reading.get(client)
  if (known !== undefined) return known
  const read = client.sysctls().finally(() => reading.delete(client))
  reading.set(client, read)
  return read
}
