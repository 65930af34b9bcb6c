// The two questions that Kubernetes is asked: what EndpointSlices there are, and what happens to them.
import type { HttpAnswer, HttpClient, HttpStream } from '../http/client.js'
import { bearer, jsonOf, statusError, strangeAnswer } from '../http/questions.js'
import type { TextOrFile } from '../http/text.js'
import { type EndpointSlice, readSlice } from './endpoint-slices.js'

/** Where a service's EndpointSlices are. */
export interface SlicesAt {
  readonly url: URL
  readonly token: TextOrFile | undefined
}

const ANSWER_MS = 10_000
/** A watch is ended by the server after so many seconds, and begun again: one that hangs is not noticed before. */
const WATCH_SECONDS = 120

/** Changes have been forgotten: what there is has to be listed anew. */
export class Gone extends Error {}
/** It has ended in the middle. */
export class Broken extends Error {}

/** What there is, and as of when. Throws what is wrong with the answer. */
export async function listSlices(http: HttpClient, { url, token }: SlicesAt, signal: AbortSignal) {
  const answer = await http.ask(url, {
    headers: await headersOf(token),
    timeoutMs: ANSWER_MS,
    signal,
  })
  if (answer.status !== 200) throw statusError(url, answer)
  const { items, metadata } = (jsonOf(url, answer.text) ?? {}) as {
    readonly items?: unknown
    readonly metadata?: { readonly resourceVersion?: unknown; readonly continue?: unknown }
  }
  const version = metadata?.resourceVersion
  if (!Array.isArray(items) || typeof version !== 'string' || version === '') {
    throw strangeAnswer(url, 'no list of EndpointSlices')
  }
  // It was not asked for a part.
  if (metadata?.continue) throw strangeAnswer(url, 'only a part of the list')
  const slices = items.map((one: unknown) => sliceOf(url, one))
  return { all: new Map(slices.map((slice) => [slice.name, slice])), version }
}

/** Something that has happened to a slice. */
export interface WatchEvent {
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED' | 'BOOKMARK'
  /** Of a bookmark none: it only says up to where all is told. */
  readonly slice: EndpointSlice | undefined
  readonly resourceVersion: string
}

/** What happens after a version. Ends when the server says that it is time. Throws {@link Gone}, {@link Broken}, or what is wrong with the answer. */
export async function* watchSlices(
  http: HttpClient,
  { url, token }: SlicesAt,
  version: string,
  signal: AbortSignal,
): AsyncGenerator<WatchEvent, void, void> {
  const at = new URL(url)
  at.searchParams.set('watch', '1')
  at.searchParams.set('resourceVersion', version)
  at.searchParams.set('allowWatchBookmarks', 'true')
  at.searchParams.set('timeoutSeconds', String(WATCH_SECONDS))
  const headers = await headersOf(token)
  const stream = await http.stream(at, { headers, timeoutMs: ANSWER_MS, signal })
  const late = () => stream.end(new Error('it has not ended the watch in time'))
  const timer = setTimeout(late, WATCH_SECONDS * 1000 + ANSWER_MS).unref()
  try {
    if (stream.status !== 200) {
      const answer: HttpAnswer = { ...headOf(stream), text: await stream.text() }
      throw answer.status === 410 ? new Gone() : statusError(url, answer)
    }
    for await (const line of linesOf(stream)) yield readEvent(url, line)
  } finally {
    clearTimeout(timer)
    stream.end()
  }
}

async function* linesOf(stream: HttpStream): AsyncGenerator<string, void, void> {
  const lines = stream.lines()
  for (;;) {
    const step = await lines.next().catch((error: Error) => {
      throw new Broken(error.message, { cause: error })
    })
    if (step.done === true) return
    if (step.value !== '') yield step.value
  }
}

function readEvent(url: URL, line: string): WatchEvent {
  const { type, object } = (jsonOf(url, line) ?? {}) as { type?: unknown; object?: unknown }
  const { code, message, metadata } = (object ?? {}) as {
    readonly code?: unknown
    readonly message?: unknown
    readonly metadata?: { readonly resourceVersion?: unknown }
  }
  switch (type) {
    case 'ADDED':
    case 'MODIFIED':
    case 'DELETED': {
      const slice = sliceOf(url, object)
      return { type, slice, resourceVersion: slice.resourceVersion }
    }
    case 'BOOKMARK': {
      const resourceVersion = metadata?.resourceVersion
      if (typeof resourceVersion !== 'string') break
      return { type, slice: undefined, resourceVersion }
    }
    case 'ERROR':
      if (code === 410) throw new Gone()
      throw new Broken(`${url.origin} has ended the watch: ${code} ${message}`)
  }
  throw strangeAnswer(url, `${line.slice(0, 80)} is no event of a watch`)
}

function sliceOf(url: URL, value: unknown): EndpointSlice {
  try {
    return readSlice(value)
  } catch (error) {
    throw strangeAnswer(url, (error as Error).message, error)
  }
}

function headOf({ status, headers }: HttpStream) {
  return { status, headers }
}

async function headersOf(token: TextOrFile | undefined): Promise<Record<string, string>> {
  return { accept: 'application/json', ...(await bearer(token)) }
}
