// Leaks put into a copy of the build: each must be found in the cell that it is in.
import { cpSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import type { Ending } from './endings.js'

export interface Leak {
  readonly what: string
  /** Of `dist/health/checks`. */
  readonly file: string
  readonly from: string | RegExp
  readonly to: string
  readonly subject: string
  readonly ending: Ending
}

export const leaks: readonly Leak[] = [
  {
    what: 'a connection is not closed',
    file: 'connection.js',
    from: 'closeWithReset(socket);',
    to: '',
    subject: 'http',
    ending: 'healthy',
  },
  {
    what: 'a connection is not closed when its time is up',
    file: 'connection.js',
    from: 'closeWithReset(socket);',
    to: 'if (!signal.aborted) closeWithReset(socket);',
    subject: 'redis',
    ending: 'half',
  },
  {
    what: 'the listener of a signal stays',
    file: 'connection.js',
    from: 'forget();',
    to: '',
    subject: 'redis',
    ending: 'refused',
  },
  {
    what: 'a connection that is given up stays open',
    file: 'connect-once.js',
    from: 'native.cancel(id)',
    to: '-1',
    subject: 'tcp',
    ending: 'silent',
  },
  {
    what: 'who waits for a connection is kept',
    file: 'connect-once.js',
    from: '!pending.delete(id)',
    to: '!pending.has(id)',
    subject: 'tcp',
    ending: 'aborted',
  },
  {
    what: 'an answer is kept',
    file: 'http.js',
    from: 'const judge = new HttpJudge(rules);',
    to: 'const judge = new HttpJudge(rules); (globalThis.kept ??= []).push(judge);',
    subject: 'https',
    ending: 'wrong',
  },
  {
    what: 'a session of HTTP/2 stays open',
    file: 'http2.js',
    from: 'session?.destroy();',
    to: '(globalThis.kept ??= []).push(session);',
    subject: 'grpc',
    ending: 'healthy',
  },
  {
    what: 'the socket of a datagram stays open',
    file: 'udp-exchange.js',
    from: 'socket.close();',
    to: '',
    subject: 'dns over UDP',
    ending: 'wrong',
  },
  {
    what: 'the listener of several checks stays',
    file: 'gather.js',
    from: 'forget();',
    to: '',
    subject: 'any',
    ending: 'healthy',
  },
  {
    what: 'the listener of a program stays',
    file: 'exec.js',
    from: /forget\(\);\s+\/\/ What/,
    to: '// What',
    subject: 'exec',
    ending: 'healthy',
  },
]

/** A copy of the build, in the checkout, where its imports are found. */
export function withLeak({ file, from, to }: Leak, dist: string, folder: string): string {
  rmSync(folder, { recursive: true, force: true })
  cpSync(dist, folder, { recursive: true })
  const changed = path.join(folder, 'health/checks', file)
  const text = readFileSync(changed, 'utf8')
  const leaking = text.replace(from, to)
  if (leaking === text) throw new Error(`${file} no longer has ${from}`)
  writeFileSync(changed, leaking)
  return folder
}
