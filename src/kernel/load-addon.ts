// Finds the addon. At the first open(), so that importing the package never fails.
import { readdirSync, readFileSync } from 'node:fs'
// Bundlers know the named import: esbuild's usual banner has that name too, and webpack wants a literal for its argument.
import nodeModule from 'node:module'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { IpvsError } from '../errors.js'
import type { Addon } from './addon.js'

let addon: Addon | undefined

/**
 * The addon, loaded once.
 *
 * @throws IpvsError `ERR_IPVS_UNAVAILABLE` with reason `platform`, `no-binary` or `addons-disabled`
 */
export function loadAddon(): Addon {
  addon ??= load()
  return addon
}

function load(): Addon {
  if (process.platform !== 'linux') {
    throw unavailable(
      `IPVS is part of the Linux kernel; this is ${process.platform}. Run this on Linux.`,
      'platform',
    )
  }
  const folders = addonFolders()
  const failures: string[] = []
  for (const file of addonFiles(folders)) {
    const module = { exports: {} as Addon }
    try {
      process.dlopen(module, file)
      return module.exports
    } catch (cause) {
      if ((cause as { code?: string }).code === 'ERR_DLOPEN_DISABLED') throw disabled(cause)
      failures.push(`${file} (${reasonOf(cause as Error, file)})`)
    }
  }
  throw unavailable(
    `ipvs has no native part for ${process.platform}-${process.arch} with ${libcs().join(' or ')}. ` +
      `Looked for: ${failures.join(', ')}. Found: ${prebuiltIn(folders)}. "npx ipvs build-addon" compiles it here.`,
    'no-binary',
  )
}

/** The one that is named, or what was compiled here before what comes with the package. */
function addonFiles(folders: readonly string[]): string[] {
  if (process.env.IPVS_ADDON) return [path.resolve(process.env.IPVS_ADDON)]
  const prebuilt = libcs().map(
    (libc) => `prebuilds/${process.platform}-${process.arch}/ipvs.${libc}.node`,
  )
  const compiled = path.join(folders[0]!, 'build/Release/ipvs.node')
  const beside = folders.flatMap((folder) => prebuilt.map((file) => path.join(folder, file)))
  return [...new Set([...resolved(folders[0]!), compiled, ...beside])]
}

/** What node-gyp-build finds in the package's folder. A bundle has neither. */
function resolved(folder: string): string[] {
  const known = process.env.LIBC
  try {
    // It takes Alpine alone for musl by itself.
    process.env.LIBC ??= libcs()[0]
    const require = nodeModule.createRequire(path.join(folder, 'package.json'))
    const { resolve } = require('node-gyp-build') as {
      resolve(folder: string): string
    }
    return [resolve(folder)]
  } catch {
    return []
  } finally {
    if (known === undefined) delete process.env.LIBC
  }
}

/** The package's, two above this file's; a bundle has `prebuilds` beside it, a single executable beside the executable. */
function addonFolders(): string[] {
  // A bundler that makes CommonJS leaves nothing of import.meta.
  const here =
    typeof __dirname === 'string' ? __dirname : path.dirname(fileURLToPath(import.meta.url))
  return [...new Set([path.join(here, '../..'), here, path.dirname(process.execPath)])]
}

/** The C library of this process, as its mapped files tell; either, where they are not to be seen. */
function libcs(): string[] {
  try {
    const maps = readFileSync('/proc/self/maps', 'utf8')
    return [/\/(ld-musl-[^/\n]+|libc\.musl-[^/\n]+|libc\.so)$/m.test(maps) ? 'musl' : 'glibc']
  } catch {
    return ['glibc', 'musl']
  }
}

function reasonOf(cause: Error, file: string): string {
  return /No such file|cannot open/.test(cause.message) && cause.message.includes(file)
    ? 'not there'
    : cause.message.replace(`${file}: `, '')
}

function prebuiltIn(folders: readonly string[]): string {
  for (const folder of folders) {
    try {
      const names = readdirSync(path.join(folder, 'prebuilds'), { recursive: true }) as string[]
      const binaries = names.filter((name) => name.endsWith('.node')).sort()
      if (binaries.length > 0) return `${binaries.join(', ')} in ${folder}/prebuilds`
    } catch {
      // No such folder here.
    }
  }
  return 'no prebuilt one'
}

function disabled(cause: unknown): IpvsError {
  const how =
    process.permission === undefined
      ? 'native addons are disabled in this process (--no-addons): start it without that'
      : 'Node.js runs with --permission, under which native addons are disabled: start it with --allow-addons too'
  return unavailable(`ipvs cannot load its native part: ${how}.`, 'addons-disabled', cause)
}

function unavailable(
  message: string,
  reason: 'platform' | 'no-binary' | 'addons-disabled',
  cause?: unknown,
): IpvsError {
  return new IpvsError('ERR_IPVS_UNAVAILABLE', message, { reason, cause })
}
