// npm test [-- GATE...] [--changed[=REF]] [--seed N]: makes the checkout ready, runs every gate (or the named ones, or those that a
// change since REF concerns) side by side, even after one failed, and ends with a table.
import { execFileSync } from 'node:child_process'
import { createWriteStream, mkdirSync, readFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import path from 'node:path'
import { finished } from 'node:stream/promises'
import { gates } from './gates.mjs'
import { run, setup } from './setup.mjs'
import { amongServers, fetchServers } from './steps/servers.mjs'
import { checkout, NotAllowedError, SetupError } from './steps/step.mjs'

// A gate that takes longer hangs. The longest takes some minutes on a quiet machine.
const guestTimeout = 80 * 60 * 1000
/** This machine was too busy to tell (lab/command.ts). */
const busyStatus = 75

const logs = path.join(checkout, 'build/log')
const color = process.stdout.isTTY
const paint = (code, text) => (color ? `\x1b[${code}m${text}\x1b[0m` : text)
let interrupted = false

/** Words that start with `--` are ours, the rest are gates. */
function readArguments(words) {
  const options = { install: true, names: [], changed: undefined, seed: undefined }
  while (words.length > 0) {
    const word = words.shift()
    if (word === '--no-install') options.install = false
    else if (word === '--changed') options.changed = 'HEAD'
    else if (word.startsWith('--changed=')) options.changed = word.slice('--changed='.length)
    else if (word === '--seed') options.seed = seedFrom(words.shift())
    else if (gates.some(({ name }) => name === word)) options.names.push(word)
    else {
      const names = gates.map(({ name }) => name).join(', ')
      throw new SetupError(`There is no gate "${word}". The gates are: ${names}.`)
    }
  }
  return options
}

function seedFrom(text) {
  if (/^\d{1,9}$/.test(text ?? '')) return text
  throw new SetupError(`--seed ${text}: a whole number; tests then run in the order it draws.`)
}

/** Files that differ from a commit, those that git does not know yet included. */
function changedSince(ref) {
  const git = (...args) => execFileSync('git', args, { cwd: checkout, encoding: 'utf8' })
  const text = git('diff', '--name-only', ref) + git('ls-files', '--others', '--exclude-standard')
  return text.split('\n').filter(Boolean)
}

function pickGates({ names, changed }) {
  const named = gates.filter(({ name }) => names.length === 0 || names.includes(name))
  if (changed === undefined) return named
  const files = changedSince(changed)
  process.stdout.write(`${files.length} files differ from ${changed}.\n`)
  return named.filter(({ concerns }) => files.some((file) => concerns.test(file)))
}

/** What is started by itself: a gate, or a part of one. */
function jobsOf(gate, { changed, seed }) {
  const ofVitest = [
    ...(seed === undefined
      ? []
      : ['--sequence.shuffle.files', '--sequence.shuffle.tests', `--sequence.seed=${seed}`]),
    ...(changed === undefined ? [] : [`--changed=${changed}`, '--passWithNoTests']),
  ]
  const extend = (command, more) =>
    command[0] === 'vitest' ? [...command, ...ofVitest, ...more] : command
  const { shards = 1 } = gate
  return Array.from({ length: shards }, (_, index) => ({
    gate,
    name: shards === 1 ? gate.name : `${gate.name} ${index + 1}/${shards}`,
    commands: gate.commands.map((command) =>
      extend(command, shards === 1 ? [] : [`--shard=${index + 1}/${shards}`]),
    ),
  }))
}

/** Runs a job to its end, in its slot; what it says goes to `out`. */
async function runJob({ gate, commands }, slot, out, install) {
  for (const [program, ...args] of commands) {
    const place = { lab: '   (in the lab)', servers: '   (among the servers)' }[gate.in] ?? ''
    out.write(`$ ${[program, ...args].join(' ')}${place}\n`)
    const file = program === 'npm' ? program : path.join(checkout, 'node_modules/.bin', program)
    const status = await runIn(gate.in, [file, ...args], { slot, out, install })
    if (interrupted || status !== 0) return status === busyStatus ? 'too busy' : 'failed'
  }
  return 'passed'
}

async function runIn(place, command, { slot, out, install }) {
  if (place === 'lab') return runInLab(command, slot, out)
  if (place !== 'servers') return runHere(command, out)
  const among = amongServers(command)
  await fetchServers({ install })
  return runHere(among, out)
}

const ownColors = () => (color ? { ...process.env, FORCE_COLOR: '1' } : process.env)

function runHere([program, ...args], out) {
  const alone = out === process.stdout
  const stdio = alone ? 'inherit' : ['ignore', 'pipe', 'pipe']
  return run(program, args, { cwd: checkout, stdio, env: ownColors() }, (child) => {
    if (alone) return
    for (const stream of [child.stdout, child.stderr]) stream.pipe(out, { end: false })
  })
}

async function runInLab(command, slot, out) {
  const { runInLab } = await import(path.join(checkout, 'build/tools/lab/guest/host.js'))
  const { allowedCpus } = await import(path.join(checkout, 'dist/command/lab/cpu.js'))
  return runInLab(command, {
    cwd: checkout,
    timeout: guestTimeout,
    ...(slot !== undefined && { cpu: allowedCpus()[slot] }),
    // ^C stays ours, to end all gates; so the guest sees pipes and must be told about colours.
    terminal: false,
    env: ownColors(),
    ...(out !== process.stdout && { stdout: out, stderr: out }),
  })
}

/** One job by itself is shown as it goes; of several, each is shown as a whole when it has ended. */
async function runAll(jobs, install) {
  const alone = jobs.length === 1
  const slots = alone ? 1 : Math.min(jobs.length, Math.max(1, availableParallelism()), 4)
  const results = []
  const waiting = [...jobs]
  mkdirSync(logs, { recursive: true })
  const work = async (slot) => {
    for (let job = waiting.shift(); job !== undefined && !interrupted; job = waiting.shift()) {
      const log = path.join(logs, `gate-${job.name.replace(/\W/g, '-')}.log`)
      const out = alone ? process.stdout : createWriteStream(log)
      process.stdout.write(alone ? `\n${paint(1, `== ${job.name}`)}\n` : `${job.name} ...\n`)
      const started = Date.now()
      const result = await resultOf(job, alone ? undefined : slot, out, install)
      const seconds = (Date.now() - started) / 1000
      results.push({ ...job, result, seconds })
      if (alone) continue
      out.end()
      await finished(out)
      process.stdout.write(`\n${paint(1, `== ${job.name}`)}\n${readFileSync(log, 'utf8')}`)
      process.stdout.write(`${job.name}: ${result} after ${seconds.toFixed(1)} s\n`)
    }
  }
  await Promise.all(Array.from({ length: slots }, (_, slot) => work(slot)))
  return results
}

async function resultOf(job, slot, out, install) {
  try {
    return await runJob(job, slot, out, install)
  } catch (error) {
    out.write(`${error.message}\n`)
    return error instanceof NotAllowedError && process.env.IPVS_SKIPS_FAIL !== '1'
      ? 'skipped'
      : 'failed'
  }
}

const colors = { passed: 32, failed: 31, skipped: 33, 'too busy': 33 }

async function main() {
  const options = readArguments(process.argv.slice(2))
  const started = Date.now()
  const picked = pickGates(options)
  const lab = picked.some((gate) => gate.in === 'lab')
  await setup({ install: options.install, purpose: lab ? 'test' : undefined, tolerant: true })
  process.on('SIGINT', () => {
    interrupted = true
  })
  if (options.seed !== undefined) process.stdout.write(`Random order; seed ${options.seed}\n`)
  const jobs = picked.flatMap((gate) => jobsOf(gate, options))
  const results = await runAll(jobs, options.install)
  process.stdout.write('\n')
  for (const { name, result, seconds } of results) {
    const shown = paint(colors[result], result.padEnd(8))
    process.stdout.write(`${name.padEnd(12)} ${shown} ${seconds.toFixed(1).padStart(7)} s\n`)
  }
  if (interrupted) {
    process.stdout.write('Interrupted; the rest was not run.\n')
    return 130
  }
  const count = (wanted) => results.filter(({ result }) => result === wanted).length
  const others = ['skipped', 'too busy'].filter((word) => count(word) > 0)
  const more = others.map((word) => `, ${count(word)} ${word}`).join('')
  const minutes = ((Date.now() - started) / 60_000).toFixed(1)
  process.stdout.write(
    `gates: ${count('passed')} passed, ${count('failed')} failed${more} (${minutes} min in all)\n`,
  )
  if (count('too busy') > 0) {
    process.stdout.write('Too busy: the machine gave too little time to tell. Try again.\n')
  }
  return count('failed') > 0 ? 1 : count('too busy') > 0 ? busyStatus : 0
}

try {
  process.exitCode = await main()
} catch (error) {
  process.stderr.write(`${error instanceof SetupError ? error.message : error.stack}\n`)
  process.exitCode = 1
}
