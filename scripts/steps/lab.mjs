// The lab's kernel and tools, from Debian, into .cache/lab: no root, and the machine's own
// packages stay as they are. What the machine already has is used from there.
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { unpackDebs } from './debs.mjs'
import { cacheDir, programFolders, SetupError, step } from './step.mjs'

/** The program that shows a package is there. */
const packages = {
  'user-mode-linux': 'linux.uml',
  kmod: 'modprobe',
  iproute2: 'ip',
  ipvsadm: 'ipvsadm',
  'dnsmasq-base': 'dnsmasq',
  strace: 'strace',
  procps: 'ps',
  tmux: 'tmux',
}

const lab = path.join(cacheDir, 'lab')
const root = path.join(lab, 'root')
const stamp = path.join(lab, 'fetched.json')
const byHand = `By hand, as root on Debian 12 or newer (x86-64): apt-get install ${Object.keys(packages).join(' ')}`

/** Before anything is fetched: is there a lab for this machine? */
export function checkMachine({ platform, arch } = process) {
  if ((platform === 'linux' && arch === 'x64') || process.env.IPVS_KERNEL === 'host') return
  throw new SetupError(
    `There is no lab for this machine: its kernel exists for x86-64 Linux only, and this is ${platform} ${arch}. ` +
      `Where this machine's own kernel has IPVS, use it, as root: IPVS_KERNEL=host npm run demo (docs/lab.md).`,
  )
}

export async function fetchLab() {
  if (upToDate()) return
  rmSync(stamp, { force: true })
  const missing = missingPackages(programFolders())
  if (missing.length > 0) {
    await step(`Fetching the lab from Debian (${missing.join(', ')})`, () =>
      unpackDebs('lab', root, missing, byHand),
    )
  }
  if (hasKernel()) link()
  const version = hasKernel() ? kernelVersion() : 'none'
  writeFileSync(stamp, `${JSON.stringify({ fetched: missing, version })}\n`)
}

/** Looks at the programs too: one may have been removed from the machine since. */
function upToDate() {
  return (
    existsSync(stamp) &&
    (!hasKernel() ||
      (existsSync(path.join(lab, 'linux.uml')) &&
        existsSync(path.join(lab, 'modules/lib/modules')))) &&
    missingPackages([...programFolders(), ...cachedFolders(root)]).length === 0
  )
}

const cachedFolders = (under) =>
  ['usr/bin', 'usr/sbin', 'bin', 'sbin'].map((folder) => path.join(under, folder))

const find = (program, folders) =>
  folders.map((folder) => path.join(folder, program)).find((file) => existsSync(file))

/** Elsewhere the tools alone are wanted, for the machine's own kernel. */
const hasKernel = () => process.platform === 'linux' && process.arch === 'x64'

const missingPackages = (folders) =>
  Object.keys(packages)
    .filter((name) => hasKernel() || name !== 'user-mode-linux')
    .filter((name) => !find(packages[name], folders))

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
