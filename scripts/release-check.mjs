// npm run release:check [-- --tag v1.2.3]: all that can be known before a release, and its file in build/release. Every check is made, and
// what is not right is listed at the end: apart from the rest what only a maintainer can put right.
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { parseArgs } from 'node:util'
import { pack } from './pack.mjs'
import { prebuild, targets } from './prebuilds.mjs'
import { run } from './setup.mjs'
import { compileTypeScript } from './steps/javascript.mjs'
import { checkout, logged, step } from './steps/step.mjs'

const { tag } = parseArgs({ options: { tag: { type: 'string' } } }).values
const read = (file) => readFileSync(path.join(checkout, file), 'utf8')
const manifest = JSON.parse(read('package.json'))
const prebuilds = path.join(checkout, 'prebuilds')

/** The changelog's first entry. */
function newest() {
  const [, title, date] = /^## (\S+) \((.*)\)$/m.exec(read('CHANGELOG.md')) ?? []
  return { title, date }
}

/** What only a maintainer knows, at the release itself: until then these say NO, and are right. Each returns what is missing. */
const ofMaintainer = {
  'the changelog has the date of the release': () => {
    const { date } = newest()
    return /^\d{4}-\d\d-\d\d$/.test(date) ? undefined : `it says "${date}"`
  },

  'the repository is named, which provenance is checked against': () =>
    manifest.repository === undefined ? 'package.json has no "repository"' : undefined,
}

/** Each returns what is wrong, if something is. */
const checks = {
  'the tree is committed': () => {
    const changed = execFileSync('git', ['status', '--porcelain'], {
      cwd: checkout,
      encoding: 'utf8',
    })
    return changed === ''
      ? undefined
      : `git status shows ${changed.trim().split('\n').length} files`
  },

  'versions agree': () => {
    const { version } = manifest
    const locked = JSON.parse(read('package-lock.json')).version
    if (locked !== version) return `package.json has ${version}, package-lock.json ${locked}`
    if (tag !== undefined && tag !== `v${version}`) return `the tag ${tag} is not v${version}`
    return undefined
  },

  'the changelog and UPGRADING have this version': () => {
    const { title } = newest()
    if (title !== manifest.version) return `the changelog begins with ${title}`
    const said = read('UPGRADING.md').includes(`## To ${title}\n`)
    return said ? undefined : `UPGRADING.md has no "## To ${title}"`
  },

  'the TypeScript compiles': async () => {
    rmSync(path.join(checkout, 'dist'), { recursive: true, force: true })
    rmSync(path.join(checkout, 'build/src.tsbuildinfo'), { force: true })
    await compileTypeScript()
  },

  'four binaries, each the same when it is compiled again': async () => {
    rmSync(prebuilds, { recursive: true, force: true })
    await prebuild()
    // In a folder of another depth, or it would not be seen that one has got into the file.
    const again = mkdtempSync(path.join(tmpdir(), 'ipvs-again-'))
    try {
      await prebuild({ out: again, work: again })
      const binaries = readdirSync(prebuilds, { recursive: true }).filter((name) =>
        name.endsWith('.node'),
      )
      if (binaries.length !== targets.length) return `there are ${binaries.length}`
      const differ = binaries.filter((name) => {
        const other = readFileSync(path.join(again, 'prebuilds', name))
        return !readFileSync(path.join(prebuilds, name)).equals(other)
      })
      return differ.length === 0 ? undefined : `${differ.join(', ')} differ`
    } finally {
      rmSync(again, { recursive: true })
    }
  },

  'no known weakness in what is installed with it': () =>
    step('Asking npm for known weaknesses', () =>
      // Else, below `npm run --silent`, it does not say why.
      logged('npm-audit', 'npm', ['audit', '--omit=dev', '--loglevel=warn']),
    ),

  // Symbols, size, licences, what must not be in it, publint, arethetypeswrong, bundles: test/package.
  'the tests of the package pass, on all four binaries': async () => {
    const vitest = path.join(checkout, 'node_modules/vitest/vitest.mjs')
    const status = await run(process.execPath, [vitest, 'run', '--project', 'package'], {
      cwd: checkout,
      env: { ...process.env, IPVS_PREBUILDS: prebuilds },
    })
    return status === 0 ? undefined : 'see above'
  },

  'packed into build/release': async () => {
    const out = path.join(checkout, 'build/release')
    rmSync(out, { recursive: true, force: true })
    await pack({ out, prebuilds })
  },
}

/** @returns {Promise<number>} how many are not right */
async function make(all) {
  const lines = []
  for (const [name, check] of Object.entries(all)) {
    const problem = await Promise.resolve()
      .then(check)
      .catch((error) => error.message)
    lines.push(problem === undefined ? `yes  ${name}` : `NO   ${name}: ${problem}`)
  }
  process.stdout.write(`\n${lines.join('\n')}\n`)
  return lines.filter((line) => line.startsWith('NO')).length
}

const wrong = await make(checks)
const left = await make(ofMaintainer)
if (left > 0) {
  process.stdout.write(
    "What says NO in the last two rows is a maintainer's, at the release itself (docs/packaging.md).\n",
  )
}
process.exitCode = wrong + left > 0 ? 1 : 0
