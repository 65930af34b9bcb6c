// The role at the start, until somebody says it.
import { networkInterfaces } from 'node:os'
import { parseAddress } from '../../address.js'
import type { Ipvs } from '../../client.js'
import { serviceKey } from '../../identity.js'
import type { PoolRole } from '../../pool/api.js'
import type { RoleConfig } from '../config/role.js'

/** A role, and who has said so. */
export interface FirstRole {
  readonly role: PoolRole
  readonly from: string
}

/** What is known of a director that starts. */
export interface FirstRoleOf {
  readonly client: Ipvs
  readonly config: RoleConfig
  /** Keys of its services. */
  readonly services: readonly string[]
  /** Addresses of its fronts. */
  readonly addresses: readonly string[]
  /** This process is in the network namespace of the table. */
  readonly isHere: boolean
}

/**
 * VRRP gives the virtual addresses to whom is active. Where that cannot be seen, the kernel's services and sync daemons are as the
 * last director has left them.
 *
 * @throws IpvsError (rejects) the kernel could not be read
 */
export async function firstRole(of: FirstRoleOf): Promise<FirstRole> {
  const { client, config, services, addresses, isHere } = of
  const found = isHere ? places(addresses) : undefined
  if (found?.interface !== undefined) {
    return active(`${found.interface} is on an interface here`)
  }
  // keepalived has taken it away, or has not brought it yet.
  const isVrrp = config.follow !== undefined && 'fifo' in config.follow
  if (isVrrp && found?.isNowhere) return standby('no virtual address is on an interface here')
  if (config.standby === 'withdraw') {
    const wanted = new Set(services)
    const { services: held } = await client.snapshot()
    if (held.some((service) => wanted.has(serviceKey(service)))) {
      return active('the kernel holds the services')
    }
  }
  const running = await client.syncDaemons()
  const isMaster = running.length > 0 && running.every(({ role }) => role === 'master')
  return isMaster ? active('a sync master runs') : standby('nothing says otherwise')
}

function active(why: string): FirstRole {
  return { role: 'active', from: `at the start: ${why}` }
}

function standby(why: string): FirstRole {
  return { role: 'standby', from: `at the start: ${why}` }
}

/** `undefined`: there are no addresses to look for. */
function places(addresses: readonly string[]) {
  if (addresses.length === 0) return undefined
  const wanted = new Set(addresses.map(canonical))
  const all = Object.values(networkInterfaces()).flatMap((rows) => rows ?? [])
  const ours = all.filter(({ address }) => wanted.has(canonical(address)))
  // Those of the loopback interface are those of a server for direct routing.
  return {
    interface: ours.find(({ internal }) => !internal)?.address,
    isNowhere: ours.length === 0,
  }
}

function canonical(address: string): string {
  return parseAddress(address, 'address').text
}
