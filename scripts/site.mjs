// npm run site [-- --serve]: the documentation as a site in build/site/out: pages of docs/, a page for each error code from the table that
// the code uses, and the reference from docstrings. A link that leads nowhere, a word that no dictionary
// has (site/cspell.json has ours) and a public name whose docstring is missing or incomplete fail it.
import {
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { createRequire } from 'node:module'
import path from 'node:path'
import { pathToFileURL } from 'node:url'
import { findMissing } from '../site/docstrings.mjs'
import { run } from './setup.mjs'
import { compileTypeScript, installPackages } from './steps/javascript.mjs'
import { cacheDir, checkout, logged, SetupError, step } from './steps/step.mjs'

const tools = path.join(cacheDir, 'site')
const source = path.join(checkout, 'build/site/source')
const out = path.join(checkout, 'build/site/out')
const vitepress = path.join(tools, 'node_modules/vitepress/bin/vitepress.js')
const { entryPoints } = JSON.parse(readFileSync(path.join(checkout, 'site/typedoc.json'), 'utf8'))
const env = {
  IPVS_SITE_SOURCE: source,
  IPVS_SITE_OUT: out,
  IPVS_SITE_CACHE: path.join(tools, 'vite'),
}

async function fetchTools() {
  const lock = readFileSync(path.join(checkout, 'site/package-lock.json'), 'utf8')
  const stamp = path.join(tools, 'fetched')
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === lock) return
  mkdirSync(tools, { recursive: true })
  for (const file of ['package.json', 'package-lock.json']) {
    copyFileSync(path.join(checkout, 'site', file), path.join(tools, file))
  }
  await step('Fetching what builds the site', () =>
    logged('npm-ci-site', 'npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error'], {
      cwd: tools,
    }),
  )
  writeFileSync(stamp, lock)
}

/** The pages as they lie in the checkout, so that their links hold. */
async function layOut() {
  rmSync(source, { recursive: true, force: true })
  mkdirSync(path.join(source, 'errors'), { recursive: true })
  cpSync(path.join(checkout, 'docs'), path.join(source, 'docs'), { recursive: true })
  const names = ['CHANGELOG', 'CONTRIBUTING', 'SECURITY', 'UPGRADING', 'THIRD-PARTY']
  for (const name of names)
    copyFileSync(path.join(checkout, `${name}.md`), path.join(source, `${name}.md`))
  copyFileSync(path.join(checkout, 'README.md'), path.join(source, 'index.md'))
  for (const name of readdirSync(path.join(source, 'docs')).filter((one) => one.endsWith('.md'))) {
    const file = path.join(source, 'docs', name)
    writeFileSync(file, readFileSync(file, 'utf8').replaceAll('](../README.md', '](../index.md'))
  }
  copyFileSync(path.join(checkout, 'LICENSE'), path.join(source, 'LICENSE.md'))
  const { errorCodes } = await import(pathToFileURL(path.join(checkout, 'dist/error-codes.js')))
  const codes = Object.entries(errorCodes).sort(([a], [b]) => (a < b ? -1 : 1))
  for (const [code, { cause, remedy }] of codes) {
    writeFileSync(
      path.join(source, `errors/${code}.md`),
      `# ${code}\n\n**What happened.** ${cause}\n\n**What to do.** ${remedy}\n`,
    )
  }
  const rows = codes.map(([code, { cause }]) => `| [${code}](${code}.md) | ${cause} |`)
  const head =
    'Decide by `code`, never by `message`. A bad argument is a `TypeError` or `RangeError` with the code `ERR_IPVS_ARGUMENT`: its `option` and `value` say what was wrong.'
  writeFileSync(
    path.join(source, 'errors/index.md'),
    `# Errors\n\n${head}\n\n| code | what happened |\n|---|---|\n${rows.join('\n')}\n`,
  )
}

async function checkSpelling() {
  const cspell = path.join(tools, 'node_modules/cspell/bin.mjs')
  const options = [
    '--config',
    path.join(checkout, 'site/cspell.json'),
    '--no-progress',
    '--no-summary',
    '--root',
    source,
  ]
  await step('Looking at spelling', () =>
    logged('site-spelling', process.execPath, [cspell, ...options, '**/*.md'], { cwd: source }),
  )
}

/** In the example they have to find what it says, no more and no less; in the library nothing. */
async function checkDocstrings() {
  const ts = createRequire(path.join(tools, 'package.json'))('typescript')
  const config = path.join(checkout, 'src/tsconfig.json')
  const site = path.join(checkout, 'site')
  const example = path.join(site, 'docstrings-example.ts')
  const lines = readFileSync(example, 'utf8').split('\n')
  await step('Looking at docstrings', () => {
    const wanted = lines.flatMap((line, at) =>
      /^ *\/\/ no /.test(line) ? [`${at + 2}: ${line.trim().slice(3)}`] : [],
    )
    const found = findMissing(ts, config, [example]).map((line) =>
      line.replace(/^\S+:(\d+): .*: /, '$1: '),
    )
    if (wanted.sort().join() !== found.sort().join())
      throw new SetupError(`${example} lacks ${wanted.join('; ')}; found was ${found.join('; ')}`)
    const entries = entryPoints.map((file) => path.resolve(site, file))
    const missing = findMissing(ts, config, entries)
    if (missing.length > 0)
      throw new SetupError(`Docstrings of src/ do not say all:\n${missing.join('\n')}`)
  })
}

/** typedoc wants a TypeScript of its own. */
async function makeReference() {
  const typedoc = path.join(tools, 'node_modules/typedoc/bin/typedoc')
  const options = [
    '--options',
    path.join(checkout, 'site/typedoc.json'),
    '--tsconfig',
    path.join(checkout, 'src/tsconfig.json'),
  ]
  await step('Making the reference of docstrings', () =>
    logged(
      'site-reference',
      process.execPath,
      [typedoc, ...options, '--docsRoot', source, '--out', path.join(source, 'reference')],
      { cwd: tools },
    ),
  )
}

async function main(words) {
  const serve = words.includes('--serve')
  const unknown = words.find((word) => word !== '--serve')
  if (unknown !== undefined)
    throw new SetupError(`site: unknown argument "${unknown}"; there is --serve.`)
  await installPackages()
  await fetchTools()
  await compileTypeScript()
  await checkDocstrings()
  await layOut()
  await checkSpelling()
  await makeReference()
  // VitePress looks for its settings, and they for their packages, in a folder above the pages.
  const root = path.join(checkout, 'build/site')
  mkdirSync(path.join(root, '.vitepress'), { recursive: true })
  copyFileSync(path.join(checkout, 'site/config.mjs'), path.join(root, '.vitepress/config.mjs'))
  if (!existsSync(path.join(root, 'node_modules')))
    symlinkSync(path.join(tools, 'node_modules'), path.join(root, 'node_modules'))
  await step('Building the site', () =>
    logged('site', process.execPath, [vitepress, 'build', root], { env, cwd: root }),
  )
  process.stdout.write(`${path.join(out, 'index.html')}\n`)
  return serve
    ? run(process.execPath, [vitepress, 'preview', root], {
        cwd: root,
        env: { ...process.env, ...env },
      })
    : 0
}

try {
  process.exitCode = await main(process.argv.slice(2))
} catch (error) {
  process.stderr.write(`${error instanceof SetupError ? error.message : error.stack}\n`)
  process.exitCode = 1
}
