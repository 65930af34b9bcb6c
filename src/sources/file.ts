// Servers from a file that a person or a program keeps up to date.
import { type FSWatcher, watch } from 'node:fs'
import { readFile, stat } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import { getSystemErrorMap } from 'node:util'
import { pause } from '../abort.js'
import { rangeError, typeError } from '../errors.js'
import type { PoolServer } from '../servers.js'
import { checkInteger, checkOptions, checkSignal, DAY_MS } from '../validate.js'
import { parseServers } from './server-list.js'
import { type ServerSource, serverSource } from './source.js'

/** Options of {@link watchServers}. */
export interface WatchServersOptions {
  /**
   * The file is read this often even if no change of its directory is reported, in milliseconds, 100 to 86400000.
   * Default 5000. Finds what is not reported: network file systems, a link into another directory.
   */
  readonly intervalMs?: number | undefined
  /** Ends the iterations. Default: none. */
  readonly signal?: AbortSignal | undefined
}

/** So long a file must have been the same before it is read again: what is half written is not read. */
const SETTLE_MS = 100

/**
 * The servers in a file: now, and again after each change of them.
 *
 * The file holds one server per line, or a JSON array of what a pool's `servers` takes:
 *
 * ```text
 * # address[:port] [weight]
 * 10.1.0.1
 * 10.1.0.2:5353 10
 * [2001:db8::1]:53
 * ```
 *
 * It may be edited in place or replaced, itself or the directory a link leads to. It is read when it has been the same
 * for 100 ms, the first time too: what is half written is not believed. An empty file is an empty list.
 *
 * Each iteration starts afresh. Waiting for a change does not keep the process alive, a look does.
 *
 * @throws TypeError, RangeError for a bad argument
 * @throws Error, while iterating, if the file cannot be read or is no such list, with its path, the place in it and
 *   what to do; with code `ERR_IPVS_ARGUMENT` if it is about one server
 */
export function watchServers(path: string, options?: WatchServersOptions): ServerSource {
  if (typeof path !== 'string') throw typeError('path', 'the path of a file, as a string', path)
  if (path === '' || path.includes('\0')) throw rangeError('path', 'the path of a file', path)
  const fields = checkOptions(options, 'options', ['intervalMs', 'signal'])
  const { intervalMs = 5000 } = fields
  const checked = checkInteger(intervalMs, 'options.intervalMs', 100, DAY_MS)
  // Now: the working directory may be another one later.
  const file = resolve(path)
  return serverSource(
    (signal) => readAgain(file, checked, signal),
    checkSignal(fields.signal, 'options.signal'),
  )
}

async function* readAgain(
  path: string,
  intervalMs: number,
  signal: AbortSignal,
): AsyncGenerator<PoolServer[], void, void> {
  // One that is woken before it is waited for does not wait: no change is lost between two looks.
  let nap = new AbortController()
  const wake = () => nap.abort()
  const watcher = watchDirectory(dirname(path), wake)
  signal.addEventListener('abort', wake, { once: true })
  try {
    while (!signal.aborted) {
      nap = new AbortController()
      const text = await readSettled(path, signal)
      if (text !== undefined) yield parseServers(text, path)
      await pause(intervalMs, nap.signal)
    }
  } finally {
    watcher?.close()
  }
}

/**
 * Calls `wake` for whatever happens in the directory. Not only for the file's name: a file that is replaced is
 * another one, so that watching the file itself would see nothing more, and a Kubernetes config map changes by
 * moving the link `..data`, to which the file's own link leads.
 */
function watchDirectory(directory: string, wake: () => void): FSWatcher | undefined {
  try {
    const watcher = watch(directory, { persistent: false }, wake)
    // E.g. the directory is gone. Reading finds out what is the matter, every `intervalMs`.
    watcher.on('error', () => watcher.close())
    return watcher
  } catch {
    // E.g. no inotify instance is left: every `intervalMs` is slower, but not wrong.
    return undefined
  }
}

/** Reads the file when it has been the same for a while, before and after. `undefined`: ended. */
async function readSettled(path: string, signal: AbortSignal): Promise<string | undefined> {
  let before = await fingerprint(path)
  for (;;) {
    await pause(SETTLE_MS, signal, true)
    if (signal.aborted) return undefined
    const outcome = await read(path).catch((error: Error) => error)
    const after = await fingerprint(path)
    if (after === before) {
      // A file that is away for less than that is being replaced.
      if (outcome instanceof Error) throw outcome
      return outcome
    }
    before = after
  }
}

/** Changes with every write and every replacement. */
async function fingerprint(path: string): Promise<string> {
  try {
    const { dev, ino, size, mtimeNs } = await stat(path, { bigint: true })
    return `${dev} ${ino} ${size} ${mtimeNs}`
  } catch (error) {
    return String((error as NodeJS.ErrnoException).code)
  }
}

async function read(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8')
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? ''
    const words = [...getSystemErrorMap().values()].find(([name]) => name === code)?.[1]
    const reason = words === undefined ? (error as Error).message : `${words} (${code})`
    const text = `${path} cannot be read: ${reason}; ${remedy(code)}`
    throw Object.assign(new Error(text, { cause: error }), { code })
  }
}

function remedy(code: string): string {
  switch (code) {
    case 'ENOENT':
    case 'ENOTDIR':
      return 'create it, with one server per line, or correct the path'
    case 'EISDIR':
      return 'give the path of a file inside'
    case 'EACCES':
    case 'EPERM':
      return 'let the user of this process read it'
    case 'EMFILE':
    case 'ENFILE':
      return 'close files or raise the limit'
    default:
      return 'see whether its disk or network file system works'
  }
}
