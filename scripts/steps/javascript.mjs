// npm's packages, and the TypeScript build.
import { existsSync, statSync } from 'node:fs'
import path from 'node:path'
import { makeCommand } from './command.mjs'
import { checkout, logged, step } from './step.mjs'

export async function installPackages() {
  const lock = path.join(checkout, 'package-lock.json')
  const installed = path.join(checkout, 'node_modules/.package-lock.json')
  if (existsSync(installed) && statSync(installed).mtimeMs >= statSync(lock).mtimeMs) return
  // `npm run -s` would make this npm silent too, on failure as well.
  const quiet = ['--no-audit', '--no-fund', '--no-update-notifier', '--loglevel=warn']
  await step('Installing npm packages', () =>
    logged('npm-ci', 'npm', ['ci', '--ignore-scripts', ...quiet]),
  )
}

/** What the benchmarks compare with. Prebuilt for x64 and arm: nothing is compiled. */
export async function installBenchPackages() {
  const bench = path.join(checkout, 'bench')
  const lock = path.join(bench, 'package-lock.json')
  const installed = path.join(bench, 'node_modules/.package-lock.json')
  if (existsSync(installed) && statSync(installed).mtimeMs >= statSync(lock).mtimeMs) return
  const quiet = ['--no-audit', '--no-fund', '--no-update-notifier', '--loglevel=warn']
  await step("Installing the benchmarks' npm packages", () =>
    logged('npm-ci-bench', 'npm', ['ci', '--ignore-scripts', ...quiet], { cwd: bench }),
  )
}

/** Emits dist/ from src/, and build/tools/ from lab/, demo/, bench/, test/chaos/, test/dataplane/, test/memory/ and test/soak/. */
export async function compileTypeScript() {
  await step('Compiling TypeScript', () =>
    logged('tsc', process.execPath, [path.join(checkout, 'node_modules/typescript/bin/tsc'), '-b']),
  )
  await makeCommand()
}
