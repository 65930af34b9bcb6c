// Notices that a file is another one, or has another content: by a look each second, which finds what no notification tells.
import { statSync } from 'node:fs'

const LOOK_MS = 1000

/** Calls `changed` when the file has changed and been the same for one look. Until what it returns is called. */
export function watchFile(path: string, changed: () => void): () => void {
  let known = lookAt(path)
  let last = known
  const timer = setInterval(() => {
    const now = lookAt(path)
    const isSettled = now === last
    last = now
    if (now === known || now === undefined || !isSettled) return
    known = now
    changed()
  }, LOOK_MS).unref()
  return () => clearInterval(timer)
}

function lookAt(path: string): string | undefined {
  try {
    const { ino, size, mtimeMs, ctimeMs } = statSync(path)
    return `${ino} ${size} ${mtimeMs} ${ctimeMs}`
  } catch {
    return undefined
  }
}
