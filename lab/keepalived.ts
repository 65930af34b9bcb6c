// Where keepalived is found: on this machine, or fetched and not installed (scripts/steps/keepalived.mjs).
import { existsSync } from 'node:fs'
import path from 'node:path'
import { checkout } from './checkout.js'

const root = path.join(checkout, '.cache/keepalived/root')

/** The environment that `keepalived` can be started in by its name. */
export function keepalivedEnvironment(): NodeJS.ProcessEnv {
  if (!existsSync(root)) return process.env
  const under = (folder: string, name: string) =>
    [process.env[name], path.join(root, folder)].filter(Boolean).join(':')
  return {
    ...process.env,
    PATH: under('usr/sbin', 'PATH'),
    LD_LIBRARY_PATH: under('usr/lib/x86_64-linux-gnu', 'LD_LIBRARY_PATH'),
  }
}
