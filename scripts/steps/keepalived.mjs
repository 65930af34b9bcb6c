// keepalived, to compare with: from Debian into .cache/keepalived, unless the machine has it. It is not installed, so nothing
// starts it as a service.
import { existsSync, mkdirSync } from 'node:fs'
import path from 'node:path'
import { fetchPackages } from './lab.mjs'
import { cacheDir, programFolders, SetupError, step } from './step.mjs'

const folder = path.join(cacheDir, 'keepalived')

export async function fetchKeepalived() {
  const has = (at) => existsSync(path.join(at, 'keepalived'))
  if ([...programFolders(), path.join(folder, 'root/usr/sbin')].some(has)) return
  for (const program of ['apt-get', 'dpkg-deb']) {
    if (programFolders().some((at) => existsSync(path.join(at, program)))) continue
    throw new SetupError(
      `There is no keepalived here, and no ${program} to fetch it with. Install keepalived.`,
    )
  }
  mkdirSync(folder, { recursive: true })
  await step('Fetching keepalived from Debian', () => fetchPackages(['keepalived'], folder))
}
