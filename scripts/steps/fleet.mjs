// etcd and BIRD, for directors that are many: from Debian into .cache/fleet, unless the machine has them. They are not
// installed, so nothing starts them as services.
import { existsSync, mkdirSync } from 'node:fs'
import path from 'node:path'
import { unpackDebs } from './debs.mjs'
import { cacheDir, programFolders, step } from './step.mjs'

const folder = path.join(cacheDir, 'fleet')
const root = path.join(folder, 'root')
const packages = { 'etcd-server': 'etcd', bird2: 'bird' }
const byHand = `By hand, as root: apt-get install --no-install-recommends ${Object.keys(packages).join(' ')}`

export async function fetchFleet() {
  const folders = [
    ...programFolders(),
    ...['bin', 'sbin'].map((name) => path.join(root, 'usr', name)),
  ]
  const has = (program) => folders.some((at) => existsSync(path.join(at, program)))
  if (Object.values(packages).every(has)) return
  mkdirSync(folder, { recursive: true })
  await step('Fetching etcd and BIRD from Debian', () =>
    unpackDebs('fleet', root, Object.keys(packages), byHand),
  )
}
