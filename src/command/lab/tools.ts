// Programs that the guest's start needs, and ipvsadm. What the machine has itself is used from there.
import { existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import path from 'node:path'
import { CommandError } from '../errors.js'
import { findProgram, needApt, unpackPackages } from './apt.js'
import { renameInto } from './kernel.js'
import { step } from './progress.js'
import { relink } from './relink.js'

/** The program that shows a package is there. */
const packages = { kmod: 'modprobe', iproute2: 'ip', ipvsadm: 'ipvsadm' }

/** In every Debian; what else brings them has many names. */
const basics = ['bash', 'perl', 'mount', 'stty', 'setsid', 'nice', 'taskset']

/** The folder of the programs. @throws CommandError */
export async function toolFolder(cache: string): Promise<string> {
  const absent = basics.filter((program) => findProgram(program) === undefined)
  if (absent.length > 0)
    throw new CommandError(
      `the lab needs ${absent.join(', ')}, which this machine lacks: install them.`,
    )
  const missing = Object.entries(packages)
    .filter(([, program]) => findProgram(program) === undefined)
    .map(([name]) => name)
    .sort()
  // Another folder for other programs: a cache may serve several machines.
  const folder = path.join(cache, `tools-${missing.join('-') || 'none'}`)
  if (missing.length === 0 || existsSync(folder)) return folder
  needApt(`Install these by hand: ${missing.join(' ')}.`)
  await step(`Fetching ${missing.join(', ')} from Debian into ${cache} (once)`, async () => {
    mkdirSync(cache, { recursive: true })
    const fresh = mkdtempSync(path.join(cache, 'fetching-'))
    try {
      const root = path.join(fresh, 'root')
      await unpackPackages(fresh, root, { packages: missing, depends: true })
      relink(root)
      renameInto(root, folder)
    } finally {
      rmSync(fresh, { recursive: true, force: true })
    }
  })
  return folder
}
