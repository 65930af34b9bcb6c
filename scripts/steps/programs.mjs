// The C and C++ programs of the lab, the tests and the benchmarks, into build/programs/.
import { existsSync, mkdirSync, readdirSync, statSync } from 'node:fs'
import path from 'node:path'
import { checkout, logged, SetupError, step } from './step.mjs'
import { needTools } from './tools.mjs'

const built = path.join(checkout, 'build/programs')

const lab = 'lab/programs'
const drivers = 'bench/churn/drivers'
const shared = [`${lab}/program.c`]
const wire = [...shared, `${lab}/wire.c`]
const workload = `${drivers}/workload.c`
const libnlHeaders = '/usr/include/libnl3'

/** What each purpose needs: programs, their sources, and more flags. */
const programs = {
  lab: {
    witness: { sources: ['lab/witness/witness.c', ...shared] },
    adverts: { sources: ['lab/witness/adverts.c', ...shared] },
  },
  dataplane: {
    sctp: { sources: ['test/dataplane/programs/sctp.c', ...shared] },
  },
  chaos: Object.fromEntries(
    ['churn', 'meddler', 'queries', 'servers'].map((name) => [
      name,
      { sources: [`test/chaos/programs/${name}.c`, ...wire] },
    ]),
  ),
  bench: {
    floor: { sources: [`${drivers}/floor.c`, `${drivers}/table.c`, workload, ...wire] },
    libnl: {
      sources: [`${drivers}/libnl.c`, workload, ...wire],
      flags: ['-isystem', libnlHeaders, '-lnl-genl-3', '-lnl-3'],
    },
    'host-floor': { sources: ['bench/host/floor.c', workload, ...wire], flags: ['-I', drivers] },
    'host-core': {
      sources: [
        'bench/host/core.cc',
        ...['genl.cc', 'ipvs_codec.cc', 'netlink_socket.cc'].map((name) => `native/${name}`),
      ],
      flags: ['-I', 'native'],
    },
    'check-servers': { sources: ['bench/checks/servers.c'], flags: ['-lm'] },
    'no-ipvs.so': { sources: ['bench/checks/no-ipvs.c'], flags: ['-shared', '-fPIC'] },
  },
}

/**
 * @param {('lab' | 'dataplane' | 'chaos' | 'bench')[]} purposes
 * @param {{ install: boolean }} options whether apt may be used
 */
export async function buildPrograms(purposes, { install }) {
  const wanted = Object.assign({}, ...purposes.map((purpose) => programs[purpose]))
  const old = Object.entries(wanted).filter(([name, { sources }]) => outOfDate(name, sources))
  if (old.length === 0) return
  const names = old.map(([name]) => name)
  const compilers = [{ program: 'gcc', debian: 'gcc' }]
  if (names.includes('host-core')) compilers.push({ program: 'g++', debian: 'g++' })
  await needTools(`The programs ${names.join(', ')} cannot be built`, compilers, install)
  if (names.includes('libnl')) await needLibnl(install)
  mkdirSync(built, { recursive: true })
  await step(`Building ${names.join(', ')}`, async () => {
    for (const [name, program] of old) await compile(name, program)
  })
}

/** A header may be any program's: the newest of those beside the sources decides. */
function outOfDate(name, sources) {
  const program = path.join(built, name)
  if (!existsSync(program)) return true
  const folders = new Set([lab, drivers, ...sources.map((file) => path.dirname(file))])
  const headers = [...folders].flatMap((folder) =>
    readdirSync(path.join(checkout, folder))
      .filter((file) => file.endsWith('.h'))
      .map((file) => path.join(folder, file)),
  )
  const times = [...sources, ...headers].map((file) => statSync(path.join(checkout, file)).mtimeMs)
  return statSync(program).mtimeMs < Math.max(...times)
}

function compile(name, { sources, flags = [] }) {
  const compiler = sources.some((file) => file.endsWith('.cc'))
    ? ['g++', '-std=c++17']
    : ['gcc', '-std=gnu11']
  const strict = ['-O2', '-Wall', '-Wextra', '-Werror', '-I', lab, '-o', path.join(built, name)]
  const [program, ...words] = [...compiler, ...strict, ...sources, ...flags]
  return logged(`program-${name}`, program, words)
}

/** A library, so not among the programs that needTools knows. */
async function needLibnl(install) {
  if (existsSync(path.join(libnlHeaders, 'netlink/genl/genl.h'))) return
  const name = 'libnl-genl-3-dev'
  const hand = `apt-get install -y ${name}`
  if (!install || process.getuid() !== 0 || !existsSync('/usr/bin/apt-get')) {
    throw new SetupError(
      `The benchmark drivers cannot be built: there are no headers of libnl-genl in ${libnlHeaders}. ` +
        `Install them, on Debian or Ubuntu as root: ${hand}`,
    )
  }
  process.stderr.write(`libnl-genl not found; installing with: ${hand}\n`)
  const env = { DEBIAN_FRONTEND: 'noninteractive' }
  await step(`Installing ${name}`, async () => {
    await logged('apt-libnl', 'apt-get', ['update'], { env })
    await logged('apt-libnl', 'apt-get', ['install', '-y', name], { env, append: true })
  })
}
