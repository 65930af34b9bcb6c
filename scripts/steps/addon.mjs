// The addon from native/: build/Release/ipvs.node, and the one under sanitizers. Downloads nothing.
import { existsSync, readdirSync, statSync, utimesSync } from 'node:fs'
import path from 'node:path'
import { checkout, logged, SetupError, step } from './step.mjs'
import { needTools } from './tools.mjs'

const tools = [
  { program: 'g++', debian: 'g++' },
  { program: 'make', debian: 'make' },
  { program: 'python3', debian: 'python3' },
]

const addon = path.join(checkout, 'build/Release/ipvs.node')
const sanitized = path.join(checkout, 'build/asan/Debug/ipvs.node')

export async function buildAddon({ install }) {
  const gyp = path.join(checkout, 'native/binding.gyp')
  // Before the addon exists there is nothing to build.
  if (!existsSync(gyp) || upToDate(addon, gyp)) return
  await needTools('The native addon cannot be built', tools, install)
  // Not `rebuild`: that begins by deleting all of build/, guests' files and logs included.
  await step('Building the native addon', () =>
    logged(
      'node-gyp',
      process.execPath,
      [path.join(checkout, 'node_modules/node-gyp/bin/node-gyp.js'), 'configure', 'build'],
      { env: { npm_config_nodedir: headerFolder(), IPVS_BUILD: 'own' } },
    ),
  )
  // make leaves it untouched when a change made no difference; the next call must not ask again.
  utimesSync(addon, new Date(), new Date())
}

/** Kernel tests on the machine's own kernel load it, to look for reads of freed memory. */
export async function buildSanitizedAddon() {
  if (upToDate(sanitized, path.join(checkout, 'CMakeLists.txt'))) return
  await step('Building the native addon under sanitizers', () =>
    logged('build-asan', 'npm', ['run', 'build:asan']),
  )
  utimesSync(sanitized, new Date(), new Date())
}

export function upToDate(library, project) {
  if (!existsSync(library)) return false
  const built = statSync(library).mtimeMs
  const native = path.join(checkout, 'native')
  const sources = existsSync(native)
    ? readdirSync(native, { recursive: true }).map((name) => path.join(native, name))
    : []
  return [project, ...sources].every((file) => statSync(file).mtimeMs <= built)
}

/** node-gyp fetches Node's headers from the network unless it is told where they are. */
export function headerFolder() {
  if (process.env.npm_config_nodedir) return process.env.npm_config_nodedir
  const prefix = path.dirname(path.dirname(process.execPath))
  if (existsSync(path.join(prefix, 'include/node/node_api.h'))) return prefix
  throw new SetupError(
    `Node's C headers are not at ${prefix}/include/node, and this build downloads nothing. ` +
      `Use a Node that brings its headers (nodejs.org's archives and images, NodeSource, nvm), ` +
      `Debian's libnode-dev, or set npm_config_nodedir to a folder that has include/node.`,
  )
}
