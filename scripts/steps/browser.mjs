// A browser for the director's page, and promtool for its figures, from Debian, into .cache/browser: no root.
import { existsSync, mkdirSync } from 'node:fs'
import path from 'node:path'
import { unpackDebs } from './debs.mjs'
import { cacheDir, programFolders, SetupError, step } from './step.mjs'

const folder = path.join(cacheDir, 'browser')
const root = path.join(folder, 'root')

/** Each package, and a file that shows it is there. */
const packages = {
  'chromium-headless-shell': 'usr/lib/chromium/chromium-headless-shell',
  'fonts-dejavu-core': 'usr/share/fonts/truetype/dejavu/DejaVuSans.ttf',
  prometheus: 'usr/bin/promtool',
}
const names = Object.keys(packages)

async function fetchBrowser() {
  const isThere = (name) => ['/', root].some((at) => existsSync(path.join(at, packages[name])))
  const missing = names.filter((name) => !isThere(name))
  if (missing.length === 0) return
  const byHand = `By hand, as root on Debian 12 or newer: apt-get install ${names.join(' ')}`
  if (!programFolders().some((at) => existsSync(path.join(at, 'apt-get')))) {
    throw new SetupError(`There is no browser here to show the director's page. ${byHand}`)
  }
  mkdirSync(folder, { recursive: true })
  await step(`Fetching a browser and promtool from Debian (${missing.join(', ')})`, () =>
    unpackDebs('browser', root, missing, byHand),
  )
}

try {
  await fetchBrowser()
} catch (error) {
  process.stderr.write(`${error instanceof SetupError ? error.message : error.stack}\n`)
  process.exitCode = 1
}
