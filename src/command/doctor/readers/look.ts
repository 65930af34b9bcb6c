import type { Fact } from '../facts.js'

/** Looks at one thing. What goes wrong there is a fact as well, and does not keep the others from being looked at. */
export async function look<T>(read: () => T | Promise<T>): Promise<Fact<T>> {
  try {
    return { value: await read() }
  } catch (error) {
    return { because: reasonOf(error) }
  }
}

const REASONS: Readonly<Record<string, string>> = {
  EACCES: 'not permitted',
  EPERM: 'not permitted',
  ENOENT: 'not there',
  ERR_ACCESS_DENIED: 'Node.js runs with --permission and without --allow-fs-read',
}

function reasonOf(error: unknown): string {
  const { code = '', path, message } = error as NodeJS.ErrnoException
  const reason = REASONS[code]
  if (reason === undefined) return message ?? String(error)
  return path === undefined ? reason : `${path}: ${reason}`
}
