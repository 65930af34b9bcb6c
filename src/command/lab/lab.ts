// ipvs lab: a real IPVS kernel for tests of one's own, as an ordinary process: no root, no KVM, no container.
import { existsSync } from 'node:fs'
import { homedir } from 'node:os'
import path from 'node:path'
import { CommandError, usageError } from '../errors.js'
import type { Call, Run } from '../spec.js'
import { bootGuest } from './boot.js'
import { defaultRelease, kernelFolder } from './kernel.js'
import { toolFolder } from './tools.js'

export const lab: Run = async ({ words, options }: Call) => {
  const folder = folderOf(options.folder)
  const memory = memoryOf(options.memory)
  const timeout = secondsOf(options.timeout)
  checkMachine()
  const cache = cacheFolder()
  const kernel = await kernelFolder(cache, String(options.kernel ?? defaultRelease))
  const tools = await toolFolder(cache)
  const folders = { kernel, tools, runs: path.join(cache, 'runs'), writable: [folder] }
  try {
    return await bootGuest(folders, words, { memory, timeout, cwd: cwdOf(folder), input: true })
  } catch (error) {
    throw new CommandError((error as Error).message, undefined, error)
  }
}

export function checkMachine({
  platform,
  arch,
}: {
  platform: string
  arch: string
} = process): void {
  if (platform === 'linux' && arch === 'x64') return
  throw new CommandError(
    `there is no lab for this machine: its kernel exists for x86-64 Linux only, and this is ${platform} ${arch}. Tests without a kernel have MemoryKernel of "ipvs/testing", which works everywhere.`,
  )
}

/** As the XDG base directory specification has it. */
function cacheFolder(): string {
  const { XDG_CACHE_HOME: cache } = process.env
  const base = cache && path.isAbsolute(cache) ? cache : path.join(homedir(), '.cache')
  return path.join(base, 'ipvs/lab')
}

/** The project around us, which the command may write: the nearest folder with a package.json. */
function folderOf(given: Call['options'][string]): string {
  if (given !== undefined) {
    const folder = path.resolve(String(given))
    if (!existsSync(folder)) throw usageError(`--folder ${folder}: there is no such folder.`)
    return folder
  }
  for (let folder = process.cwd(); ; folder = path.dirname(folder)) {
    if (existsSync(path.join(folder, 'package.json'))) return folder
    if (folder === path.dirname(folder)) return process.cwd()
  }
}

function cwdOf(folder: string): string {
  const here = process.cwd()
  return `${here}/`.startsWith(`${folder}/`) ? here : folder
}

function memoryOf(given: Call['options'][string]): string | undefined {
  if (given === undefined || /^\d+[KMG]$/i.test(String(given))) return given as string | undefined
  throw usageError(`--memory ${given} is not a size; write it like 2048M.`)
}

function secondsOf(given: Call['options'][string]): number | undefined {
  if (given === undefined) return undefined
  const seconds = Number(given)
  if (Number.isInteger(seconds) && seconds >= 1 && seconds <= 1_000_000) return seconds * 1000
  throw usageError(`--timeout ${given}: a whole number of seconds, from 1 to 1000000.`)
}
