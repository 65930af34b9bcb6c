// Packages of Debian, unpacked into a folder of ours: by the machine's own apt, with its sources and keys, but with lists, archives
// and package state apart. It needs no root, and leaves the machine's packages as they are. apt checks signatures and sums.
import { spawn, spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { CommandError } from '../errors.js'

/** @throws CommandError where there is no apt */
export function needApt(hint: string): void {
  const missing = ['apt-get', 'dpkg-deb'].filter((program) => findProgram(program) === undefined)
  if (missing.length === 0) return
  throw new CommandError(
    `the lab's kernel comes from Debian, by apt, and there is no ${missing.join(' and no ')} here. ${hint}`,
  )
}

/** On PATH, and where root's tools are even if PATH does not say so. */
export function findProgram(name: string): string | undefined {
  const folders = (process.env.PATH ?? '').split(':').filter(Boolean)
  return [...folders, '/usr/sbin', '/usr/bin', '/sbin', '/bin']
    .map((folder) => path.join(folder, name))
    .find((file) => existsSync(file))
}

export interface Fetch {
  readonly packages: readonly string[]
  /** `sid`; without one, what the machine itself is set up with. */
  readonly suite?: string | undefined
  /** And those that they depend on, if the machine lacks them. */
  readonly depends: boolean
}

/** Fetches packages and unpacks them to `root`. No script of theirs is run. @throws CommandError */
export async function unpackPackages(work: string, root: string, fetch: Fetch): Promise<void> {
  const apt = path.join(work, 'apt')
  const archives = path.join(apt, 'archives')
  mkdirSync(path.join(apt, 'lists/partial'), { recursive: true })
  mkdirSync(path.join(archives, 'partial'), { recursive: true })
  const config = path.join(apt, 'apt.conf')
  writeFileSync(config, configuration(apt, fetch.suite))
  await run('apt-get', ['-c', config, 'update'], archives)
  const how = fetch.depends
    ? ['install', '-y', '--download-only', '--no-install-recommends']
    : ['download']
  await run('apt-get', ['-c', config, ...how, ...fetch.packages], archives)
  mkdirSync(root, { recursive: true })
  for (const name of readdirSync(archives).filter((name) => name.endsWith('.deb')))
    await run('dpkg-deb', ['-x', path.join(archives, name), root], archives)
  rmSync(apt, { recursive: true })
}

function configuration(apt: string, suite: string | undefined): string {
  const lines = [
    `Dir::State::Lists "${apt}/lists";`,
    `Dir::Cache "${apt}";`,
    `Dir::Cache::Archives "${apt}/archives";`,
    'Debug::NoLocking "true";',
    'APT::Sandbox::User "";',
    'APT::Keep-Downloaded-Packages "true";',
    'Acquire::Languages "none";',
    'Acquire::Retries "3";',
    ...['APT::Update::Pre-Invoke', 'APT::Update::Post-Invoke', 'APT::Update::Post-Invoke-Success'],
    ...['DPkg::Pre-Invoke', 'DPkg::Post-Invoke'],
    ...['Acquire::IndexTargets::deb::Contents-deb', 'Acquire::IndexTargets::deb::DEP-11'],
  ].map((line) => (line.endsWith(';') ? line : `#clear ${line};`))
  if (suite !== undefined) {
    writeFileSync(path.join(apt, 'status'), '')
    writeFileSync(path.join(apt, 'sources.list'), sourceLine(suite))
    lines.push(
      `Dir::Etc::sourcelist "${apt}/sources.list";`,
      'Dir::Etc::sourceparts "-";',
      `Dir::State::status "${apt}/status";`,
    )
  }
  return `${lines.join('\n')}\n`
}

/** The Debian archive this machine is set up with, mirror and all, with another suite's name. */
function sourceLine(suite: string): string {
  const uri = debianArchive()
  if (uri === undefined)
    throw new CommandError(
      'apt knows no Debian archive on this machine ("apt-get indextargets" lists none with component main), so that no kernel can be fetched. Give one by --kernel PATH: the program linux.uml of the package user-mode-linux.',
    )
  // Without the file, the keys in trusted.gpg.d count.
  const keys = ['gpg', 'pgp']
    .map((ending) => `/usr/share/keyrings/debian-archive-keyring.${ending}`)
    .find((file) => existsSync(file))
  return `deb ${keys ? `[signed-by=${keys}] ` : ''}${uri} ${suite} main\n`
}

interface Target {
  readonly uri?: string | undefined
  readonly suite?: string | undefined
  readonly component?: string | undefined
  readonly origin?: string | undefined
}

function debianArchive(): string | undefined {
  const isOurs = ({ suite = '', component, origin, uri = '' }: Target) =>
    component === 'main' &&
    // No -updates, -security or -backports.
    /^[a-z]+$/.test(suite) &&
    // Where apt has not read what the archive says of itself, $(ORIGIN) stays as it is.
    (origin === 'Debian' || (origin === '$(ORIGIN)' && /\/debian(\/\d{8}T\d+Z)?\/?$/.test(uri)))
  return [...indexTargets([]), ...indexTargets(['--no-release-info'])].find(isOurs)?.uri
}

/** What apt is set up to read, whichever way its sources are written. */
function indexTargets(options: readonly string[]): Target[] {
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

/** The end of what it said is shown if it fails. */
async function run(program: string, args: readonly string[], cwd: string): Promise<void> {
  let said = ''
  const child = spawn(program, args, { cwd, stdio: ['ignore', 'pipe', 'pipe'] })
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (text: string) => {
      said = (said + text).slice(-4000)
    })
  const status = await new Promise((resolve, reject) => {
    child.on('error', reject).on('close', resolve)
  })
  if (status === 0) return
  const last = said.trimEnd().split('\n').slice(-12)
  throw new CommandError(
    `"${program} ${args.join(' ')}" failed (${status}). Is there a network? The end of what it said:\n${last.map((line) => `    ${line}`).join('\n')}`,
  )
}
