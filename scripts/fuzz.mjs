// npm run fuzz [-- --seconds N | --runs N] [TARGET...]: builds the fuzz targets of the wire core (native/fuzz) with
// clang, runs each (or the named ones), two at once, and ends with a table. What it learns stays in build/fuzz/corpus.
// npm run fuzz -- --capture: takes the seed corpus (native/fuzz/corpus) anew from the lab's kernels.
import { spawn } from 'node:child_process'
import { cpSync, createWriteStream, existsSync, mkdirSync, rmSync } from 'node:fs'
import path from 'node:path'
import { createInterface } from 'node:readline'
import { setup } from './setup.mjs'
import { installPackages } from './steps/javascript.mjs'
import { releases } from './steps/kernels.mjs'
import { withLock } from './steps/lock.mjs'
import { checkout, logged, SetupError, step } from './steps/step.mjs'
import { needTools } from './steps/tools.mjs'

/** Each target, and how long an input may get: what its seeds need, and no more, for speed. */
const targets = {
  reply_parser: 2048,
  dump_assembler: 4608,
  record_decoder: 1024,
  record_encoder: 128,
  lanes: 192,
}

// Debian's clang brings libFuzzer and the sanitizers, as a package it recommends.
const tools = [
  { program: 'clang++', debian: 'clang' },
  { program: 'cmake', debian: 'cmake' },
  { program: 'make', debian: 'make' },
]

const folder = path.join(checkout, 'build/fuzz')
const seeds = path.join(checkout, 'native/fuzz/corpus')
const atOnce = 2

const color = process.stdout.isTTY
const paint = (code, text) => (color ? `\x1b[${code}m${text}\x1b[0m` : text)
const number = (value) => value.toLocaleString('en-US')
let interrupted = false

async function build() {
  try {
    await step('Building the fuzz targets', () =>
      logged('fuzz-build', process.execPath, [
        path.join(checkout, 'node_modules/cmake-js/bin/cmake-js'),
        ...['compile', '--out', folder],
        ...['--CDIPVS_FUZZ=ON', '--CDCMAKE_CXX_COMPILER=clang++'],
      ]),
    )
  } catch (error) {
    // Debian's clang only recommends it.
    if (!/libclang_rt\S*: No such file/.test(error.message)) throw error
    throw new SetupError(
      `${error.message}\n\nclang is here without its runtime. On Debian as root: apt-get install -y libclang-rt-dev`,
    )
  }
}

/** Runs one target to its end; `state` is what it has said so far, for the line of progress. */
function fuzz(state, limit) {
  const own = path.join(folder, 'corpus', state.target)
  const log = path.join(folder, `${state.target}.log`)
  mkdirSync(own, { recursive: true })
  const child = spawn(
    path.join(folder, state.target),
    [
      limit,
      `-max_len=${targets[state.target]}`,
      '-timeout=10',
      // Weighing its corpus by rare features costs more time than these small targets take.
      '-entropic=0',
      '-print_final_stats=1',
      `-artifact_prefix=${path.join(folder, 'findings', `${state.target}-`)}`,
      own,
      path.join(seeds, state.target),
    ],
    // The default quarantine is larger than any cache: half as many executions per second.
    {
      env: { ASAN_OPTIONS: 'quarantine_size_mb=8', ...process.env },
      stdio: ['ignore', 'ignore', 'pipe'],
    },
  )
  state.stop = () => child.kill('SIGTERM')
  const file = createWriteStream(log)
  createInterface({ input: child.stderr }).on('line', (line) => {
    file.write(`${line}\n`)
    read(line, state)
  })
  return new Promise((resolve, reject) => {
    child.on('error', reject)
    child.on('close', (code, signal) => {
      file.end()
      state.ended = Date.now()
      state.failed = code !== 0 && !interrupted
      state.status = signal ?? `exit status ${code}`
      state.log = log
      resolve()
    })
  })
}

/** "#65536 pulse cov: 234 ft: 412 ... exec/s: 32768", "stat::new_units_added: 12", and the tale of a finding. */
function read(line, state) {
  const progress = /^#(\d+)\s.*?\bcov: (\d+)/.exec(line)
  if (progress) {
    state.runs = Number(progress[1])
    state.edges = Number(progress[2])
  }
  const stat = /^stat::(\w+):\s+(\d+)/.exec(line)
  if (stat?.[1] === 'number_of_executed_units') state.runs = Number(stat[2])
  if (stat?.[1] === 'new_units_added') state.units = Number(stat[2])
  const written = /Test unit written to (\S+)/.exec(line)
  if (written) state.reproducer = written[1]
  if (/not so:|ERROR:|runtime error:/.test(line)) state.telling = true
  if (state.telling && state.tale.length < 25 && !line.startsWith('#')) state.tale.push(line)
}

const speed = (state) =>
  Math.round((state.runs * 1000) / Math.max(1, (state.ended ?? Date.now()) - state.started))

function showProgress(running, started) {
  const seconds = Math.round((Date.now() - started) / 1000)
  const shown = running.map(
    (state) =>
      `${state.target} ${number(state.runs)} (${number(speed(state))}/s, ${state.edges} edges)`,
  )
  process.stdout.write(`${String(seconds).padStart(5)} s  ${shown.join('  ')}\n`)
}

async function fuzzAll(names, limit) {
  mkdirSync(path.join(folder, 'findings'), { recursive: true })
  const waiting = names.map((target) => ({ target, runs: 0, edges: 0, units: 0, tale: [] }))
  const states = [...waiting]
  const running = new Set()
  const started = Date.now()
  const tick = setInterval(() => showProgress([...running], started), 10_000)
  const stop = () => {
    interrupted = true
    for (const state of running) state.stop()
  }
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, stop)
  const work = async () => {
    while (waiting.length > 0 && !interrupted) {
      const state = waiting.shift()
      state.started = Date.now()
      running.add(state)
      await fuzz(state, limit)
      running.delete(state)
    }
  }
  try {
    await Promise.all(Array.from({ length: atOnce }, work))
  } finally {
    clearInterval(tick)
  }
  return states.filter((state) => state.started !== undefined)
}

function report(states) {
  process.stdout.write('\n')
  for (const state of states.filter(({ failed }) => failed)) {
    process.stdout.write(`${paint(31, `${state.target} found something`)} (${state.status}):\n\n`)
    for (const line of state.tale) process.stdout.write(`    ${line}\n`)
    const again = state.reproducer
      ? `The input: ${state.reproducer}\nOnce more:  ${path.join(folder, state.target)} ${state.reproducer}\n`
      : ''
    process.stdout.write(`\n${again}All it said: ${state.log}\n\n`)
  }
  const head = ['target', 'executions', 'exec/s', 'edges', 'new units', 'findings']
  const rows = states.map((state) => [
    state.target,
    number(state.runs),
    number(speed(state)),
    String(state.edges),
    String(state.units),
    state.failed ? '1' : '0',
  ])
  const widths = head.map((name, at) => Math.max(name.length, ...rows.map((row) => row[at].length)))
  for (const row of [head, ...rows]) {
    const cells = row.map((cell, at) =>
      at === 0 ? cell.padEnd(widths[at]) : cell.padStart(widths[at]),
    )
    process.stdout.write(`${cells.join('   ')}\n`)
  }
  const failed = states.filter((state) => state.failed).length
  process.stdout.write(`fuzz: ${states.length - failed} clean, ${failed} with a finding\n`)
  if (interrupted) process.stdout.write('Interrupted; these are the figures so far.\n')
}

/** Every kernel's answers into a folder of their own first: a kernel that fails leaves the corpus as it was. */
async function capture() {
  const fresh = path.join(folder, 'captured')
  rmSync(fresh, { recursive: true, force: true })
  for (const target of Object.keys(targets)) {
    mkdirSync(path.join(fresh, target), { recursive: true })
  }
  const { runInGuest } = await import(path.join(checkout, 'build/tools/lab/guest/boot.js'))
  for (const kernel of releases) {
    process.stdout.write(`kernel ${kernel}\n`)
    const status = await runInGuest([path.join(folder, 'capture'), fresh, kernel], {
      kernel,
      cwd: checkout,
      timeout: 60_000,
    })
    if (status !== 0) {
      throw new SetupError(`The capture on kernel ${kernel} failed (${status}): see above.`)
    }
  }
  // Inputs that once found something have no kernel's name, and stay.
  cpSync(fresh, seeds, { recursive: true })
  process.stdout.write(`New in ${path.relative(checkout, seeds)}: look at git diff --stat.\n`)
}

function readArguments(words) {
  const options = { install: true, capture: false, limit: '-max_total_time=60', names: [] }
  while (words.length > 0) {
    const word = words.shift()
    if (word === '--no-install') options.install = false
    else if (word === '--capture') options.capture = true
    else if (word === '--seconds' || word === '--runs') {
      const count = words.shift()
      if (!/^[1-9]\d*$/.test(count ?? '')) {
        throw new SetupError(`${word} wants a whole number above 0, not "${count ?? ''}".`)
      }
      options.limit = `${word === '--runs' ? '-runs' : '-max_total_time'}=${count}`
    } else if (Object.hasOwn(targets, word)) options.names.push(word)
    else {
      throw new SetupError(
        `There is no fuzz target or option "${word}". The targets are ${Object.keys(targets).join(', ')}; ` +
          `the options are --seconds N, --runs N, --capture and --no-install.`,
      )
    }
  }
  if (options.names.length === 0) options.names = Object.keys(targets)
  return options
}

async function main() {
  const options = readArguments(process.argv.slice(2))
  if (options.capture) {
    await setup({ install: options.install, purpose: 'lab', kernels: releases })
  }
  await withLock(async () => {
    await installPackages()
    await needTools('The fuzz targets cannot be built', tools, options.install)
    await build()
  })
  if (options.capture) {
    await capture()
    return 0
  }
  if (!existsSync(seeds)) {
    throw new SetupError(`There is no seed corpus at ${seeds}: git checkout native/fuzz/corpus.`)
  }
  const states = await fuzzAll(options.names, options.limit)
  report(states)
  if (interrupted) return 130
  return states.some(({ failed }) => failed) ? 1 : 0
}

try {
  process.exitCode = await main()
} catch (error) {
  process.stderr.write(`${error instanceof SetupError ? error.message : error.stack}\n`)
  process.exitCode = 1
}
