// What a service manager wants to know of a service: sd_notify(3), where NOTIFY_SOCKET says whom to tell.
import { getSystemErrorName } from 'node:util'
import { loadAddon } from '../kernel/load-addon.js'

/**
 * Tells the service manager that has started this process, if one has: `{ READY: 1, STATUS: 'all is well' }`.
 *
 * @throws IpvsError `ERR_IPVS_UNAVAILABLE` without the native part
 * @returns why it could not be told, if it could not
 */
export function tellServiceManager(
  fields: Readonly<Record<string, string | number>>,
): string | undefined {
  const path = process.env.NOTIFY_SOCKET
  if (path === undefined || path === '') return undefined
  if (!/^[@/]/.test(path)) return `NOTIFY_SOCKET is ${JSON.stringify(path)}, which is no path`
  // A line each.
  const lines = Object.entries(fields).map(
    ([name, value]) => `${name}=${String(value).replaceAll(/\s+/g, ' ')}`,
  )
  const error = loadAddon().sendDatagram(path, lines.join('\n'))
  return error === 0 ? undefined : `${path}: ${getSystemErrorName(-error)}`
}
