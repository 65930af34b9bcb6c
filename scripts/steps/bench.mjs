// What the benchmarks compare the library with: C programs into build/bench/, and npm packages into bench/node_modules.
import { existsSync, mkdirSync, readdirSync, statSync } from 'node:fs'
import path from 'node:path'
import { checkout, logged, SetupError, step } from './step.mjs'
import { needTools } from './tools.mjs'

const bench = path.join(checkout, 'bench')
const drivers = path.join(bench, 'drivers')
const host = path.join(bench, 'host')
const checks = path.join(bench, 'checks')
const core = path.join(checkout, 'native')
const built = path.join(checkout, 'build/bench')

const libnlHeaders = '/usr/include/libnl3'
const libnlPackage = 'libnl-genl-3-dev'

const inFolder = (folder, ...names) => names.map((name) => path.join(folder, name))
const C = ['gcc', '-std=gnu11']
const CXX = ['g++', '-std=c++17', '-I', core]

/** Each program: its sources, and what it takes to build it. All share the headers. */
const programs = [
  {
    name: 'floor',
    compiler: C,
    sources: inFolder(drivers, 'floor.c', 'table.c', 'wire.c', 'workload.c'),
    flags: [],
  },
  {
    name: 'libnl',
    compiler: C,
    sources: inFolder(drivers, 'libnl.c', 'workload.c'),
    flags: ['-isystem', libnlHeaders, '-lnl-genl-3', '-lnl-3'],
  },
  {
    name: 'host-floor',
    compiler: C,
    sources: [...inFolder(host, 'floor.c'), ...inFolder(drivers, 'wire.c', 'workload.c')],
    flags: [],
  },
  {
    name: 'tcp-servers',
    compiler: C,
    sources: inFolder(checks, 'servers.c'),
    flags: ['-lm'],
  },
  {
    name: 'no-ipvs.so',
    compiler: C,
    sources: inFolder(checks, 'no-ipvs.c'),
    flags: ['-shared', '-fPIC'],
  },
  {
    name: 'host-core',
    compiler: CXX,
    sources: [
      ...inFolder(host, 'core.cc'),
      ...inFolder(core, 'genl.cc', 'ipvs_codec.cc', 'netlink_socket.cc'),
    ],
    flags: [],
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
  const headers = [drivers, core].flatMap((folder) =>
    inFolder(folder, ...readdirSync(folder).filter((file) => file.endsWith('.h'))),
  )
  const newest = Math.max(...[...sources, ...headers].map((file) => statSync(file).mtimeMs))
  return statSync(program).mtimeMs < newest
}

function compile({ name, compiler: [program, ...words], sources, flags }) {
  const strict = ['-O2', '-Wall', '-Wextra', '-Werror', '-o', path.join(built, name)]
  return logged(`bench-${name}`, program, [...words, ...strict, ...sources, ...flags])
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
