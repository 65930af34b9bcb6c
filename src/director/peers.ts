// Other directors: who they are, what they say, and whether one of them is active beside us. Nothing they answer is believed unseen.
import { pause } from '../abort.js'
import { ADMIN_STATES } from '../servers.js'
import type { PeerConfig } from './config/fleet.js'
import { messageOf } from './events.js'
import type { FleetAnswer, FleetDirector, FleetWord } from './fleet.js'

/** The role of a director, and since when: milliseconds since the epoch. */
export interface OwnRole {
  readonly role: 'active' | 'standby'
  readonly since: number
}

/** What peers are for. */
export interface PeersOf {
  /** Of this director. `undefined`: it has none. */
  readonly role: () => OwnRole | undefined
  /** Names this process among all: another one after each start. */
  readonly instance: string
  /** A peer is active too, or that is not known any more; `undefined`: it is known that none is. */
  readonly twoActive: (text: string | undefined) => void
  readonly warn: (text: string) => void
}

const LOOK_MS = 2000
/** Of one answer: milliseconds and bytes. */
const HEALTH = { timeoutMs: 2000, mostBytes: 4096 }
const STATE = { timeoutMs: 10_000, mostBytes: 64 * 1024 * 1024 }
/** At a takeover both are active for a moment: so often in a row it is seen before it is told. */
const LOOKS = 2
/** Whoever was active beside us and is silent for so long may have ended, or be cut off. */
const SILENT_MS = 10_000
const ROLES = ['active', 'standby'] as const
const HEALTHS = ['up', 'down', 'unknown'] as const

/** What a peer's `/healthz` says. */
interface Seen {
  readonly instance?: string | undefined
  readonly role?: 'active' | 'standby' | undefined
}

/** A peer that was seen active beside us. */
interface Rival {
  /** So often in a row. */
  readonly times: number
  /** When it was seen so last, of a clock that nobody sets. */
  readonly at: number
  /** It does not answer any more. */
  readonly isSilent?: boolean
}

export class Peers {
  readonly #of: PeersOf
  #peers: readonly PeerConfig[] = []
  #end = new AbortController()
  /** By address. */
  readonly #rivals = new Map<string, Rival>()
  /** Addresses that are this director's own. */
  readonly #own = new Set<string>()
  #text: string | undefined

  constructor(of: PeersOf) {
    this.#of = of
  }

  /** Those of the configuration, from now on. */
  use(peers: readonly PeerConfig[]): void {
    if (JSON.stringify(peers) === JSON.stringify(this.#peers)) return
    this.close()
    this.#end = new AbortController()
    this.#peers = peers
    for (const peer of peers) void this.#follow(peer, this.#end.signal)
  }

  close(): void {
    this.#end.abort()
    this.#peers = []
    this.#rivals.clear()
    this.#own.clear()
    this.#judge()
  }

  /** What each of them says of its servers, or why it says nothing. Never rejects. */
  async ask(): Promise<FleetAnswer[]> {
    const { instance } = this.#of
    const answers = await Promise.all(this.#peers.map((peer) => askPeer(peer, instance)))
    return answers.filter((answer) => answer !== undefined)
  }

  async #follow(peer: PeerConfig, signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const before = this.#of.role()
      const seen = await askHealth(peer, signal).catch(() => undefined)
      if (signal.aborted) return
      const own = this.#of.role()
      const isSelf = seen?.instance === this.#of.instance
      if (isSelf) this.#isOwn(peer.url)
      // What was asked before the present role began says nothing of now.
      const isSame = own?.role === before?.role && own?.since === before?.since
      if (own?.role !== 'active' || isSelf) this.#rivals.delete(peer.url)
      else if (seen === undefined) this.#isSilent(peer.url)
      else if (seen.role === 'active' && isSame) this.#isActive(peer.url)
      else this.#rivals.delete(peer.url)
      this.#judge()
      await pause(LOOK_MS * (0.9 + Math.random() / 5), signal)
    }
  }

  #isActive(url: string): void {
    const times = (this.#rivals.get(url)?.times ?? 0) + 1
    this.#rivals.set(url, { times, at: performance.now() })
  }

  /** What it has said last counts, for a while. */
  #isSilent(url: string): void {
    const rival = this.#rivals.get(url)
    if (rival === undefined || performance.now() - rival.at < SILENT_MS) return
    if (rival.times < LOOKS) this.#rivals.delete(url)
    else this.#rivals.set(url, { ...rival, isSilent: true })
  }

  #isOwn(url: string): void {
    if (this.#own.has(url)) return
    this.#own.add(url)
    this.#of.warn(`peers: ${url} is this director itself, and is left out`)
  }

  #judge(): void {
    const told = [...this.#rivals].filter(([, { times }]) => times >= LOOKS)
    const urls = (isSilent: boolean) =>
      told.filter(([, rival]) => (rival.isSilent ?? false) === isSilent).map(([url]) => url)
    const active = urls(false)
    const silent = urls(true)
    const texts = [
      active.length > 0 &&
        `active here, and at ${active.join(', ')} too: the addresses are claimed twice. Look at the network between the directors, and at what gives them their roles`,
      silent.length > 0 &&
        `active here, and at ${silent.join(', ')} too when that answered last: whether it still is, is not known`,
    ]
    const text = texts.filter(Boolean).join('; ') || undefined
    if (text === this.#text) return
    this.#text = text
    this.#of.twoActive(text)
  }
}

async function askHealth(peer: PeerConfig, signal: AbortSignal): Promise<Seen> {
  // 503 has a body too: one that is not healthy may be active all the same.
  const value = await get(peer, '/healthz', HEALTH, signal, [200, 503])
  const { instance, role } = fieldsOf(value, 'its answer')
  return {
    instance: isName(instance) ? instance : undefined,
    role: ROLES.find((one) => one === role),
  }
}

/** `undefined`: it is the one that asks. */
async function askPeer(peer: PeerConfig, own: string): Promise<FleetAnswer | undefined> {
  const { url } = peer
  try {
    const state = await get(peer, '/state', STATE, undefined, [200])
    return fieldsOf(state, 'its state').instance === own ? undefined : readState(state, url)
  } catch (error) {
    return { director: { name: new URL(url).host, url, error: messageOf(error) } }
  }
}

/** @throws Error what is no state of a director */
function readState(value: unknown, url: string): FleetAnswer {
  const { version, name, role, ready, pools } = fieldsOf(value, 'its state')
  if (version !== 1) throw new Error('its state is of another version than this director knows')
  const director: FleetDirector = {
    name: isName(name) ? name : new URL(url).host,
    url,
    role: ROLES.find((one) => one === roleOf(role)),
    ready: ready === true,
  }
  const servers = listOf(pools, 'pools').map((one, index) => readPool(one, `pools[${index}]`))
  return { director, servers: new Map(servers) }
}

/** In a state it stands with what there is to know of it, in a word of health alone. */
function roleOf(role: unknown): unknown {
  return typeof role === 'object' && role !== null ? Reflect.get(role, 'role') : role
}

function readPool(value: unknown, at: string): [string, Map<string, FleetWord>] {
  const { pool, servers } = fieldsOf(value, at)
  if (!isWord(pool)) throw strange(`${at}.pool`)
  const words = listOf(servers, `${at}.servers`).map((one, index) =>
    readServer(one, `${at}.servers[${index}]`),
  )
  return [pool, new Map(words)]
}

function readServer(value: unknown, at: string): [string, FleetWord] {
  const { server, health, admin, weight, serves } = fieldsOf(value, at)
  const { effective } = fieldsOf(weight, `${at}.weight`)
  const known = HEALTHS.find((one) => one === health)
  const word = ADMIN_STATES.get(String(admin))
  if (!isWord(server)) throw strange(`${at}.server`)
  if (known === undefined) throw strange(`${at}.health`)
  if (word === undefined) throw strange(`${at}.admin`)
  if (typeof serves !== 'boolean') throw strange(`${at}.serves`)
  if (!Number.isSafeInteger(effective) || Number(effective) < 0) throw strange(`${at}.weight`)
  return [server, { health: known, admin: word, weight: Number(effective), serves }]
}

/** It is printed on terminals. */
function isWord(value: unknown): value is string {
  return typeof value === 'string' && /^[^\s\p{C}]{1,200}$/u.test(value)
}

function isName(value: unknown): value is string {
  return isWord(value) && value.length <= 63
}

function fieldsOf(value: unknown, at: string): Readonly<Record<string, unknown>> {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
    return value as Readonly<Record<string, unknown>>
  }
  throw strange(at)
}

function listOf(value: unknown, at: string): readonly unknown[] {
  if (Array.isArray(value)) return value
  throw strange(at)
}

function strange(at: string): Error {
  return new Error(`what answers is no director: ${at} is not as a director has it`)
}

interface Limits {
  readonly timeoutMs: number
  readonly mostBytes: number
}

/** JSON, within limits. Redirections are not followed. @throws Error (rejects) */
async function get(
  { url, token }: PeerConfig,
  path: string,
  { timeoutMs, mostBytes }: Limits,
  signal: AbortSignal | undefined,
  statuses: readonly number[],
): Promise<unknown> {
  const late = AbortSignal.timeout(timeoutMs)
  try {
    const answer = await fetch(`${url}${path}`, {
      headers: token === undefined ? {} : { authorization: `Bearer ${token}` },
      redirect: 'error',
      signal: signal === undefined ? late : AbortSignal.any([late, signal]),
    })
    if (!statuses.includes(answer.status)) {
      await answer.body?.cancel()
      throw new Error(`it answers ${answer.status} ${reasonOf(answer.status)}`)
    }
    return JSON.parse(await readText(answer, mostBytes)) as unknown
  } catch (error) {
    if (late.aborted) throw new Error(`no answer within ${timeoutMs / 1000} s`)
    if (error instanceof SyntaxError) throw new Error('its answer is no JSON')
    // `fetch failed` says nothing.
    const { cause } = error as { readonly cause?: unknown }
    throw cause instanceof Error ? cause : error
  }
}

function reasonOf(status: number): string {
  if (status === 401) return 'and wants a token, or another one'
  if (status === 421) return 'and is not asked by that name: "hosts" of its "http" has to have it'
  return ''
}

async function readText({ body }: Response, mostBytes: number): Promise<string> {
  const parts: Uint8Array[] = []
  let size = 0
  for await (const part of body ?? []) {
    size += part.length
    if (size > mostBytes) throw new Error(`its answer has more than ${mostBytes} bytes`)
    parts.push(part)
  }
  return Buffer.concat(parts).toString('utf8')
}
