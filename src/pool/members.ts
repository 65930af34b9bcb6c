// Who is in the pool: servers by name, who joins and who leaves, and who wants to hear of it.
import { IpvsError, rangeError, typeError } from '../errors.js'
import type { HealthMember } from '../health/types.js'
import {
  type AdminState,
  endpointKey,
  type PoolServer,
  readServer,
  type ServerSpec,
} from '../servers.js'
import type { Announcer } from './announcer.js'
import { readServers, type Settings } from './config/options.js'
import type { Drains } from './drains.js'
import { presumedHealth } from './policy/adopt.js'
import type { Policy } from './policy/policy.js'
import { Server } from './policy/server.js'
import { applyServerList } from './policy/server-list.js'
import type { Reconciler } from './reconciler/reconciler.js'
import type { Front } from './state/front.js'
import { listServers } from './status.js'

/** What has to know of who joins and who leaves. */
export interface MembersOf {
  readonly settings: Settings
  readonly fronts: readonly Front[]
  readonly reconciler: Reconciler
  readonly policy: Policy
  readonly announcer: Announcer
  readonly drains: Drains
  /** A listener has thrown. */
  failed(error: unknown): void
}

export class Members {
  readonly #of: MembersOf
  readonly #listeners = new Set<() => void>()

  constructor(of: MembersOf) {
    this.#of = of
    const { servers, backup } = of.settings
    for (const [index, spec] of servers.entries()) this.#join(spec, `options.servers[${index}]`)
    for (const [index, spec] of backup.entries()) {
      this.#join(spec, `options.backup[${index}]`, true)
    }
  }

  /** @throws IpvsError `ERR_IPVS_NO_SERVER` */
  find(server: string | PoolServer): Server {
    const { servers } = this.#of.reconciler
    const { port: fallback, name } = this.#of.settings
    if (typeof server === 'string') {
      const known = servers.get(server) ?? servers.get(endpointKey(server, fallback))
      if (known !== undefined) return known
    }
    const { address, port } = readServer(server, 'server')
    const key = endpointKey(address, port ?? fallback)
    const known = servers.get(key)
    if (known !== undefined) return known
    const text = `pool "${name}" has no server ${key}; it has ${listServers(servers)}`
    throw new IpvsError('ERR_IPVS_NO_SERVER', text)
  }

  add(server: string | PoolServer, backup: boolean): Server {
    const joined = this.#join(readServer(server, 'server'), 'server', backup)
    this.#presume(joined)
    this.changed()
    return joined
  }

  remove(server: Server): void {
    this.#part(server)
    this.changed()
  }

  /** Makes the list the members; backups stay. Returns who is concerned. */
  replace(list: readonly (string | PoolServer)[]): readonly Server[] {
    const { reconciler } = this.#of
    const specs = readServers(list, 'servers')
    const listed = specs.map((spec, index) => this.#make(spec, `servers[${index}]`))
    const { joining, changed, leaving } = applyServerList(reconciler.servers, listed)
    const concerned = [...changed, ...joining, ...leaving]
    if (concerned.length === 0) return concerned
    const successors = new Map(joining.map((server) => [server.key, server]))
    for (const server of leaving) {
      const successor = successors.get(server.key)
      const before = this.#part(server, successor !== undefined)
      if (successor === undefined) continue
      // Its drain has ended with it.
      if (before !== undefined) successor.setAdmin(before)
      successors.delete(server.key)
    }
    for (const server of joining) {
      reconciler.join(server)
      if (successors.has(server.key)) this.#presume(server)
    }
    this.changed()
    return concerned
  }

  /** What the kernel was found to hold decides what they are presumed to be. */
  presume(): void {
    for (const server of this.#of.reconciler.servers.values()) this.#presume(server)
  }

  /** Every one has had a verdict. */
  get areDecided(): boolean {
    for (const { decided } of this.#of.reconciler.servers.values()) if (!decided) return false
    return true
  }

  get someDrain(): boolean {
    for (const { admin } of this.#of.reconciler.servers.values()) if (admin === 'drain') return true
    return false
  }

  /** As health checkers see them. */
  *list(): Generator<HealthMember> {
    for (const { key, address, port, health, instance } of this.#of.reconciler.servers.values()) {
      yield { key, address, port, state: health, instance }
    }
  }

  /** Calls `listener` after each change of the list, until the result is called. */
  onChange(listener: () => void): () => void {
    if (typeof listener !== 'function') throw typeError('listener', 'a function', listener)
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** The list is another one now. */
  changed(): void {
    for (const listener of [...this.#listeners]) {
      try {
        listener()
      } catch (error) {
        this.#of.failed(error)
      }
    }
  }

  #make(spec: ServerSpec, option: string, backup = false): Server {
    const { settings, fronts } = this.#of
    const health = settings.initial === 'adopt' ? 'unknown' : settings.initial
    return new Server(spec, option, settings, fronts, health, backup)
  }

  #join(spec: ServerSpec, option: string, backup = false): Server {
    const { reconciler, policy, settings } = this.#of
    const server = this.#make(spec, option, backup)
    const other = reconciler.occupant(server)
    if (other !== undefined) {
      const rule = `a server that is not in the pool yet: ${other.key} is`
      throw rangeError(option, rule, endpointKey(spec.address, spec.port ?? settings.port))
    }
    if (backup) policy.expectBackups()
    reconciler.join(server)
    return server
  }

  /**
   * @param isReplaced by one of its name
   * @returns if it was being drained, the administrator's word before that
   */
  #part(server: Server, isReplaced = false): AdminState | undefined {
    const { reconciler, announcer, drains } = this.#of
    reconciler.leave(server)
    if (!isReplaced) announcer.forget(server)
    return drains.end(server, 'cancelled')
  }

  #presume(server: Server): void {
    const { settings, announcer } = this.#of
    if (settings.initial === 'adopt') server.presume(presumedHealth(server))
    announcer.presume(server)
  }
}
