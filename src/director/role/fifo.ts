// keepalived's notify FIFO: a line for each change of a VRRP instance or group.
import { closeSync, constants, fstatSync, openSync } from 'node:fs'
import { lstat, mkdir } from 'node:fs/promises'
import { Socket } from 'node:net'
import { dirname } from 'node:path'
import { promisify } from 'node:util'
import { onAbort, pause } from '../../abort.js'
import { messageOf } from '../events.js'
import { type RoleWord, readLine, type VrrpName } from './words.js'

/** How often it looks whether the FIFO has been replaced: keepalived removes the one that it has made. */
const LOOK_MS = 500
/** A longer line is nobody's. */
const MOST_LINE = 4096

export interface Heard {
  word(word: RoleWord): void
  /** Nothing can be heard for now; it is tried again. `undefined`: it can again. */
  trouble(text: string | undefined): void
}

/** Until `signal` is aborted. Keeps no process alive. */
export async function followFifo(
  path: string,
  of: VrrpName,
  heard: Heard,
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted) {
    try {
      await makeFifo(path)
      await readFifo(path, of, heard, signal)
    } catch (error) {
      heard.trouble(`${path}: ${messageOf(error)}`)
    }
    await pause(LOOK_MS, signal)
  }
}

async function makeFifo(path: string): Promise<void> {
  if ((await lstat(path).catch(() => undefined)) !== undefined) return
  await mkdir(dirname(path), { recursive: true })
  const { execFile } = await import('node:child_process')
  try {
    await promisify(execFile)('mkfifo', ['-m', '600', '--', path])
  } catch (error) {
    // keepalived may have made it in between.
    if ((await lstat(path).catch(() => undefined)) === undefined) throw error
  }
}

/** Returns when the path leads elsewhere. */
async function readFifo(
  path: string,
  of: VrrpName,
  heard: Heard,
  signal: AbortSignal,
): Promise<void> {
  const { socket, inode } = openFifo(path)
  const end = new AbortController()
  const forget = onAbort(signal, () => end.abort())
  socket.once('close', () => end.abort())
  socket.on('error', (error) => heard.trouble(`${path}: ${error.message}`))
  let rest = ''
  socket.on('data', (text: string) => {
    const lines = `${rest}${text}`.split('\n')
    rest = lines.pop()!.slice(0, MOST_LINE)
    const words = lines.map((line) => readLine(line, of)).filter((word) => word !== undefined)
    for (const word of words) heard.word(word)
  })
  heard.trouble(undefined)
  try {
    while (!end.signal.aborted && (await inodeOf(path)) === inode) await pause(LOOK_MS, end.signal)
  } finally {
    forget()
    socket.destroy()
  }
}

function openFifo(path: string): { readonly socket: Socket; readonly inode: number } {
  // For writing too: without a writer there would be an end. What keepalived has written while nobody read is still there.
  const fd = openSync(path, constants.O_RDWR | constants.O_NONBLOCK)
  const stat = fstatSync(fd)
  if (!stat.isFIFO()) {
    closeSync(fd)
    throw new Error('is there already, and is no FIFO')
  }
  const socket = new Socket({ fd, readable: true, writable: false })
  socket.setEncoding('utf8')
  socket.unref()
  return { socket, inode: stat.ino }
}

async function inodeOf(path: string): Promise<number | undefined> {
  return (await lstat(path).catch(() => undefined))?.ino
}
