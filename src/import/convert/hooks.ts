// Scripts that keepalived calls, as hooks of a pool; those that only call ipvsadm for the other protocol become fronts of it.
import type { Protocol } from '../../types.js'
import type { Script } from '../model/model.js'
import { readAddress } from '../model/words.js'
import type { Notes } from '../note.js'
import type { JsonMap } from './document.js'
import type { Place, Server, Service } from './service.js'
import { readTwin, type Twin } from './twin.js'

export interface Hooks {
  readonly hooks: JsonMap[]
  /** What its servers also serve by the trick. */
  readonly fronts: readonly (Place & { readonly protocol: Protocol })[]
  readonly comments: readonly string[]
}

/** Whose each address, port and protocol is: the services of one pool. */
export type Claims = Map<string, readonly Service[]>

export function claimOf(protocol: Protocol, { address, port }: Place): string {
  return `${protocol} ${address} ${port}`
}

export function hooksOf(
  service: Service,
  pool: readonly Service[],
  claims: Claims,
  notes: Notes,
): Hooks {
  const fronts = new Map<string, Place & { readonly protocol: Protocol }>()
  const hooks: JsonMap[] = []
  const comments: string[] = []
  for (const event of ['up', 'down'] as const) {
    const scripts = new Map<string, { readonly script: Script; readonly servers: Server[] }>()
    for (const server of service.servers) {
      const script = event === 'up' ? server.real.notifyUp : server.real.notifyDown
      if (script === undefined) continue
      const twin = twinOf(script, service)
      if (twin !== undefined) {
        for (const place of twinPlaces(twin, service)) {
          const key = claimOf(twin.protocol, place)
          if (isFree(key, place, script, service, pool, claims, notes)) {
            claims.set(key, pool)
            fronts.set(key, { ...place, protocol: twin.protocol })
          }
        }
        lookClosely(twin, script, server, notes)
        if (twin.whole) continue
      }
      const entry = scripts.get(script.text) ?? { script, servers: [] }
      entry.servers.push(server)
      scripts.set(script.text, entry)
    }
    for (const { script, servers } of scripts.values()) {
      const some = servers.length < service.servers.length
      hooks.push({
        on: [event],
        exec: [...script.command],
        ...(some ? { servers: servers.map(({ address }) => address) } : undefined),
      })
      if (twinOf(script, service) === undefined) ask(script, service, notes)
    }
  }
  const { quorumUp: up, quorumDown: down } = service.source
  if (up !== undefined) hooks.push({ on: ['quorum-regained'], exec: [...up.command] })
  if (down !== undefined) hooks.push({ on: ['quorum-lost'], exec: [...down.command] })
  if (fronts.size > 0) {
    const names = [
      ...new Set([...fronts.values()].map(({ protocol }) => protocol.toUpperCase())),
    ].join(' and ')
    comments.push(
      `${names}: what notify_up and notify_down did by ipvsadm; the pool changes both protocols at once, at its start too.`,
    )
    tellOfOthers(service, notes)
  }
  return { hooks, fronts: [...fronts.values()], comments }
}

/** A mark has no address that a script could name. */
function twinOf(script: Script, { places }: Service): Twin | undefined {
  return places.length === 0 ? undefined : readTwin(script)
}

/** Where the address is broken, that of the virtual server. */
function twinPlaces(twin: Twin, { places }: Service): Place[] {
  const { address, port } = twin
  if (address !== undefined) return [{ address, port: port ?? places[0]!.port }]
  return places.map((place) => ({ address: place.address, port: port ?? place.port }))
}

/** Whether the pool can have it: a service is in one pool, and of a family that its servers have. */
function isFree(
  key: string,
  { address }: Place,
  script: Script,
  { family, method }: Service,
  pool: readonly Service[],
  claims: Claims,
  notes: Notes,
): boolean {
  const owner = claims.get(key) ?? pool
  if (owner !== pool) {
    notes.add(
      script.word,
      `it gives servers to ${key}, which is ${owner[0]!.title} already; that has the servers that it names itself`,
      'Have the servers in one of the two.',
    )
    return false
  }
  if (method === 'tunnel' || readAddress(address)?.family === family) return true
  notes.add(
    script.word,
    `${address} is of another family than the servers`,
    'Give the servers an address of both families (secondAddress), and write the front.',
  )
  return false
}

function lookClosely(twin: Twin, script: Script, server: Server, notes: Notes): void {
  const { address, weight } = server
  if (!twin.whole) {
    notes.add(
      script.word,
      'it calls ipvsadm for a server, which the pool does by itself, and does more',
      'Take the calls of ipvsadm out of it; what is left stays a hook.',
    )
  }
  if (twin.server !== undefined && twin.server !== address) {
    notes.add(
      script.word,
      `it is called for ${address}, and speaks of ${twin.server}; the pool has ${address} in both protocols`,
      'See which of the two is right.',
    )
  }
  if (twin.weight !== undefined && twin.weight !== weight) {
    notes.add(
      script.word,
      `it gives weight ${twin.weight} for one protocol, where the real server has ${weight}; a pool has one weight for both`,
      `Write the weight that is wanted; it is ${weight} now.`,
    )
  }
}

/** The pool has all of its servers in all of its fronts. */
function tellOfOthers(service: Service, notes: Notes): void {
  const calls = (server: Server) =>
    [server.real.notifyUp, server.real.notifyDown].some(
      (script) => script !== undefined && readTwin(script) !== undefined,
    )
  for (const server of service.servers) {
    if (calls(server)) continue
    notes.add(
      server.word,
      `${server.address} has no notify_up that calls ipvsadm, as the others have; in the pool it serves both protocols`,
      'Give it a pool of its own if it does not serve both.',
    )
  }
}

function ask(script: Script, { places, protocol }: Service, notes: Notes): void {
  const other = protocol === 'tcp' ? 'udp' : 'tcp'
  const [place] = places
  const front =
    place === undefined
      ? ''
      : `: "${other}/${place.address.includes(':') ? `[${place.address}]` : place.address}:${place.port}"`
  notes.addOnce(
    `script ${script.command[0]}`,
    script.word,
    'does this script call ipvsadm for another protocol? It is a hook now, wherever it is called, and is called with the same words',
    `If it does, add a front for that${front}, and remove the hook. If it does something else, keep it: it gets the event as JSON on stdin.`,
  )
}
