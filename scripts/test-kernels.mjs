// npm run test:kernels [-- RELEASE... test/FILE...]: the kernel tests (or those of the named files) on
// every kernel of the lab (or the named ones), one after the other, even after one failed; ends with a
// line for each.
import { mkdirSync, readFileSync, rmSync } from 'node:fs'
import path from 'node:path'
import { setup } from './setup.mjs'
import { checkRelease, releases } from './steps/kernels.mjs'
import { checkout, SetupError } from './steps/step.mjs'

const folder = path.join(checkout, 'build/kernels')

// A kernel that takes longer hangs. One takes a few minutes on a slow machine.
const guestTimeout = 30 * 60 * 1000

const color = process.stdout.isTTY
const paint = (code, text) => (color ? `\x1b[${code}m${text}\x1b[0m` : text)
let interrupted = false

/** The tests' result on one kernel: `version`, `counts` and `seconds`, as far as it got. */
async function testOn(release, files) {
  const report = path.join(folder, `${release}.json`)
  const uname = path.join(folder, `${release}.uname`)
  for (const file of [report, uname]) rmSync(file, { force: true })
  const started = Date.now()
  let status
  try {
    status = await inGuest(release, [
      ...['sh', '-c', 'uname -r >"$1" && shift && exec "$@"', 'sh', uname],
      ...[path.join(checkout, 'node_modules/.bin/vitest'), 'run'],
      ...['--project', 'kernel', '--project', 'dataplane'],
      ...[
        '--reporter=default',
        '--reporter=./test/skips.ts',
        '--reporter=./test/busy.ts',
        '--reporter=json',
      ],
      `--outputFile.json=${report}`,
      ...files,
    ])
  } catch (error) {
    process.stdout.write(`${error.message}\n`)
  }
  return {
    release,
    version: read(uname)?.trim(),
    counts: countsOf(read(report)),
    passed: status === 0,
    seconds: ((Date.now() - started) / 1000).toFixed(1),
  }
}

async function inGuest(release, command) {
  const { runInGuest } = await import(path.join(checkout, 'build/tools/lab/guest/boot.js'))
  return runInGuest(command, {
    kernel: release,
    cwd: checkout,
    timeout: guestTimeout,
    // ^C stays ours, to end all of it; so the guest sees pipes and must be told about colours.
    terminal: false,
    env: color ? { ...process.env, FORCE_COLOR: '1' } : process.env,
  })
}

function read(file) {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return undefined
  }
}

/** A file that could not even be loaded has no tests to count, so it counts as one that failed. */
function countsOf(report) {
  if (report === undefined) return undefined
  const { testResults, numPassedTests, numFailedTests, numPendingTests, numTodoTests } =
    JSON.parse(report)
  const unloaded = testResults.filter(
    ({ status, assertionResults }) =>
      status === 'failed' && !assertionResults.some((test) => test.status === 'failed'),
  )
  return {
    passed: numPassedTests,
    failed: numFailedTests + unloaded.length,
    skipped: numPendingTests + numTodoTests,
  }
}

function lineOf({ release, version, counts, passed, seconds }) {
  const verdict = passed ? paint(32, 'passed') : paint(31, 'failed')
  const numbers = counts
    ? `${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped`
    : 'no result: see above'
  const name = `kernel ${version ?? `${release} (did not start)`}`
  return `${name.padEnd(20)} ${verdict}   ${numbers.padEnd(36)} ${seconds.padStart(7)} s\n`
}

async function main() {
  const words = process.argv.slice(2)
  const install = !words.includes('--no-install')
  const files = words.filter((word) => word.startsWith('test/'))
  const named = words.filter((word) => word !== '--no-install' && !files.includes(word))
  for (const release of named) checkRelease(release)
  const kernels = named.length === 0 ? releases : named
  await setup({ install, purpose: 'test', tolerant: true, kernels })
  mkdirSync(folder, { recursive: true })
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
    process.on(signal, () => {
      interrupted = true
    })
  }
  const results = []
  for (const [index, release] of kernels.entries()) {
    process.stdout.write(
      `\n${paint(1, `== kernel ${release} (${index + 1} of ${kernels.length})`)}\n`,
    )
    results.push(await testOn(release, files))
    if (interrupted) break
  }
  process.stdout.write('\n')
  for (const result of results) process.stdout.write(lineOf(result))
  const failed = results.filter(({ passed }) => !passed).length
  if (interrupted) process.stdout.write('Interrupted; the rest was not run.\n')
  process.stdout.write(`kernels: ${results.length - failed} passed, ${failed} failed\n`)
  if (interrupted) return 130
  return failed === 0 ? 0 : 1
}

try {
  process.exitCode = await main()
} catch (error) {
  process.stderr.write(`${error instanceof SetupError ? error.message : error.stack}\n`)
  process.exitCode = 1
}
