// The lab's kernels: user-mode-linux of Debian, fetched once. A newer one's program needs a newer C library than this machine may
// have, so it gets that suite's library, beside it and for itself alone.
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import path from 'node:path'
import { CommandError, usageError } from '../errors.js'
import { tell } from '../output.js'
import { needApt, unpackPackages } from './apt.js'
import { step } from './progress.js'

/** Each release, and the Debian suite whose user-mode-linux it is. */
const suites: ReadonlyMap<string, string> = new Map([
  ['6.1', 'bookworm'],
  ['6.12', 'trixie'],
  ['7.2', 'sid'],
])

export const releases = [...suites.keys()]

/** A system call in it costs half of what it costs in the others. */
export const defaultRelease = '7.2'

const packages = ['user-mode-linux', 'libc6', 'libgcc-s1']

const HINT =
  'Install the package user-mode-linux by hand, or get its program and its modules from elsewhere, and name the program: --kernel PATH.'

/** The folder of a kernel that is ready to be booted. @throws CommandError */
export async function kernelFolder(cache: string, wanted: string): Promise<string> {
  if (wanted.includes('/')) return ownKernel(cache, path.resolve(wanted))
  const suite = suites.get(wanted)
  if (suite === undefined)
    throw usageError(
      `there is no lab kernel "${wanted}": it can be ${releases.join(', ')}, or the path of a program linux.uml.`,
    )
  const folder = path.join(cache, wanted)
  if (!existsSync(folder)) {
    needApt(HINT)
    await step(
      `Fetching the ${wanted} kernel from Debian ${suite} into ${cache} (50 MB, once)`,
      () => fetchKernel(cache, folder, wanted, suite),
    )
  }
  checkSum(folder)
  return folder
}

/** Nobody else sees it before it is whole. */
async function fetchKernel(
  cache: string,
  folder: string,
  release: string,
  suite: string,
): Promise<void> {
  mkdirSync(cache, { recursive: true })
  const fresh = mkdtempSync(path.join(cache, 'fetching-'))
  try {
    await unpackPackages(fresh, path.join(fresh, 'unpacked'), { packages, suite, depends: false })
    link(fresh)
    const version = versionOf(fresh)
    if (version === undefined)
      throw new CommandError(
        `the ${release} kernel from Debian ${suite} does not start here, or has no modules beside it. Try another one: --kernel ${releases.filter((one) => one !== release).join(', ')}.`,
      )
    if (!version.startsWith(`${release}.`))
      tell(`Debian ${suite} has moved on: its kernel is ${version}. It is used for ${release}.`)
    writeFileSync(
      path.join(fresh, 'fetched.json'),
      `${JSON.stringify({ version, sha256: sumOf(fresh) })}\n`,
    )
    renameInto(fresh, folder)
  } finally {
    rmSync(fresh, { recursive: true, force: true })
  }
}

/** Another process may have been quicker. */
export function renameInto(fresh: string, folder: string): void {
  try {
    renameSync(fresh, folder)
  } catch (error) {
    if (!['ENOTEMPTY', 'EEXIST'].includes((error as NodeJS.ErrnoException).code ?? '')) throw error
  }
}

const program = (folder: string) => path.join(folder, 'linux.uml')
const sumOf = (folder: string) =>
  createHash('sha256')
    .update(readFileSync(program(folder)))
    .digest('hex')

/** A cache that was cut off, or restored in part, is no kernel. */
function checkSum(folder: string): void {
  let noted: unknown
  let sum: unknown
  try {
    noted = (
      JSON.parse(readFileSync(path.join(folder, 'fetched.json'), 'utf8')) as { sha256?: unknown }
    ).sha256
    sum = sumOf(folder)
  } catch {
    // Then they differ.
    sum = null
  }
  if (sum === noted) return
  throw new CommandError(
    `the kernel in ${folder} is not the one that was fetched (its SHA-256 differs). Nothing was run: delete that folder, and it is fetched anew.`,
  )
}

/** A kernel that the machine has, with the modules beside it or where Debian's are. */
function ownKernel(cache: string, file: string): string {
  if (!existsSync(file)) throw usageError(`--kernel ${file}: there is no such file.`)
  const version = saidBy(file)
  if (version === undefined)
    throw usageError(
      `--kernel ${file}: it does not start as a user-mode Linux ("${file} --version").`,
    )
  const modules = [path.join(path.dirname(file), 'modules'), '/usr/lib/uml/modules'].find(
    (folder) => existsSync(path.join(folder, version)),
  )
  if (modules === undefined)
    throw usageError(
      `--kernel ${file}: there are no modules of ${version} in ${path.dirname(file)}/modules or /usr/lib/uml/modules.`,
    )
  const name = createHash('sha256')
    .update(`${realpathSync(file)} ${modules}`)
    .digest('hex')
    .slice(0, 16)
  const folder = path.join(cache, `own-${name}`)
  if (existsSync(folder)) return folder
  mkdirSync(cache, { recursive: true })
  const fresh = mkdtempSync(path.join(cache, 'fetching-'))
  symlinkSync(file, program(fresh))
  mkdirSync(path.join(fresh, 'modules/lib'), { recursive: true })
  symlinkSync(modules, path.join(fresh, 'modules/lib/modules'))
  renameInto(fresh, folder)
  rmSync(fresh, { recursive: true, force: true })
  return folder
}

const loader = '/lib64/ld-linux-x86-64.so.2'

/**
 * linux.uml, modules and lib in the folder. The program gets the name "ld.so" for its loader, which
 * the system then takes from the folder it is started in. (Starting the loader with the program as
 * its argument does not work: UML computes its memory from where the system put its heap.)
 */
function link(fresh: string): void {
  const bytes = readFileSync(path.join(fresh, 'unpacked/usr/bin/linux.uml'))
  const at = bytes.indexOf(`${loader}\0`)
  if (at === -1) throw new CommandError(`the kernel's program in ${fresh} does not use ${loader}.`)
  bytes.fill(0, at, at + loader.length)
  bytes.write('ld.so', at)
  writeFileSync(program(fresh), bytes)
  chmodSync(program(fresh), 0o755)
  const libraries = ['unpacked/usr/lib/x86_64-linux-gnu', 'unpacked/lib/x86_64-linux-gnu'].find(
    (folder) => existsSync(path.join(fresh, folder, path.basename(loader))),
  )
  if (libraries === undefined)
    throw new CommandError(`there is no ${path.basename(loader)} among the packages in ${fresh}.`)
  symlinkSync(libraries, path.join(fresh, 'lib'))
  symlinkSync(path.basename(loader), path.join(fresh, libraries, 'ld.so'))
  mkdirSync(path.join(fresh, 'modules/lib'), { recursive: true })
  symlinkSync('../../unpacked/usr/lib/uml/modules', path.join(fresh, 'modules/lib/modules'))
}

/** What the kernel calls itself; undefined if it does not start or has no modules. */
function versionOf(folder: string): string | undefined {
  const said = saidBy(program(folder), path.join(folder, 'lib'))
  return said && existsSync(path.join(folder, 'modules/lib/modules', said)) ? said : undefined
}

function saidBy(file: string, lib?: string): string | undefined {
  const own = lib === undefined ? {} : { cwd: lib, env: { LD_LIBRARY_PATH: lib } }
  const { status, stdout } = spawnSync(file, ['--version'], {
    ...own,
    encoding: 'utf8',
    timeout: 10_000,
  })
  return status === 0 && /^\d+\.\d+\S*$/.test(stdout.trim()) ? stdout.trim() : undefined
}
