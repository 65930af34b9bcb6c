// npm's install step: off Linux there is nothing to build; on Linux node-gyp-build takes the shipped
// prebuild where it loads and compiles the addon where none does.
import { spawnSync } from 'node:child_process'
import { createRequire } from 'node:module'

if (process.platform === 'linux') {
  const bin = createRequire(import.meta.url).resolve('node-gyp-build/bin.js')
  const { status } = spawnSync(process.execPath, [bin], { stdio: 'inherit' })
  process.exitCode = status ?? 1
}
