// etcd's messages as its JSON gateway has them: bytes in base64, 64-bit numbers as digits, what is 0 or false left out.
import { inspect } from 'node:util'
import { EndpointError } from './errors.js'

/** One key and what it has. */
export interface EtcdEntry {
  readonly key: string
  readonly value: string
  /** Of its last change. A revision, which numbers changes. */
  readonly modRevision: number
}

/** What became of one key. */
export type EtcdEvent =
  | { readonly type: 'put'; readonly key: string; readonly value: string }
  | { readonly type: 'delete'; readonly key: string }

/** A message of a watch. */
export interface WatchMessage {
  readonly created: boolean
  readonly canceled: boolean
  readonly cancelReason: string
  readonly compactRevision: number
  readonly header: Header
  readonly events: readonly EtcdEvent[]
  /** Of the last event. */
  readonly lastRevision: number
}

export interface Header {
  /** Digits of a 64-bit number. */
  readonly clusterId: string
  readonly revision: number
}

export type Json = Readonly<Record<string, unknown>>

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

export function encode(text: string): string {
  return Buffer.from(text).toString('base64')
}

/** Of all keys that begin with it: the first one that does not. Bytes of UTF-8 are never the highest. */
export function rangeOf(prefix: string): { readonly key: string; readonly range_end: string } {
  const end = Buffer.from(prefix)
  end[end.length - 1]!++
  return { key: encode(prefix), range_end: end.toString('base64') }
}

/** @throws EndpointError: this is not what etcd says */
export function readJson(text: string): Json {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    // Told below.
  }
  return readMap(value, text)
}

export function readHeader({ header }: Json): Header {
  const { cluster_id, revision } = readMap(header)
  if (typeof cluster_id !== 'string') throw strange(header)
  return { clusterId: cluster_id, revision: readNumber(revision) }
}

/** A part of a range, and where the next one begins. */
export function readPage(answer: Json): {
  readonly header: Header
  readonly entries: EtcdEntry[]
  readonly next: string | undefined
} {
  const { kvs = [], more } = answer
  const entries = readList(kvs).map((one) => {
    const { key, value, mod_revision } = readMap(one)
    const modRevision = readNumber(mod_revision)
    return { key: decode(key), value: decode(value), modRevision }
  })
  const last = entries.at(-1)
  if (more === true && last === undefined) throw strange(answer)
  return {
    header: readHeader(answer),
    entries,
    next: more === true ? `${last!.key}\0` : undefined,
  }
}

export function readWatchMessage(result: Json): WatchMessage {
  const { created, canceled, cancel_reason, compact_revision, events = [] } = result
  let lastRevision = 0
  const read = readList(events).map((one): EtcdEvent => {
    const { type = 'PUT', kv } = readMap(one)
    const { key, value, mod_revision } = readMap(kv)
    lastRevision = Math.max(lastRevision, readNumber(mod_revision))
    if (type === 'PUT') return { type: 'put', key: decode(key), value: decode(value) }
    if (type === 'DELETE') return { type: 'delete', key: decode(key) }
    throw strange(one)
  })
  return {
    created: created === true,
    canceled: canceled === true,
    cancelReason: typeof cancel_reason === 'string' ? cancel_reason : '',
    compactRevision: readNumber(compact_revision),
    // That of a cancellation has no revision.
    header: readHeader(result),
    events: read,
    lastRevision,
  }
}

/** Digits, as far as numbers are exact. */
export function readNumber(value: unknown): number {
  if (value === undefined) return 0
  const number = typeof value === 'string' && /^-?\d+$/.test(value) ? Number(value) : value
  if (typeof number === 'number' && Number.isSafeInteger(number)) return number
  throw strange(value)
}

/** A number of 64 bits that is only a name. */
export function readId(value: unknown): string {
  if (typeof value === 'string' && /^-?\d+$/.test(value)) return value
  throw strange(value)
}

export function readMap(value: unknown, text?: string): Json {
  if (Object.prototype.toString.call(value) === '[object Object]') return value as Json
  throw strange(text ?? value)
}

function readList(value: unknown): readonly unknown[] {
  if (Array.isArray(value)) return value
  throw strange(value)
}

function decode(value: unknown = ''): string {
  if (typeof value !== 'string') throw strange(value)
  try {
    return utf8.decode(Buffer.from(value, 'base64'))
  } catch {
    throw strange(value)
  }
}

function strange(value: unknown): EndpointError {
  const text = inspect(value, { breakLength: Number.POSITIVE_INFINITY, depth: 1 })
  return new EndpointError(`this is no answer of etcd's: ${text.slice(0, 80)}`)
}
