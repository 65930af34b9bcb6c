// Real servers to check, from Debian, into .cache/servers; and namespaces in which they can be started.
import { spawnSync } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { unpackDebs } from './debs.mjs'
import { cacheDir, NotAllowedError, SetupError, step } from './step.mjs'

/** Each package, and a file that shows it is there. */
const packages = {
  unbound: '/usr/sbin/unbound',
  slapd: '/usr/sbin/slapd',
  'mariadb-server-core': '/usr/sbin/mariadbd',
  postfix: '/usr/lib/postfix/sbin/master',
  'dovecot-imapd': '/usr/lib/dovecot/imap-login',
  'dovecot-pop3d': '/usr/lib/dovecot/pop3-login',
  nginx: '/usr/sbin/nginx',
  'redis-server': '/usr/bin/redis-server',
  iproute2: '/usr/bin/ip',
}

const folder = path.join(cacheDir, 'servers')
const root = path.join(folder, 'root')
const byHand = `By hand, as root on Debian 12 or newer: apt-get install ${Object.keys(packages).join(' ')}`

/** @param {{ install: boolean }} options whether anything may be fetched */
export async function fetchServers({ install }) {
  if (missingPackages(['/', root]).length === 0) return
  const missing = missingPackages(['/'])
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

const missingPackages = (roots) =>
  Object.keys(packages).filter(
    (name) => !roots.some((at) => existsSync(path.join(at, packages[name]))),
  )

/**
 * Users the servers insist on, made for the namespace alone. Postfix wants a group that nobody has for its own.
 */
const users = [
  ['postfix', 64_101],
  ['postdrop', 64_102],
  ['dovecot', 64_103],
  ['dovenull', 64_104],
]

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
  const files = path.join(folder, 'etc')
  writeFiles(files)
  return ['unshare', ...namespaces, 'sh', '-c', script, 'sh', files, root, ...command]
}

function writeFiles(files) {
  mkdirSync(files, { recursive: true })
  const append = (name, lines) => {
    const own = readFileSync(path.join('/etc', name), 'utf8').trimEnd().split('\n')
    const others = own.filter((line) => !users.some(([user]) => line.startsWith(`${user}:`)))
    writeFileSync(path.join(files, name), `${[...others, ...lines].join('\n')}\n`)
  }
  append(
    'passwd',
    users.map(([user, id]) => `${user}:x:${id}:${id}::/nonexistent:/usr/sbin/nologin`),
  )
  append(
    'group',
    users.map(([user, id]) => `${user}:x:${id}:`),
  )
  // A name for the address above: only of hosts whose name it could find does MariaDB count the errors.
  writeFileSync(
    path.join(files, 'hosts'),
    '127.0.0.1 localhost\n::1 localhost\n10.99.0.1 checker.test\n',
  )
}
