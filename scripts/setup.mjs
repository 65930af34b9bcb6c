// node scripts/setup.mjs [--for bench|chaos|dataplane|demo|failover|fleet|lab|test] [--no-install] [-- TOOL.js ARG...]
//
// Makes a fresh checkout ready and then, after `--`, runs build/tools/TOOL.js. Steps that are up to
// date take no time and say nothing. Plain JavaScript: it runs before node_modules exists.
import { spawn } from 'node:child_process'
import { constants } from 'node:os'
import path from 'node:path'
import { buildAddon, buildSanitizedAddon } from './steps/addon.mjs'
import { fetchFleet } from './steps/fleet.mjs'
import { compileTypeScript, installBenchPackages, installPackages } from './steps/javascript.mjs'
import { fetchKeepalived } from './steps/keepalived.mjs'
import { checkRelease, fetchKernel, useQuickestKernel } from './steps/kernels.mjs'
import { checkMachine, fetchLab } from './steps/lab.mjs'
import { withLock } from './steps/lock.mjs'
import { buildPrograms } from './steps/programs.mjs'
import { checkout, SetupError } from './steps/step.mjs'
import { needTools } from './steps/tools.mjs'

const purposes = ['bench', 'chaos', 'dataplane', 'demo', 'failover', 'fleet', 'lab', 'test']
const valgrind = { program: 'valgrind', debian: 'valgrind' }
// What it measures is compared with kept figures, of the kernel of Debian 12.
const onOwnKernel = ['bench']
const testTools = [{ program: 'cmake', debian: 'cmake' }, valgrind]

/**
 * @param {{ purpose?: string, install?: boolean, tolerant?: boolean, kernels?: string[] }} options
 *   tolerant: show the library's own build errors and go on. The lab must stay usable while the
 *   library is being changed, and the test gates report such errors themselves.
 *   kernels: which other kernels the lab shall have besides its own.
 */
export async function setup({
  purpose,
  install = true,
  tolerant = purpose === 'lab',
  kernels = process.env.IPVS_LAB_KERNEL ? [process.env.IPVS_LAB_KERNEL] : [],
} = {}) {
  for (const kernel of kernels) checkRelease(kernel)
  const onHost = process.env.IPVS_KERNEL === 'host'
  const orShow = (error) => {
    if (!tolerant || !(error instanceof SetupError)) throw error
    process.stderr.write(`${error.message}\n\nGoing on all the same.\n`)
  }
  if (purposes.includes(purpose)) checkMachine()
  await withLock(async () => {
    await installPackages()
    if (purposes.includes(purpose)) {
      await fetchLab()
      for (const kernel of kernels) await fetchKernel(kernel)
      const isFree = kernels.length === 0 && !onHost
      if (isFree && !onOwnKernel.includes(purpose)) await useQuickestKernel()
    }
    if (purpose === 'test') await needTools('The tests cannot run', testTools, install)
    if (purpose === 'bench') {
      await needTools('Instructions cannot be counted', [valgrind], install)
      await installBenchPackages()
    }
    // The gates of `npm test` play two trials of the comparison with keepalived.
    if (['bench', 'failover', 'test'].includes(purpose)) await fetchKeepalived()
    if (['bench', 'fleet'].includes(purpose)) await fetchFleet()
    const others = ['bench', 'chaos', 'dataplane'].filter((name) => name === purpose)
    if (purposes.includes(purpose))
      await buildPrograms(['lab', ...others], { install }).catch(orShow)
    await buildAddon({ install }).catch(orShow)
    if (purpose === 'test' && onHost) await buildSanitizedAddon().catch(orShow)
    await compileTypeScript().catch(orShow)
  })
}

/** Runs it with our terminal; ^C goes to both, and we stay to pass on its exit status. */
export function run(command, args, options = {}, started = () => {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { stdio: 'inherit', ...options })
    started(child)
    const signals = ['SIGINT', 'SIGTERM', 'SIGHUP']
    const pass = (signal) => signal !== 'SIGINT' && child.kill(signal)
    for (const signal of signals) process.on(signal, pass)
    child.on('error', reject)
    child.on('close', (code, signal) => {
      for (const name of signals) process.off(name, pass)
      resolve(code ?? 128 + constants.signals[signal])
    })
  })
}

function readArguments(words) {
  const options = { install: true, tool: [] }
  while (words.length > 0) {
    const word = words.shift()
    if (word === '--for') options.purpose = words.shift()
    else if (word === '--no-install') options.install = false
    else if (word === '--') options.tool = takeNoInstall(words.splice(0), options)
    else throw new SetupError(`setup: unknown argument "${word}"`)
  }
  const [tool, first] = options.tool
  // Benchmarks with needs of their own; the command is compared with ipvsadm in one run, not with kept figures.
  if (tool === 'bench/main.js' && ['failover', 'pair'].includes(first)) options.purpose = 'failover'
  if (tool === 'bench/main.js' && first === 'fleet') options.purpose = 'fleet'
  if (tool === 'bench/main.js' && first === 'command') {
    Object.assign(options, { purpose: 'lab', tolerant: false })
  }
  const kernel = labKernel(options.tool)
  if (kernel !== undefined) options.kernels = [kernel]
  if (options.purpose !== undefined && !purposes.includes(options.purpose)) {
    throw new SetupError(`setup: --for ${options.purpose}: it can be ${purposes.join(', ')}.`)
  }
  return options
}

/** `npm run lab -- --kernel 6.12 COMMAND`: before the command, among the lab's own options. */
function labKernel([tool, ...words]) {
  for (let at = 0; tool === 'lab/main.js' && words[at]?.startsWith('--'); at += 2) {
    if (words[at] === '--') break
    if (words[at] === '--kernel') return words[at + 1]
    if (words[at].startsWith('--kernel=')) return words[at].slice('--kernel='.length)
    if (words[at].includes('=') || words[at] === '--help') at -= 1
  }
  return undefined
}

/** `npm run demo -- --no-install` puts it among the tool's own options: it counts before any other word. */
function takeNoInstall(words, options) {
  const end = words.findIndex((word, index) => index > 0 && !word.startsWith('-'))
  const at = words.indexOf('--no-install')
  if (at === -1 || (end !== -1 && at > end)) return words
  options.install = false
  return words.toSpliced(at, 1)
}

if (process.argv[1] && path.resolve(process.argv[1]) === path.join(checkout, 'scripts/setup.mjs')) {
  try {
    const { tool, ...options } = readArguments(process.argv.slice(2))
    await setup(options)
    const [script, ...args] = tool
    if (script !== undefined) {
      const file = path.join(checkout, 'build/tools', script)
      process.exitCode = await run(process.execPath, [file, ...args])
    }
  } catch (error) {
    process.stderr.write(`${error instanceof SetupError ? error.message : error.stack}\n`)
    process.exitCode = 1
  }
}
