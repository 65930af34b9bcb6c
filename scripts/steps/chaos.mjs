// The resident C programs of the chaos test, into build/chaos/.
import { existsSync, mkdirSync, readdirSync, statSync } from 'node:fs'
import path from 'node:path'
import { checkout, logged, step } from './step.mjs'
import { needTools } from './tools.mjs'

const folder = path.join(checkout, 'chaos/programs')
/** Messages to the kernel, the clock and `die`: the benchmarks' C drivers have them. */
const drivers = path.join(checkout, 'bench/drivers')
const shared = ['wire.c', 'workload.c'].map((name) => path.join(drivers, name))
const built = path.join(checkout, 'build/chaos')

/** @param {{ install: boolean }} options whether apt may be used */
export async function buildChaos({ install }) {
  const headers = [folder, drivers].flatMap((at) =>
    readdirSync(at)
      .filter((name) => name.endsWith('.h'))
      .map((name) => path.join(at, name)),
  )
  const programs = readdirSync(folder)
    .filter((name) => name.endsWith('.c'))
    .map((name) => ({
      name: path.basename(name, '.c'),
      sources: [path.join(folder, name), ...shared],
    }))
  const old = programs.filter(({ name, sources }) => {
    const program = path.join(built, name)
    const newest = Math.max(...[...sources, ...headers].map((file) => statSync(file).mtimeMs))
    return !existsSync(program) || statSync(program).mtimeMs < newest
  })
  if (old.length === 0) return
  await needTools(
    'The programs of the chaos test cannot be built',
    [{ program: 'gcc', debian: 'gcc' }],
    install,
  )
  mkdirSync(built, { recursive: true })
  const names = old.map(({ name }) => name).join(', ')
  await step(`Building the programs of the chaos test (${names})`, async () => {
    for (const program of old) await compile(program)
  })
}

function compile({ name, sources }) {
  const strict = ['-std=gnu11', '-O2', '-Wall', '-Wextra', '-Werror', '-I', drivers]
  return logged(`chaos-${name}`, 'gcc', [...strict, '-o', path.join(built, name), ...sources])
}
