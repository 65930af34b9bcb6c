// npm test [-- GATE...]: makes the checkout ready, runs every gate (or the named ones), even after
// one failed, and ends with a table.
import path from 'node:path'
import { run, setup } from './setup.mjs'
import { amongServers, fetchServers } from './steps/servers.mjs'
import { checkout, NotAllowedError, SetupError } from './steps/step.mjs'

// `in: 'lab'`: on a kernel that has IPVS, as root (docs/lab.md). `in: 'servers'`: in namespaces of their own, among
// Debian's servers (steps/servers.mjs); as root.
const gates = [
  {
    name: 'typecheck',
    commands: [
      ['tsc', '-b'],
      ['tsc', '-p', 'test'],
    ],
  },
  { name: 'lint', commands: [['biome', 'check', '--error-on-warnings', '.']] },
  { name: 'unit', commands: [['vitest', 'run', '--project', 'unit']] },
  // The wire core by itself, under AddressSanitizer and UndefinedBehaviorSanitizer.
  { name: 'native', commands: [['npm', 'run', '--silent', 'test:native']] },
  {
    name: 'kernel',
    commands: [['vitest', 'run', '--project', 'kernel']],
    in: 'lab',
  },
  // Real packets through a director that fails over.
  {
    name: 'dataplane',
    commands: [['vitest', 'run', '--project', 'dataplane']],
    in: 'lab',
  },
  // Health checks of real servers.
  {
    name: 'servers',
    commands: [['vitest', 'run', '--project', 'servers']],
    in: 'servers',
  },
  { name: 'package', commands: [['vitest', 'run', '--project', 'package']] },
]

// A gate that takes longer hangs. The longest takes a few minutes on a slow machine.
const guestTimeout = 45 * 60 * 1000

const color = process.stdout.isTTY
const paint = (code, text) => (color ? `\x1b[${code}m${text}\x1b[0m` : text)
let interrupted = false

async function runGate(gate, install) {
  for (const [program, ...args] of gate.commands) {
    process.stdout.write(
      `$ ${[program, ...args].join(' ')}${{ lab: '   (in the lab)', servers: '   (among the servers)' }[gate.in] ?? ''}\n`,
    )
    const file = program === 'npm' ? program : path.join(checkout, 'node_modules/.bin', program)
    const command = [file, ...args]
    const status = await runIn(gate.in, command, install)
    if (interrupted || status !== 0) return 'failed'
  }
  return 'passed'
}

async function runIn(place, command, install) {
  if (place === 'lab') return runInLab(command)
  if (place !== 'servers') return runHere(command)
  const among = amongServers(command)
  await fetchServers({ install })
  return runHere(among)
}

const runHere = ([program, ...args]) => run(program, args, { cwd: checkout })

async function runInLab(command) {
  const { runInLab } = await import(path.join(checkout, 'build/tools/lab/guest/host.js'))
  return runInLab(command, {
    cwd: checkout,
    timeout: guestTimeout,
    // ^C stays ours, to end all gates; so the guest sees pipes and must be told about colours.
    terminal: false,
    env: color ? { ...process.env, FORCE_COLOR: '1' } : process.env,
  })
}

function pickGates(names) {
  const unknown = names.find((name) => !gates.some((gate) => gate.name === name))
  if (unknown !== undefined) {
    throw new SetupError(
      `There is no gate "${unknown}". The gates are: ${gates.map(({ name }) => name).join(', ')}.`,
    )
  }
  return names.length === 0 ? gates : gates.filter(({ name }) => names.includes(name))
}

async function main() {
  const words = process.argv.slice(2)
  const install = !words.includes('--no-install')
  const picked = pickGates(words.filter((word) => word !== '--no-install'))
  const lab = picked.some((gate) => gate.in === 'lab')
  await setup({ install, purpose: lab ? 'test' : undefined, tolerant: true })
  process.on('SIGINT', () => {
    interrupted = true
  })
  const results = []
  for (const gate of picked) {
    process.stdout.write(`\n${paint(1, `== ${gate.name}`)}\n`)
    const started = Date.now()
    let result
    try {
      result = await runGate(gate, install)
    } catch (error) {
      process.stdout.write(`${error.message}\n`)
      const skipped = error instanceof NotAllowedError && process.env.IPVS_SKIPS_FAIL !== '1'
      result = skipped ? 'skipped' : 'failed'
    }
    const seconds = ((Date.now() - started) / 1000).toFixed(1)
    results.push({ name: gate.name, result, seconds })
    if (interrupted) break
  }
  process.stdout.write('\n')
  for (const { name, result, seconds } of results) {
    const shown = paint({ passed: 32, failed: 31, skipped: 33 }[result], result.padEnd(8))
    process.stdout.write(`${name.padEnd(12)} ${shown} ${seconds.padStart(7)} s\n`)
  }
  if (interrupted) {
    process.stdout.write('Interrupted; the rest was not run.\n')
    return 130
  }
  const count = (wanted) => results.filter(({ result }) => result === wanted).length
  const skipped = count('skipped') === 0 ? '' : `, ${count('skipped')} skipped`
  process.stdout.write(`gates: ${count('passed')} passed, ${count('failed')} failed${skipped}\n`)
  return count('failed') === 0 ? 0 : 1
}

try {
  process.exitCode = await main()
} catch (error) {
  process.stderr.write(`${error instanceof SetupError ? error.message : error.stack}\n`)
  process.exitCode = 1
}
