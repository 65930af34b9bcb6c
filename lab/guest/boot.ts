// The lab of this checkout: what is booted is in .cache/lab (scripts/steps/lab.mjs), what is left of a run in build/lab.
import { existsSync } from 'node:fs'
import path from 'node:path'
import { bootGuest, type GuestOptions as CommonOptions, toolPaths } from '#lab'
import { built, checkout } from '../checkout.js'

const cache = path.join(checkout, '.cache/lab')
const tools = path.join(cache, 'root')

export interface GuestOptions extends CommonOptions {
  /** `6.12`, one of those in `scripts/steps/kernels.mjs`. Default: `IPVS_LAB_KERNEL`, else the lab's own. */
  kernel?: string | undefined
}

/** Boots the kernel and runs the command in it as root; it may write the checkout and the folder it runs in. */
export function runInGuest(command: string[], options: GuestOptions = {}): Promise<number> {
  const named = options.kernel ?? process.env.IPVS_LAB_KERNEL ?? ''
  const kernel = path.join(cache, named)
  if (!existsSync(path.join(kernel, 'linux.uml'))) {
    throw new Error(
      `There is no lab kernel at ${kernel}. Fetch it: ` +
        `${named && `IPVS_LAB_KERNEL=${named} `}node scripts/setup.mjs --for lab`,
    )
  }
  const folders = { kernel, tools, runs: built('lab'), writable: [checkout] }
  return bootGuest(folders, command, options)
}

export const labTools = (env: NodeJS.ProcessEnv) => toolPaths(env, tools)
