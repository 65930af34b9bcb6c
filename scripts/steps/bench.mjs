// What the benchmarks compare the library with: C programs into build/bench/, and npm packages into bench/node_modules.
import { existsSync, mkdirSync, readdirSync, statSync } from 'node:fs'
import path from 'node:path'
import { checkout, logged, SetupError, step } from './step.mjs'
import { needTools } from './tools.mjs'

const bench = path.join(checkout, 'bench')
const drivers = path.join(bench, 'drivers')
const built = path.join(checkout, 'build/bench')

const libnlHeaders = '/usr/include/libnl3'
const libnlPackage = 'libnl-genl-3-dev'

/** Each program: its own sources, and what it takes to build it. All share the headers. */
const programs = [
  { name: 'floor', sources: ['floor.c', 'table.c', 'wire.c', 'workload.c'], flags: [] },
  {
    name: 'libnl',
    sources: ['libnl.c', 'workload.c'],
    flags: ['-isystem', libnlHeaders, '-lnl-genl-3', '-lnl-3'],
  },
]

/** @param {{ install: boolean }} options whether apt may be used */
export async function buildBench({ install }) {
  await installBenchPackages()
  const old = programs.filter(outOfDate)
  if (old.length === 0) return
  await needTools(
    'The benchmark drivers cannot be built',
    [{ program: 'gcc', debian: 'gcc' }],
    install,
  )
  if (old.some(({ name }) => name === 'libnl')) await needLibnl(install)
  mkdirSync(built, { recursive: true })
  await step(
    `Building the benchmark drivers (${old.map(({ name }) => name).join(', ')})`,
    async () => {
      for (const program of old) await compile(program)
    },
  )
}

/** Prebuilt for x64 and arm: nothing is compiled. */
async function installBenchPackages() {
  const lock = path.join(bench, 'package-lock.json')
  const installed = path.join(bench, 'node_modules/.package-lock.json')
  if (existsSync(installed) && statSync(installed).mtimeMs >= statSync(lock).mtimeMs) return
  const quiet = ['--no-audit', '--no-fund', '--no-update-notifier', '--loglevel=warn']
  await step("Installing the benchmarks' npm packages", () =>
    logged('npm-ci-bench', 'npm', ['ci', '--ignore-scripts', ...quiet], { cwd: bench }),
  )
}

function outOfDate({ name, sources }) {
  const program = path.join(built, name)
  if (!existsSync(program)) return true
  const headers = readdirSync(drivers).filter((file) => file.endsWith('.h'))
  const newest = Math.max(
    ...[...sources, ...headers].map((file) => statSync(path.join(drivers, file)).mtimeMs),
  )
  return statSync(program).mtimeMs < newest
}

function compile({ name, sources, flags }) {
  const words = ['-std=gnu11', '-O2', '-Wall', '-Wextra', '-Werror', '-o', path.join(built, name)]
  const files = sources.map((file) => path.join(drivers, file))
  return logged(`bench-${name}`, 'gcc', [...words, ...files, ...flags])
}

/** A library, so not among the programs that needTools knows. */
async function needLibnl(install) {
  if (existsSync(path.join(libnlHeaders, 'netlink/genl/genl.h'))) return
  const hand = `apt-get install -y ${libnlPackage}`
  if (!install || process.getuid() !== 0 || !existsSync('/usr/bin/apt-get')) {
    throw new SetupError(
      `The benchmark drivers cannot be built: there are no headers of libnl-genl in ${libnlHeaders}. ` +
        `Install them, on Debian or Ubuntu as root: ${hand}`,
    )
  }
  process.stderr.write(`libnl-genl not found; installing with: ${hand}\n`)
  const env = { DEBIAN_FRONTEND: 'noninteractive' }
  await step(`Installing ${libnlPackage}`, async () => {
    await logged('apt-libnl', 'apt-get', ['update'], { env })
    await logged('apt-libnl', 'apt-get', ['install', '-y', libnlPackage], { env, append: true })
  })
}
