// Real servers to check, from Debian, into .cache/servers; and namespaces in which they can be started.
// npm run servers -- COMMAND ARG... runs a command there.
import { spawnSync } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { run, setup } from '../setup.mjs'
import { unpackDebs } from './debs.mjs'
import { cacheDir, checkout, NotAllowedError, SetupError, step } from './step.mjs'

const folder = path.join(cacheDir, 'servers')
const root = path.join(folder, 'root')
const files = path.join(folder, 'etc')

/**
 * Fetches what the machine lacks of the servers in test/servers/known-servers.ts, which setup() has compiled, and names the
 * users that they insist on.
 *
 * @param {{ install: boolean }} options whether anything may be fetched
 */
export async function fetchServers({ install }) {
  const compiled = path.join(checkout, 'build/tools/test/servers/known-servers.js')
  const { servers } = await import(compiled)
  writeEtc(servers.flatMap(({ users = [] }) => users))
  // Each package, and a file that shows it is there.
  const packages = Object.assign({ iproute2: '/usr/bin/ip' }, ...servers.map((one) => one.packages))
  const names = Object.keys(packages)
  const missingIn = (roots) =>
    names.filter((name) => !roots.some((at) => existsSync(path.join(at, packages[name]))))
  if (missingIn(['/', root]).length === 0) return
  const byHand = `By hand, as root on Debian 12 or newer: apt-get install ${names.join(' ')}`
  const missing = missingIn(['/'])
  if (!install) throw new SetupError(`The servers to check are not here. ${byHand}`)
  mkdirSync(folder, { recursive: true })
  await step(`Fetching servers to check from Debian (${missing.join(', ')})`, async () => {
    await unpackDebs('servers', root, missing, byHand)
    // Some packages still have files where there are links to /usr now.
    for (const name of ['bin', 'sbin', 'lib', 'lib64']) {
      const old = path.join(root, name)
      if (existsSync(old)) cpSync(old, path.join(root, 'usr', name), { recursive: true })
    }
  })
}

/**
 * Network with a loopback only, processes that all end with the first one, and mounts that nobody else sees: the
 * unpacked packages lie over /usr, so that their programs find what they were built to find.
 */
const script = `
set -eu
files=$1 root=$2
shift 2
mount --make-rprivate /
if [ -d "$root/usr" ]; then mount -t overlay servers -o "lowerdir=$root/usr:/usr" /usr; fi
for name in passwd group hosts; do mount --bind "$files/$name" "/etc/$name"; done
ip link set lo up
# Not a loopback address to the servers: MariaDB never blocks 127.0.0.1.
ip address add 10.99.0.1/24 dev lo
"$@"
`

/** What to run so that `command` runs among the servers' files, in namespaces of its own. */
export function amongServers(command) {
  const need =
    'Health checks meet real servers in network and mount namespaces of their own, which takes root on Linux'
  if (process.platform !== 'linux' || process.getuid() !== 0) {
    throw new NotAllowedError(`${need}: run this gate as root.`)
  }
  const namespaces = ['--net', '--mount', '--pid', '--fork', '--kill-child', '--mount-proc']
  const { error, status, stderr } = spawnSync('unshare', [...namespaces, 'true'], {
    encoding: 'utf8',
  })
  if (status !== 0) {
    throw new NotAllowedError(
      `${need} and, in a container, its capability SYS_ADMIN: ${error?.message ?? stderr.trim()}`,
    )
  }
  return ['unshare', ...namespaces, 'sh', '-c', script, 'sh', files, root, ...command]
}

/** What the namespaces have in place of three files of the machine: each user has a group of its name. */
function writeEtc(users) {
  mkdirSync(files, { recursive: true })
  // Postfix wants a group that nobody has for its own: each gets a number of its own.
  const ids = users.map((name, index) => [name, 64_101 + index])
  const append = (name, lines) => {
    const own = readFileSync(path.join('/etc', name), 'utf8').trimEnd().split('\n')
    const others = own.filter((line) => !users.some((user) => line.startsWith(`${user}:`)))
    writeFileSync(path.join(files, name), `${[...others, ...lines].join('\n')}\n`)
  }
  append(
    'passwd',
    ids.map(([name, id]) => `${name}:x:${id}:${id}::/nonexistent:/usr/sbin/nologin`),
  )
  append(
    'group',
    ids.map(([name, id]) => `${name}:x:${id}:`),
  )
  // A name for the address above: only of hosts whose name it could find does MariaDB count the errors.
  writeFileSync(
    path.join(files, 'hosts'),
    '127.0.0.1 localhost\n::1 localhost\n10.99.0.1 checker.test\n',
  )
}

if (process.argv[1] === import.meta.filename) {
  try {
    const [program, ...args] = amongServers(process.argv.slice(2))
    await setup({ tolerant: true })
    await fetchServers({ install: true })
    process.exitCode = await run(program, args)
  } catch (error) {
    process.stderr.write(`${error instanceof SetupError ? error.message : error.stack}\n`)
    process.exitCode = 1
  }
}
