// npm run prebuilds [-- --out FOLDER] [TARGET...]: the addons that come with the package, into FOLDER/prebuilds (of this checkout if left
// out). Zig compiles them for every target from here: for a C library of 2014 on, or for musl. The target `here` is this machine's,
// by its own compiler: quick, for tests. The same sources give the same bytes, wherever the checkout lies and whatever was compiled before.
import { copyFileSync, cpSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { headerFolder } from './steps/addon.mjs'
import { checkout, logged, SetupError, step } from './steps/step.mjs'
import { fetchZig } from './steps/zig.mjs'

/** Zig's names of the processors. */
const processors = { x64: 'x86_64', arm64: 'aarch64' }
const libraries = { glibc: 'linux-gnu.2.17', musl: 'linux-musl' }

export const targets = Object.keys(processors).flatMap((arch) =>
  Object.keys(libraries).map((libc) => `linux-${arch}-${libc}`),
)

/** @param work where it compiles, in folders that it removes */
export async function prebuild({ out = checkout, names = targets, work = tmpdir() } = {}) {
  const to = { out, work }
  if (names.length === 1 && names[0] === 'here')
    return build('here', to, process.arch, ownLibrary(), {})
  const zig = await fetchZig()
  for (const name of names) {
    if (!targets.includes(name)) {
      throw new SetupError(
        `There is no target "${name}". The targets are: ${targets.join(', ')}, here.`,
      )
    }
    const [, arch, libc] = name.split('-')
    const target = `-target ${processors[arch]}-${libraries[libc]}`
    const compilers = { CC: `${zig.program} cc ${target}`, CXX: `${zig.program} c++ ${target}` }
    await build(name, to, arch, libc, { ...compilers, ...zig.env })
  }
}

function ownLibrary() {
  return process.report.getReport().header.glibcVersionRuntime === undefined ? 'musl' : 'glibc'
}

/**
 * In a folder of its own, which has all of what is compiled: nothing says where the checkout lies, and zig, which keeps what it has
 * compiled there, finds nothing of another time. (The C and C++ libraries it keeps in .cache/zig.)
 */
async function build(name, { out, work }, arch, libc, env) {
  const folder = mkdtempSync(path.join(work, 'ipvs-prebuild-'))
  try {
    mkdirSync(path.join(folder, 'native'))
    for (const file of ['package.json', 'binding.gyp']) {
      copyFileSync(path.join(checkout, file), path.join(folder, file))
    }
    cpSync(path.join(checkout, 'native'), path.join(folder, 'native'), { recursive: true })
    const headers = 'node_modules/node-addon-api'
    cpSync(path.join(checkout, headers), path.join(folder, headers), { recursive: true })
    const prebuildify = path.join(checkout, 'node_modules/prebuildify/bin.js')
    const options = ['--napi', '--arch', arch, '--libc', libc, '--tag-libc', libc]
    await step(`Compiling the addon: ${name}`, () =>
      logged(
        `prebuild-${name}`,
        process.execPath,
        [prebuildify, ...options, '--cwd', folder, '--out', path.resolve(out)],
        {
          env: {
            npm_config_nodedir: headerFolder(),
            PREBUILD_NODE_GYP: path.join(checkout, 'node_modules/.bin/node-gyp'),
            ZIG_LOCAL_CACHE_DIR: path.join(folder, 'zig'),
            IPVS_BUILD: 'prebuild',
            JOBS: 'max',
            ...env,
          },
        },
      ),
    )
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

if (process.argv[1] === path.join(checkout, 'scripts/prebuilds.mjs')) {
  const words = process.argv.slice(2)
  const at = words.indexOf('--out')
  const [, out] = at === -1 ? [] : words.splice(at, 2)
  try {
    await prebuild({ out, names: words.length > 0 ? words : targets })
  } catch (error) {
    process.stderr.write(`${error instanceof SetupError ? error.message : error.stack}\n`)
    process.exitCode = 1
  }
}
