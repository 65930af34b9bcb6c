// Asks a director that runs, over its control socket.
import { connect as dial, type Socket } from 'node:net'
import { type ControlAnswer, type ControlRequest, Lines } from './protocol.js'

/** A director that does not answer, or refuses. */
export class ControlError extends Error {
  /** `ERR_IPVS_NO_DIRECTOR` if nobody answers at the path; else the director's own. */
  readonly code: string

  constructor(code: string, message: string, cause?: unknown) {
    super(message, { cause })
    this.name = 'ControlError'
    this.code = code
  }
}

/** The state of a big table is one line. Characters. */
const MOST_ANSWER = 256 * 1024 * 1024
const SILENT_MS = 30_000

/**
 * Sends one request and returns the answer.
 *
 * @param signal whose abort means that nobody waits for the answer any more
 * @throws ControlError (rejects) nobody answers, or the director refuses
 */
export async function askDirector(
  path: string,
  request: ControlRequest,
  signal?: AbortSignal,
): Promise<unknown> {
  for await (const { result } of answers(path, request, signal)) return result
  throw ended(path)
}

/**
 * The events of a director from now on: first nothing (`undefined`), when it listens, then each event.
 *
 * @throws ControlError, while iterating: nobody answers, or the director ends
 */
export async function* followDirector(
  path: string,
  signal?: AbortSignal,
): AsyncGenerator<unknown, void, void> {
  for await (const { event } of answers(path, { do: 'events' }, signal)) yield event
  if (!signal?.aborted) throw ended(path)
}

async function* answers(
  path: string,
  request: ControlRequest,
  signal?: AbortSignal,
): AsyncGenerator<ControlAnswer, void, void> {
  const socket = await open(path)
  const stop = () => socket.destroy()
  signal?.addEventListener('abort', stop, { once: true })
  try {
    if (signal?.aborted) return
    if (request.do !== 'events') {
      socket.setTimeout(SILENT_MS, () =>
        socket.destroy(new Error(`no answer within ${SILENT_MS / 1000} s`)),
      )
    }
    socket.write(`${JSON.stringify(request)}\n`)
    const lines = new Lines(MOST_ANSWER)
    for await (const text of socket) {
      for (const line of lines.take(text as string) ?? []) {
        const answer = JSON.parse(line) as ControlAnswer
        if (answer.error !== undefined)
          throw new ControlError(answer.error.code, answer.error.message)
        yield answer
      }
    }
  } catch (error) {
    if (signal?.aborted) return
    throw error instanceof ControlError ? error : ended(path, error)
  } finally {
    signal?.removeEventListener('abort', stop)
    socket.destroy()
  }
}

function open(path: string): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = dial(path)
    socket.setEncoding('utf8')
    socket.once('connect', () => {
      socket.removeAllListeners('error')
      resolve(socket)
    })
    socket.once('error', (error: NodeJS.ErrnoException) => {
      const why = error.code === 'EACCES' ? 'it may be opened by its owner only' : error.message
      reject(
        new ControlError('ERR_IPVS_NO_DIRECTOR', `no director answers at ${path}: ${why}`, error),
      )
    })
  })
}

function ended(path: string, cause?: unknown): ControlError {
  const why = cause instanceof Error ? `: ${cause.message}` : ''
  return new ControlError(
    'ERR_IPVS_NO_DIRECTOR',
    `the director at ${path} has gone away${why}`,
    cause,
  )
}
