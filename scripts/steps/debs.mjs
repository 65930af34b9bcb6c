// Debian packages unpacked into a folder of ours: no root, and the machine's own packages stay as they are.
import {
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readlinkSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import path from 'node:path'
import { logged, programFolders, SetupError } from './step.mjs'

/**
 * Fetches packages, and those they depend on that the machine lacks, and unpacks all of them. No script of theirs is
 * run: no user is made and no daemon started.
 *
 * @param {string} name of the log, and of whoever needs them in messages: `lab`
 * @param {string} root folder to unpack to; replaced as a whole. Beside it `<name>-apt` holds the archives meanwhile.
 * @param {string[]} packages
 * @param {string} byHand how to install them otherwise, for messages
 * @param {string[]} architectures in Debian's words, where packages are of another one than the machine
 * @param {string[]} options of apt-get: with `--reinstall` also packages that the machine has
 */
export async function unpackDebs(name, root, packages, byHand, architectures = [], options = []) {
  for (const program of ['apt-get', 'dpkg-deb']) {
    if (programFolders().some((folder) => existsSync(path.join(folder, program)))) continue
    throw new SetupError(
      `The ${name} needs ${packages.join(', ')}, and there is no ${program} here to fetch it with. ${byHand}`,
    )
  }
  const apt = path.join(path.dirname(root), 'apt')
  const log = `${name}-apt`
  mkdirSync(path.join(apt, 'lists/partial'), { recursive: true })
  mkdirSync(path.join(apt, 'archives/partial'), { recursive: true })
  const config = path.join(apt, 'apt.conf')
  writeFileSync(config, aptConfig(apt, architectures))
  const run = (args) => logged(log, 'apt-get', ['-c', config, ...args], { append: true })
  // Archives of an earlier, interrupted call stay: apt checks them and fetches only the rest.
  await logged(log, 'apt-get', ['-c', config, 'update'])
  const words = ['-y', '--download-only', '--no-install-recommends', ...options]
  await run(['install', ...words, ...packages])

  const archives = path.join(apt, 'archives')
  const debs = readdirSync(archives).filter((file) => file.endsWith('.deb'))
  if (debs.some((file) => /^libc6_/.test(file))) {
    rmSync(apt, { recursive: true })
    throw new SetupError(
      `The archive's ${packages.join(', ')} need a newer C library than this machine has. ` +
        `Bring the machine up to date (apt-get upgrade, as root) and try again. ${byHand}`,
    )
  }
  const fresh = `${root}.new`
  rmSync(fresh, { recursive: true, force: true })
  mkdirSync(fresh)
  for (const file of debs) {
    await logged(log, 'dpkg-deb', ['-x', path.join(archives, file), fresh], { append: true })
  }
  relink(fresh)
  rmSync(root, { recursive: true, force: true })
  renameSync(fresh, root)
  rmSync(apt, { recursive: true })
}

/** The machine's own sources and keys, with every folder apt writes to under `apt`. */
export function aptConfig(apt, architectures = []) {
  return `
${architectures.map((name) => `APT::Architectures:: "${name}";`).join('\n')}
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
