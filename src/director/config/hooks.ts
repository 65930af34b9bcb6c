// What is told to whom when something happens.
import type { Path } from './mistakes.js'
import { type Reader, shown } from './reader.js'
import { digestOf } from './values.js'

/** What a hook can be called for. */
export type HookEvent =
  | 'up'
  | 'down'
  | 'drained'
  | 'quorum'
  | 'quorum-lost'
  | 'quorum-regained'
  | 'drift'
  | 'diverged'
  | 'warning'
  | 'error'
  | 'role'

const EVENTS: readonly HookEvent[] = [
  'up',
  'down',
  'drained',
  'quorum',
  'quorum-lost',
  'quorum-regained',
  'drift',
  'diverged',
  'warning',
  'error',
  'role',
]

/** A program to start, or an address to send to, when something happens. */
export interface HookConfig {
  readonly on: readonly HookEvent[]
  /** Only for these servers, by key or address. Default: all. */
  readonly servers?: readonly string[] | undefined
  /** A program and its arguments. It gets the event as JSON on stdin, and `IPVS_EVENT` and the like in its environment. Default: none, `post` is there. */
  readonly exec?: readonly string[] | undefined
  /** An `http:` or `https:` address, which gets the event as JSON. Default: none, `exec` is there. */
  readonly post?: string | undefined
  /** One that takes longer is ended. Milliseconds. */
  readonly timeoutMs: number
  /** So many times in a minute; more are left out, and that is told. */
  readonly perMinute: number
  readonly digest: string
}

const KEYS = ['on', 'servers', 'exec', 'post', 'timeout', 'perMinute']
const EXAMPLE = '{ on: [down], exec: [/usr/local/bin/tell] }'

/** Mistakes give none. */
export function readHooks(value: unknown, path: Path, reader: Reader): HookConfig[] {
  if (value === undefined) return []
  if (!Array.isArray(value)) {
    reader.add(path, `must be a list such as [${EXAMPLE}]; received ${shown(value)}`)
    return []
  }
  const hooks = value.map((one: unknown, index) => readHook(one, [...path, index], reader))
  return hooks.filter((hook) => hook !== undefined)
}

function readHook(value: unknown, path: Path, reader: Reader): HookConfig | undefined {
  const fields = reader.map(value, path, EXAMPLE)
  if (fields === undefined) return undefined
  reader.known(fields, path, KEYS)
  const { on, servers, exec, post, timeout, perMinute = 60 } = fields
  const events = reader.texts(on, [...path, 'on'], 'a list such as [up, down]') ?? []
  const known = events.map((one, index) => reader.oneOf(one, [...path, 'on', index], EVENTS))
  if (servers !== undefined)
    reader.texts(servers, [...path, 'servers'], "a list such as ['10.1.0.1']")
  if ((exec === undefined) === (post === undefined)) {
    reader.add(path, 'must have either "exec" or "post"')
  }
  if (exec !== undefined)
    reader.texts(exec, [...path, 'exec'], 'a list: a program and its arguments')
  if (post !== undefined && !isWebAddress(post)) {
    reader.add([...path, 'post'], `must be an http: or https: address; received ${shown(post)}`)
  }
  const timeoutMs =
    timeout === undefined ? 10_000 : reader.duration(timeout, [...path, 'timeout'], 10, 3_600_000)
  if (!Number.isInteger(perMinute) || Number(perMinute) < 1 || Number(perMinute) > 100_000) {
    reader.add([...path, 'perMinute'], `must be from 1 to 100000; received ${shown(perMinute)}`)
  }
  return {
    on: known.filter((one) => one !== undefined),
    ...(servers === undefined ? {} : { servers: servers as string[] }),
    ...(exec === undefined ? {} : { exec: exec as string[] }),
    ...(post === undefined ? {} : { post: String(post) }),
    timeoutMs: timeoutMs ?? 10_000,
    perMinute: Number(perMinute),
    digest: digestOf(fields),
  }
}

function isWebAddress(value: unknown): boolean {
  try {
    return ['http:', 'https:'].includes(new URL(String(value)).protocol)
  } catch {
    return false
  }
}
