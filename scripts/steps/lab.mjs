// The lab's kernel and tools, from Debian, into .cache/lab: no root, and the machine's own
// packages stay as they are. What the machine already has is used from there.
import { spawnSync } from 'node:child_process'
import {
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import path from 'node:path'
import { cacheDir, logged, programFolders, SetupError, step } from './step.mjs'

/** The program that shows a package is there. */
const packages = {
  'user-mode-linux': 'linux.uml',
  kmod: 'modprobe',
  iproute2: 'ip',
  ipvsadm: 'ipvsadm',
  'dnsmasq-base': 'dnsmasq',
  strace: 'strace',
  procps: 'ps',
}

const lab = path.join(cacheDir, 'lab')
const root = path.join(lab, 'root')
const stamp = path.join(lab, 'fetched.json')
const byHand = `By hand, as root on Debian 12 or newer (x86-64): apt-get install ${Object.keys(packages).join(' ')}`

export async function fetchLab() {
  if (upToDate()) return
  if (process.platform !== 'linux' || process.arch !== 'x64') {
    throw new SetupError(
      `The lab's kernel exists for x86-64 Linux only; this is ${process.platform} ${process.arch}. ` +
        `Where this machine's own kernel has IPVS, use IPVS_KERNEL=host (as root).`,
    )
  }
  rmSync(stamp, { force: true })
  const missing = missingPackages(programFolders())
  if (missing.length > 0) {
    for (const program of ['apt-get', 'dpkg-deb']) {
      if (!find(program, programFolders())) {
        throw new SetupError(
          `The lab needs ${missing.join(', ')}, and there is no ${program} here to fetch it with. ${byHand}`,
        )
      }
    }
    await step(`Fetching the lab from Debian (${missing.join(', ')})`, () =>
      fetchPackages(missing, lab),
    )
  }
  link()
  writeFileSync(stamp, `${JSON.stringify({ fetched: missing, version: kernelVersion() })}\n`)
}

/** Looks at the programs too: one may have been removed from the machine since. */
function upToDate() {
  return (
    existsSync(stamp) &&
    existsSync(path.join(lab, 'linux.uml')) &&
    existsSync(path.join(lab, 'modules/lib/modules')) &&
    missingPackages([...programFolders(), ...cachedFolders(root)]).length === 0
  )
}

const cachedFolders = (under) =>
  ['usr/bin', 'usr/sbin', 'bin', 'sbin'].map((folder) => path.join(under, folder))

const find = (program, folders) =>
  folders.map((folder) => path.join(folder, program)).find((file) => existsSync(file))

const missingPackages = (folders) =>
  Object.keys(packages).filter((name) => !find(packages[name], folders))

/** Packages, with what they need and the machine lacks, unpacked into `root` of the folder. */
export async function fetchPackages(missing, folder) {
  const root = path.join(folder, 'root')
  const apt = path.join(folder, 'apt')
  const log = `${path.basename(folder)}-apt`
  mkdirSync(path.join(apt, 'lists/partial'), { recursive: true })
  mkdirSync(path.join(apt, 'archives/partial'), { recursive: true })
  const config = path.join(apt, 'apt.conf')
  writeFileSync(config, aptConfig(apt))
  const run = (args) => logged(log, 'apt-get', ['-c', config, ...args], { append: true })
  // Archives of an earlier, interrupted call stay: apt checks them and fetches only the rest.
  await logged(log, 'apt-get', ['-c', config, 'update'])
  await run(['install', '-y', '--download-only', '--no-install-recommends', ...missing])

  const archives = path.join(apt, 'archives')
  const debs = readdirSync(archives).filter((name) => name.endsWith('.deb'))
  if (debs.some((name) => /^libc6_/.test(name))) {
    rmSync(apt, { recursive: true })
    throw new SetupError(
      `The archive's ${missing.join(', ')} need a newer C library than this machine has. ` +
        `Bring the machine up to date (apt-get upgrade, as root) and try again, or install them by hand.`,
    )
  }
  const fresh = `${root}.new`
  rmSync(fresh, { recursive: true, force: true })
  mkdirSync(fresh)
  for (const name of debs) {
    await logged(log, 'dpkg-deb', ['-x', path.join(archives, name), fresh], { append: true })
  }
  relink(fresh)
  rmSync(root, { recursive: true, force: true })
  renameSync(fresh, root)
  rmSync(apt, { recursive: true })
}

/** The machine's own sources and keys, with every folder apt writes to under `apt`. */
export function aptConfig(apt) {
  return `
Dir::State::Lists "${apt}/lists";
Dir::Cache "${apt}";
Dir::Cache::Archives "${apt}/archives";
Debug::NoLocking "true";
APT::Sandbox::User "";
APT::Keep-Downloaded-Packages "true";
Acquire::Languages "none";
Acquire::Retries "3";
#clear APT::Update::Pre-Invoke;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
#clear DPkg::Pre-Invoke;
#clear DPkg::Post-Invoke;
#clear Acquire::IndexTargets::deb::Contents-deb;
#clear Acquire::IndexTargets::deb::DEP-11;
`
}

/** Links such as /sbin/modprobe -> /bin/kmod mean the package's own root, not the machine's. */
function relink(fresh) {
  for (const name of readdirSync(fresh, { recursive: true })) {
    const file = path.join(fresh, name)
    if (!lstatSync(file).isSymbolicLink()) continue
    const target = readlinkSync(file)
    if (!target.startsWith('/') || !existsSync(path.join(fresh, target))) continue
    rmSync(file)
    symlinkSync(path.relative(path.dirname(file), path.join(fresh, target)), file)
  }
}

/** Two names that hold wherever the kernel came from: .cache/lab/linux.uml and .cache/lab/modules. */
function link() {
  const own = path.join(root, 'usr/bin/linux.uml')
  const kernel = find('linux.uml', programFolders())
  const modules = path.join(lab, 'modules/lib')
  mkdirSync(modules, { recursive: true })
  for (const [name, target] of [
    [path.join(lab, 'linux.uml'), kernel ?? 'root/usr/bin/linux.uml'],
    [
      path.join(modules, 'modules'),
      kernel && !existsSync(own) ? '/usr/lib/uml/modules' : '../../root/usr/lib/uml/modules',
    ],
  ]) {
    rmSync(name, { force: true })
    symlinkSync(target, name)
  }
}

function kernelVersion() {
  const { stdout, error } = spawnSync(path.join(lab, 'linux.uml'), ['--version'], {
    encoding: 'utf8',
  })
  const version = stdout?.trim()
  if (!version || !existsSync(path.join(lab, 'modules/lib/modules', version))) {
    throw new SetupError(
      `The lab's kernel at ${lab}/linux.uml does not start, or has no modules beside it ` +
        `(${error?.message ?? `version "${version}"`}). Delete ${lab} and run the setup again. ${byHand}`,
    )
  }
  return version
}

export const labVersion = () => JSON.parse(readFileSync(stamp, 'utf8')).version
