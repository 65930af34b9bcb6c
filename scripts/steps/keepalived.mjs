// keepalived, to compare with: from Debian into .cache/keepalived, unless the machine has it. It is not installed, so nothing
// starts it as a service.
import { existsSync, mkdirSync } from 'node:fs'
import path from 'node:path'
import { unpackDebs } from './debs.mjs'
import { cacheDir, programFolders, step } from './step.mjs'

const folder = path.join(cacheDir, 'keepalived')
const root = path.join(folder, 'root')
const byHand = 'By hand, as root: apt-get install --no-install-recommends keepalived'

export async function fetchKeepalived() {
  const has = (at) => existsSync(path.join(at, 'keepalived'))
  if ([...programFolders(), path.join(root, 'usr/sbin')].some(has)) return
  mkdirSync(folder, { recursive: true })
  await step('Fetching keepalived from Debian', () =>
    unpackDebs('keepalived', root, ['keepalived'], byHand),
  )
}
