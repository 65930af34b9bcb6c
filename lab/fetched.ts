// Where programs are that were fetched from Debian and not installed (scripts/steps).
import { existsSync } from 'node:fs'
import path from 'node:path'
import { checkout } from './checkout.js'

/** The environment in which they can be started by their names. */
export function withFetched(name: 'fleet' | 'keepalived', env = process.env): NodeJS.ProcessEnv {
  const root = path.join(checkout, '.cache', name, 'root')
  if (!existsSync(root)) return env
  const under = (variable: string, ...folders: string[]) =>
    [env[variable], ...folders.map((folder) => path.join(root, folder))].filter(Boolean).join(':')
  return {
    ...env,
    PATH: under('PATH', 'usr/sbin', 'usr/bin'),
    LD_LIBRARY_PATH: under('LD_LIBRARY_PATH', 'usr/lib/x86_64-linux-gnu'),
  }
}
