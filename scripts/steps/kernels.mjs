// The lab's other kernels, for `--kernel` and `npm run test:kernels`: each from the Debian suite that
// has it, into .cache/lab/<release>, without root. A newer kernel's program needs a newer C library
// than this machine may have, so it gets that suite's library, beside it and for itself alone.
import { spawnSync } from 'node:child_process'
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import path from 'node:path'
import { aptConfig } from './debs.mjs'
import { labVersion } from './lab.mjs'
import { cacheDir, logged, programFolders, SetupError, step } from './step.mjs'

/** Each release, and the Debian suite whose user-mode-linux it is. */
const suites = { 6.1: 'bookworm', 6.12: 'trixie', 7.2: 'sid' }

export const releases = Object.keys(suites)

/** Its system calls cost the least (docs/lab.md): tests take a third of the time. */
const quickest = '7.2'

const packages = ['user-mode-linux', 'libc6', 'libgcc-s1']
const lab = path.join(cacheDir, 'lab')

export function checkRelease(release) {
  if (releases.includes(release)) return
  throw new SetupError(`There is no lab kernel "${release}"; it can be ${releases.join(', ')}.`)
}

/** Makes the quickest kernel the lab's for all that this process starts; where it cannot be had, the lab's own stays. */
export async function useQuickestKernel() {
  try {
    await fetchKernel(quickest)
    process.env.IPVS_LAB_KERNEL = quickest
  } catch (error) {
    if (!(error instanceof SetupError)) throw error
    process.stderr.write(
      `${error.message}\n\nGoing on with kernel ${labVersion()}, where everything takes three times as long.\n`,
    )
  }
}

/** After fetchLab: what that has is taken when it is the release asked for. */
export async function fetchKernel(release) {
  checkRelease(release)
  const folder = path.join(lab, release)
  if (isOf(labVersion(), release)) {
    rmSync(folder, { recursive: true, force: true })
    symlinkSync('.', folder)
    return
  }
  if (existsSync(path.join(folder, 'fetched.json')) && version(folder) !== undefined) return
  for (const program of ['apt-get', 'dpkg-deb']) {
    if (programFolders().some((at) => existsSync(path.join(at, program)))) continue
    throw new SetupError(`Fetching the ${release} kernel needs ${program}, and there is none here.`)
  }
  await step(`Fetching the ${release} kernel from Debian ${suites[release]}`, () =>
    fetch(release, folder),
  )
}

async function fetch(release, folder) {
  const fresh = `${folder}.new`
  rmSync(fresh, { recursive: true, force: true })
  await unpack(release, fresh)
  link(fresh)
  const found = version(fresh)
  if (found === undefined) {
    throw new SetupError(
      `The ${release} kernel from Debian ${suites[release]} does not start here, or has no modules beside it: ` +
        `look at ${fresh}/linux.uml. The other kernels are not affected.`,
    )
  }
  if (!isOf(found, release)) {
    process.stderr.write(
      `\nDebian ${suites[release]} has moved on: its kernel is now ${found}. It is used in place of ${release}.\n`,
    )
  }
  writeFileSync(path.join(fresh, 'fetched.json'), `${JSON.stringify({ version: found })}\n`)
  rmSync(folder, { recursive: true, force: true })
  renameSync(fresh, folder)
}

/** An apt run with lists, archives and package state of its own: the machine's stay as they are. */
async function unpack(release, fresh) {
  const apt = path.join(fresh, 'apt')
  const archives = path.join(apt, 'archives')
  mkdirSync(path.join(apt, 'lists/partial'), { recursive: true })
  mkdirSync(archives, { recursive: true })
  writeFileSync(path.join(apt, 'status'), '')
  writeFileSync(path.join(apt, 'sources.list'), sourceLine(suites[release]))
  const config = path.join(apt, 'apt.conf')
  writeFileSync(
    config,
    `${aptConfig(apt)}
Dir::Etc::sourcelist "${apt}/sources.list";
Dir::Etc::sourceparts "-";
Dir::State::status "${apt}/status";
`,
  )
  const log = `kernel-${release}-apt`
  const run = (program, args) => logged(log, program, args, { cwd: archives, append: true })
  await logged(log, 'apt-get', ['-c', config, 'update'])
  await run('apt-get', ['-c', config, 'download', ...packages])
  const debs = readdirSync(archives).filter((name) => name.endsWith('.deb'))
  for (const name of debs) await run('dpkg-deb', ['-x', name, path.join(fresh, 'root')])
  rmSync(apt, { recursive: true })
}

/** The Debian archive this machine is set up with, mirror and all, with another suite's name. */
function sourceLine(suite) {
  const uri = debianArchive()
  if (uri === undefined) {
    throw new SetupError(
      `apt knows no Debian archive on this machine ("apt-get indextargets" lists none with component main), ` +
        `so other kernels cannot be fetched. The lab's own kernel works: leave out --kernel and IPVS_LAB_KERNEL.`,
    )
  }
  // Without the file, the keys in trusted.gpg.d count.
  const keys = ['gpg', 'pgp']
    .map((ending) => `/usr/share/keyrings/debian-archive-keyring.${ending}`)
    .find((file) => existsSync(file))
  return `deb ${keys ? `[signed-by=${keys}] ` : ''}${uri} ${suite} main\n`
}

function debianArchive() {
  const ours = ({ suite, component, origin, uri }) =>
    component === 'main' &&
    // No -updates, -security or -backports.
    /^[a-z]+$/.test(suite) &&
    // Where apt has not read what the archive says of itself, $(ORIGIN) stays as it is.
    (origin === 'Debian' || (origin === '$(ORIGIN)' && /\/debian(\/\d{8}T\d+Z)?\/?$/.test(uri)))
  const targets = [...indexTargets([]), ...indexTargets(['--no-release-info'])]
  return targets.find(ours)?.uri
}

/** What apt is set up to read, whichever way its sources are written. */
function indexTargets(options) {
  const format = '$(REPO_URI) $(RELEASE) $(COMPONENT) $(ORIGIN)'
  const words = [...options, 'indextargets', '--format', format, 'Created-By: Packages']
  const { stdout } = spawnSync('apt-get', words, { encoding: 'utf8' })
  return (stdout ?? '')
    .split('\n')
    .filter(Boolean)
    .map((line) => {
      const [uri, suite, component, origin] = line.split(' ')
      return { uri, suite, component, origin }
    })
}

const loader = '/lib64/ld-linux-x86-64.so.2'

/**
 * linux.uml, modules and lib in the folder. The program gets the name "ld.so" for its loader, which
 * the system then takes from the folder it is started in. (Starting the loader with the program as
 * its argument does not work: UML computes its memory from where the system put its heap.)
 */
function link(fresh) {
  const program = readFileSync(path.join(fresh, 'root/usr/bin/linux.uml'))
  const at = program.indexOf(`${loader}\0`)
  if (at === -1) throw new SetupError(`${fresh}/root/usr/bin/linux.uml does not use ${loader}.`)
  program.fill(0, at, at + loader.length)
  program.write('ld.so', at)
  const kernel = path.join(fresh, 'linux.uml')
  writeFileSync(kernel, program)
  chmodSync(kernel, 0o755)
  const libraries = ['root/usr/lib/x86_64-linux-gnu', 'root/lib/x86_64-linux-gnu'].find((folder) =>
    existsSync(path.join(fresh, folder, path.basename(loader))),
  )
  if (!libraries) throw new SetupError(`There is no ${path.basename(loader)} in ${fresh}/root.`)
  symlinkSync(libraries, path.join(fresh, 'lib'))
  symlinkSync(path.basename(loader), path.join(fresh, libraries, 'ld.so'))
  mkdirSync(path.join(fresh, 'modules/lib'), { recursive: true })
  symlinkSync('../../root/usr/lib/uml/modules', path.join(fresh, 'modules/lib/modules'))
}

/** What the kernel calls itself; undefined when it does not start or has no modules. */
function version(folder) {
  const lib = path.join(folder, 'lib')
  const { stdout } = spawnSync(path.join(folder, 'linux.uml'), ['--version'], {
    cwd: lib,
    env: { LD_LIBRARY_PATH: lib },
    encoding: 'utf8',
  })
  const said = stdout?.trim()
  return said && existsSync(path.join(folder, 'modules/lib/modules', said)) ? said : undefined
}

const isOf = (version, release) => version.startsWith(`${release}.`)
