// Which pool of this process owns which service: two that disagree would undo each other's work for ever.
import { IpvsError } from '../errors.js'

const owners = new Map<string, string>()

/**
 * Claims services for a pool, all or none.
 *
 * @returns what releases them
 * @throws IpvsError `ERR_IPVS_OWNED`
 */
export function claim(namespace: string, services: readonly string[], pool: string): () => void {
  const keys = services.map((service) => `${namespace} ${service}`)
  for (const [index, key] of keys.entries()) {
    const owner = owners.get(key)
    if (owner !== undefined) {
      throw new IpvsError(
        'ERR_IPVS_OWNED',
        `opening pool "${pool}": ${services[index]} belongs to pool "${owner}" of this process; close that one first`,
      )
    }
  }
  for (const key of keys) owners.set(key, pool)
  let held = true
  return () => {
    if (held) for (const key of keys) owners.delete(key)
    held = false
  }
}
