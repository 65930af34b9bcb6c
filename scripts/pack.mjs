// node scripts/pack.mjs --out FOLDER [--prebuilds FOLDER]: the package's file, as npm would publish it, from a copy: what else lies in this
// checkout's prebuilds/ does not get in. Without --prebuilds it has one binary, made here. Prints its name and what is in it, as JSON.
import { execFileSync } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { parseArgs } from 'node:util'
import { prebuild } from './prebuilds.mjs'
import { checkout } from './steps/step.mjs'

/** @returns {Promise<{ tarball: string, files: string[] }>} */
export async function pack({ out, prebuilds }) {
  const copy = mkdtempSync(path.join(tmpdir(), 'ipvs-pack-'))
  try {
    const pages = readdirSync(checkout).filter((name) => /^(.*\.md|LICENSE)$/.test(name))
    for (const part of ['package.json', 'native', 'src', 'schema', 'dist', ...pages]) {
      cpSync(path.join(checkout, part), path.join(copy, part), { recursive: true })
    }
    if (prebuilds === undefined) await prebuild({ out: copy, names: ['here'] })
    else cpSync(prebuilds, path.join(copy, 'prebuilds'), { recursive: true })
    mkdirSync(out, { recursive: true })
    const options = ['--json', '--ignore-scripts', '--pack-destination', path.resolve(out)]
    const list = execFileSync('npm', ['pack', ...options], {
      cwd: copy,
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    })
    // npm 12 gives an object, by name.
    const { filename, files } = Object.values(JSON.parse(list))[0]
    return { tarball: path.resolve(out, filename), files: files.map((file) => file.path).sort() }
  } finally {
    rmSync(copy, { recursive: true, force: true })
  }
}

if (process.argv[1] === path.join(checkout, 'scripts/pack.mjs')) {
  const { values } = parseArgs({
    options: { out: { type: 'string' }, prebuilds: { type: 'string' } },
  })
  process.stdout.write(`${JSON.stringify(await pack(values))}\n`)
}
