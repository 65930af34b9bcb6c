// Settings of /proc/sys/net. They are those of this process's network namespace, whoever reads them.
import { readdirSync, readFileSync, statSync } from 'node:fs'
import path from 'node:path'

const FOLDER = '/proc/sys/net'
const PER_DEVICE = ['rp_filter', 'arp_ignore', 'arp_announce', 'accept_local']

/** By the names of `sysctl`, which has a slash for the dot in a device's name. */
export function readSettings(): ReadonlyMap<string, string> {
  const settings = new Map<string, string>()
  const read = (name: string, ...file: string[]) => {
    const text = readIfThere(path.join(FOLDER, ...file))
    if (text !== undefined) settings.set(name, text)
  }
  read('net.ipv4.ip_forward', 'ipv4/ip_forward')
  read('net.ipv6.conf.all.forwarding', 'ipv6/conf/all/forwarding')
  for (const device of readdirSync(path.join(FOLDER, 'ipv4/conf')))
    for (const name of PER_DEVICE)
      read(`net.ipv4.conf.${device.replaceAll('.', '/')}.${name}`, 'ipv4/conf', device, name)
  // Absent until IPVS is loaded.
  if (statSync(path.join(FOLDER, 'ipv4/vs'), { throwIfNoEntry: false }) === undefined)
    return settings
  for (const name of readdirSync(path.join(FOLDER, 'ipv4/vs')))
    read(`net.ipv4.vs.${name}`, 'ipv4/vs', name)
  return settings
}

function readIfThere(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8').trim()
  } catch (error) {
    // Some of them root alone may read.
    if (['ENOENT', 'EACCES', 'EPERM'].includes((error as NodeJS.ErrnoException).code ?? ''))
      return undefined
    throw error
  }
}
