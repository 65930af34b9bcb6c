// ipvs build-addon: compiles the sources that come with the package, by the machine's own tools. It installs nothing.
import { spawnSync } from 'node:child_process'
import { accessSync, constants, copyFileSync, existsSync, mkdirSync, rmSync } from 'node:fs'
import path from 'node:path'
import { CommandError } from './errors.js'
import { print } from './output.js'
import { packageFolder } from './package-folder.js'
import { exitStatuses, type Run } from './spec.js'

const native = path.join(packageFolder, 'native')

interface Need {
  readonly name: string
  readonly found: () => boolean
  /** Packages that bring it. */
  readonly debian: string
  readonly fedora: string
  readonly alpine: string
}

const env = process.env

const needs: readonly Need[] = [
  {
    name: 'Python 3',
    found: () =>
      Boolean(env.npm_config_python ?? env.NODE_GYP_FORCE_PYTHON ?? env.PYTHON) ||
      program('python3') !== undefined,
    debian: 'python3',
    fedora: 'python3',
    alpine: 'python3',
  },
  {
    name: 'make',
    found: () => Boolean(env.MAKE) || program('make') !== undefined,
    debian: 'make',
    fedora: 'make',
    alpine: 'make',
  },
  {
    name: 'a C++ compiler',
    found: () => Boolean(env.CXX) || program('g++') !== undefined,
    debian: 'g++',
    fedora: 'gcc-c++',
    alpine: 'g++',
  },
  {
    name: "Linux's headers",
    // Another compiler may bring its own.
    found: () => Boolean(env.CXX) || existsSync('/usr/include/linux/ip_vs.h'),
    debian: 'linux-libc-dev',
    fedora: 'kernel-headers',
    alpine: 'linux-headers',
  },
  {
    name: 'node-gyp',
    found: () => nodeGyp() !== undefined,
    debian: 'npm',
    fedora: 'nodejs-npm',
    alpine: 'npm',
  },
]

export const buildAddon: Run = async () => {
  if (process.platform !== 'linux') {
    throw new CommandError(
      `IPVS is part of the Linux kernel; there is nothing to compile on ${process.platform}.`,
    )
  }
  const missing = needs.filter(({ found }) => !found())
  if (missing.length > 0) throw new CommandError(tellMissing(missing))
  const [command, ...first] = nodeGyp()!
  const { status, error } = spawnSync(command!, [...first, 'rebuild', '--directory', native], {
    stdio: 'inherit',
    env: { ...env, ...headers() },
  })
  if (status !== 0) {
    throw new CommandError(
      `the native part could not be compiled: ${error?.message ?? 'what the compiler says is above'}.`,
    )
  }
  const built = path.join(packageFolder, 'build/Release/ipvs.node')
  mkdirSync(path.dirname(built), { recursive: true })
  copyFileSync(path.join(native, 'build/Release/ipvs.node'), built)
  rmSync(path.join(native, 'build'), { recursive: true })
  process.dlopen({ exports: {} }, built)
  print(`${built} is compiled, and loads.\n`)
  return exitStatuses.done
}

/** What is missing, and what brings all of it. */
function tellMissing(missing: readonly Need[]): string {
  const all = (key: 'debian' | 'fedora' | 'alpine') => missing.map((need) => need[key]).join(' ')
  return `the native part of ipvs cannot be compiled; not found: ${missing.map(({ name }) => name).join(', ')}.

  Debian, Ubuntu  apt-get install ${all('debian')}
  Fedora, RHEL    dnf install ${all('fedora')}
  Alpine          apk add ${all('alpine')}`
}

function program(name: string): string | undefined {
  const folders = (env.PATH ?? '').split(':').filter(Boolean)
  return folders.map((folder) => path.join(folder, name)).find(isExecutable)
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK)
    return true
  } catch {
    return false
  }
}

/** npm has one: it names it to what it runs (`npx`), and lies beside Node.js. */
function nodeGyp(): readonly string[] | undefined {
  const prefix = path.dirname(path.dirname(process.execPath))
  const script = [
    env.npm_config_node_gyp,
    path.join(prefix, 'lib/node_modules/npm/node_modules/node-gyp/bin/node-gyp.js'),
  ].find((file) => file !== undefined && existsSync(file))
  if (script !== undefined) return [process.execPath, script]
  const own = program('node-gyp')
  return own === undefined ? undefined : [own]
}

/** node-gyp fetches Node's headers unless it is told where they are. */
function headers(): { npm_config_nodedir?: string } {
  if (env.npm_config_nodedir !== undefined) return {}
  const prefix = path.dirname(path.dirname(process.execPath))
  return existsSync(path.join(prefix, 'include/node/node_api.h'))
    ? { npm_config_nodedir: prefix }
    : {}
}
