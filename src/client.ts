// The client: services and destinations of one network namespace, one method per verb.
import { setImmediate } from 'node:timers/promises'
import { Applied } from './apply-result.js'
import { IpvsApplyError, IpvsError, rangeError, typeError } from './errors.js'
import { destinationKey, serviceKey } from './identity.js'
import { changeError } from './kernel-errors.js'
import { OUTCOME } from './native.js'
import {
  type Cut,
  closedError,
  type Failure,
  type NamespaceSpec,
  NativeKernel,
} from './native-kernel.js'
import { type ProbeOptions, type ProbeResult, probe } from './probe.js'
import { settler } from './settle.js'
import { traceChanges } from './trace.js'
import type {
  ApplyResult,
  Change,
  Destination,
  DestinationId,
  DestinationStatus,
  Service,
  ServiceId,
  ServiceSettings,
  ServiceStatus,
  Snapshot,
} from './types.js'
import { readFields } from './validate/options.js'
import {
  type CheckedChange,
  checkChange,
  checkInteger,
  checkOptions,
  checkServiceId,
} from './validate.js'

/** Default of `deadlineMs`. */
const DEADLINE_MS = 5000
const MAX_DEADLINE_MS = 2_147_483_647 // setTimeout takes no more

export interface OpenOptions {
  /**
   * Network namespace: a name of `ip netns`, a path (anything with a `/`), or the namespace of a process or of an
   * open file. Default: the namespace of this process.
   */
  readonly netns?: string | { readonly pid: number } | { readonly fd: number }
  /** Default deadline of every call, in milliseconds. Default 5000. */
  readonly deadlineMs?: number
}

export interface CallOptions {
  /** How long the promise may take, in milliseconds; default: the client's. */
  readonly deadlineMs?: number
}

export interface ApplyOptions extends CallOptions {
  /** `'throw'` rejects with {@link IpvsApplyError} if any change was not applied, after all have run. */
  readonly onError?: 'throw'
  /** `'bulk'` lets other calls go first between two batches. */
  readonly priority?: 'bulk'
  /** Withdraws what is not sent yet. */
  readonly signal?: AbortSignal
}

/** A connection to the kernel's IPVS table, with a thread and sockets of its own. */
export class Ipvs implements AsyncDisposable {
  readonly #kernel: NativeKernel
  readonly #deadlineMs: number
  #closed = false

  private constructor(kernel: NativeKernel, deadlineMs: number) {
    this.#kernel = kernel
    this.#deadlineMs = deadlineMs
  }

  /**
   * Opens IPVS in a network namespace. The kernel loads `ip_vs` by itself where it can (genetlink.c: ctrl_getfamily).
   *
   * @throws TypeError, RangeError bad options
   * @throws IpvsError `ERR_IPVS_UNAVAILABLE` (see `reason`), `ERR_IPVS_PERMISSION`, `ERR_IPVS_NO_NAMESPACE`,
   *   `ERR_IPVS_TIMEOUT`
   */
  static async open(options: OpenOptions = {}): Promise<Ipvs> {
    const checked = checkOptions(options, 'options', ['netns', 'deadlineMs'])
    const deadlineMs = checkDeadline(checked.deadlineMs, DEADLINE_MS)
    const kernel = await NativeKernel.open(checkNetns(checked.netns), deadlineMs)
    return new Ipvs(kernel, deadlineMs)
  }

  /** Finds out whether IPVS can be used here, and if not, what to do. Never rejects, but for bad options. */
  static probe(options: ProbeOptions = {}): Promise<ProbeResult> {
    return probe(options, checkNetns)
  }

  /** Identity of the network namespace: two clients of one namespace have the same. */
  get namespace(): string {
    return this.#kernel.namespace
  }

  /**
   * Sends what was accepted, each call up to its deadline, and ends the client's thread. Idempotent. Later calls
   * reject with `ERR_IPVS_CLOSED`.
   */
  async close(): Promise<void> {
    this.#closed = true
    await this.#kernel.close()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  /** All services, without their destinations. */
  async services(options?: CallOptions): Promise<ServiceStatus[]> {
    return this.#open().services(this.#callDeadline(options))
  }

  /** One service, or `undefined` if it is not there. */
  async service(id: ServiceId, options?: CallOptions): Promise<ServiceStatus | undefined> {
    const checked = checkServiceId(id, 'service')
    return this.#open().service(checked, `reading ${serviceKey(id)}`, this.#callDeadline(options))
  }

  /** @throws IpvsError `ERR_IPVS_NO_SERVICE` */
  async destinations(id: ServiceId, options?: CallOptions): Promise<DestinationStatus[]> {
    const rows = await this.#destinations(id, this.#callDeadline(options))
    if (rows !== undefined) return rows
    const text = `reading the destinations of ${serviceKey(id)}: there is no such service`
    throw new IpvsError('ERR_IPVS_NO_SERVICE', text, { command: 'GET_DEST' })
  }

  /** @throws IpvsError `ERR_IPVS_EXISTS`, `ERR_IPVS_NO_SCHEDULER`, `ERR_IPVS_NO_ENGINE`… */
  async addService(service: Service, options?: CallOptions): Promise<void> {
    await this.#one({ op: 'add-service', service }, options)
  }

  /** Sets every field of a service. @throws IpvsError `ERR_IPVS_NO_SERVICE`, `ERR_IPVS_NO_SCHEDULER`… */
  async replaceService(service: Service, options?: CallOptions): Promise<void> {
    await this.#one({ op: 'replace-service', service }, options)
  }

  /**
   * Changes some fields: reads the service, merges, replaces. A patch value of `undefined` clears the field. Not
   * atomic: what another writer changes in between is overwritten.
   *
   * @throws IpvsError `ERR_IPVS_NO_SERVICE`
   */
  async updateService(
    id: ServiceId,
    patch: { readonly [K in keyof ServiceSettings]?: ServiceSettings[K] | undefined },
    options?: CallOptions,
  ): Promise<void> {
    checkPatch(patch, [
      'scheduler',
      'onePacket',
      'persistence',
      'schedulerFlags',
      'persistenceEngine',
    ])
    const seen = await this.service(id, options)
    if (seen === undefined) {
      const text = `updating ${serviceKey(id)}: there is no such service`
      throw new IpvsError('ERR_IPVS_NO_SERVICE', text, { command: 'GET_SERVICE' })
    }
    await this.#one({ op: 'replace-service', service: { ...seen, ...patch } as Service }, options)
  }

  /** Removes a service with its destinations. @throws IpvsError `ERR_IPVS_NO_SERVICE` */
  async removeService(id: ServiceId, options?: CallOptions): Promise<void> {
    await this.#one({ op: 'remove-service', service: id }, options)
  }

  /** @throws IpvsError `ERR_IPVS_EXISTS`, `ERR_IPVS_NO_SERVICE`, `ERR_IPVS_INVALID`… */
  async addDestination(
    id: ServiceId,
    destination: Destination,
    options?: CallOptions,
  ): Promise<void> {
    await this.#one({ op: 'add-destination', service: id, destination }, options)
  }

  /** Sets every field of a destination. @throws IpvsError `ERR_IPVS_NO_DESTINATION`, `ERR_IPVS_NO_SERVICE`… */
  async replaceDestination(
    id: ServiceId,
    destination: Destination,
    options?: CallOptions,
  ): Promise<void> {
    await this.#one({ op: 'replace-destination', service: id, destination }, options)
  }

  /**
   * Changes some fields: reads the destination, merges, replaces. Not atomic.
   *
   * @throws IpvsError `ERR_IPVS_NO_DESTINATION`, `ERR_IPVS_NO_SERVICE`
   */
  async updateDestination(
    id: ServiceId,
    destination: DestinationId,
    patch: {
      readonly [K in Exclude<keyof Destination, keyof DestinationId>]?: Destination[K] | undefined
    },
    options?: CallOptions,
  ): Promise<void> {
    checkPatch(patch, ['forwarding', 'weight', 'upperThreshold', 'lowerThreshold', 'tunnel'])
    const key = destinationKey(destination)
    const seen = (await this.destinations(id, options)).find((row) => destinationKey(row) === key)
    if (seen === undefined) {
      const text = `updating ${key} of ${serviceKey(id)}: the service has no such destination`
      throw new IpvsError('ERR_IPVS_NO_DESTINATION', text, { command: 'GET_DEST' })
    }
    const { tunnel, ...rest } = seen
    // A tunnel's settings belong to the method: another method leaves them behind.
    const kept = tunnel !== undefined && (patch.forwarding ?? 'tunnel') === 'tunnel' && { tunnel }
    const merged = { ...rest, ...kept, ...patch } as Destination
    await this.#one({ op: 'replace-destination', service: id, destination: merged }, options)
  }

  /** @throws IpvsError `ERR_IPVS_NO_DESTINATION`, `ERR_IPVS_NO_SERVICE` */
  async removeDestination(
    id: ServiceId,
    destination: DestinationId,
    options?: CallOptions,
  ): Promise<void> {
    await this.#one({ op: 'remove-destination', service: id, destination }, options)
  }

  /**
   * Makes changes in order. Not atomic, and a failed change does not stop later ones; every change has an outcome.
   * All are checked before the first is sent. The caller leaves `changes` alone until the promise settles.
   *
   * @throws TypeError, RangeError a bad change; nothing was sent
   * @throws IpvsApplyError with `onError: 'throw'`
   */
  async apply(changes: readonly Change[], options?: ApplyOptions): Promise<ApplyResult> {
    const checked = checkOptions(options, 'options', [
      'onError',
      'priority',
      'signal',
      'deadlineMs',
    ])
    const deadlineMs = checkDeadline(checked.deadlineMs, this.#deadlineMs)
    checkOneOf(checked.onError, 'options.onError', 'throw')
    checkOneOf(checked.priority, 'options.priority', 'bulk')
    const signal = checkSignal(checked.signal)
    const until = performance.now() + deadlineMs
    const { failures, cut } = await this.#open().write(checkAll(changes), changes.length, {
      bulk: checked.priority === 'bulk',
      deadlineMs,
      signal,
    })
    const result = new Applied(changes, await this.#errors(changes, failures, cut, until))
    traceChanges(result)
    if (checked.onError === 'throw' && result.failed > 0) throw new IpvsApplyError(result)
    return result
  }

  /**
   * The blocking twin of {@link apply}, for one batch: everything has happened when it returns. The kernel may take
   * milliseconds (loading a scheduler: more), and the event loop stands still meanwhile.
   *
   * @throws RangeError more than one batch
   * @throws IpvsError `ERR_IPVS_BUSY` while asynchronous calls are queued
   */
  applySync(changes: readonly Change[]): ApplyResult {
    const failures = this.#open().writeSync(checkAll(changes), changes.length)
    const errors = new Map<number, IpvsError>()
    for (const { index, code, command } of failures) {
      errors.set(index, changeError(changes[index]!, code, command, LOST))
    }
    const result = new Applied(changes, errors)
    traceChanges(result)
    return result
  }

  /** A verified read of the whole table (see {@link Snapshot}). */
  async snapshot(options?: CallOptions): Promise<Snapshot> {
    return this.#open().snapshot(this.#callDeadline(options))
  }

  /**
   * The namespace's IPVS settings (`/proc/sys/net/ipv4/vs`) as text, by name. Empty where the kernel shows none: on
   * 6.1 in a namespace that belongs to a user namespace.
   */
  async sysctls(options?: CallOptions): Promise<Readonly<Record<string, string>>> {
    return this.#open().sysctls(this.#callDeadline(options))
  }

  #open(): NativeKernel {
    if (!this.#closed) return this.#kernel
    throw closedError()
  }

  #callDeadline(options: CallOptions | undefined): number {
    const { deadlineMs } = checkOptions(options, 'options', ['deadlineMs'])
    return checkDeadline(deadlineMs, this.#deadlineMs)
  }

  async #one(change: Change, options: CallOptions | undefined): Promise<void> {
    const deadlineMs = this.#callDeadline(options)
    const checked = checkVerb(change)
    const until = performance.now() + deadlineMs
    const write = { bulk: false, deadlineMs, signal: undefined }
    const { failures, cut } = await this.#open().write([checked], 1, write)
    const error = (await this.#errors([change], failures, cut, until)).get(0)
    traceChanges(new Applied([change], new Map(error && [[0, error]])))
    if (error !== undefined) throw error
  }

  #destinations(id: ServiceId, deadlineMs: number): Promise<DestinationStatus[] | undefined> {
    const checked = checkServiceId(id, 'service')
    const target = `reading the destinations of ${serviceKey(id)}`
    return this.#open().destinations(checked, target, deadlineMs)
  }

  /**
   * Errors by index. A lost answer is settled by reading the object back, as long as there is time: after `until`, or
   * where the kernel still has the call, it stays unknown.
   */
  async #errors(
    changes: readonly Change[],
    failures: readonly Failure[],
    cut: Cut,
    until: number,
  ): Promise<Map<number, IpvsError>> {
    const errors = new Map<number, IpvsError>()
    if (failures.length === 0) return errors
    const release = this.#kernel.hold()
    const left = () => Math.max(1, Math.ceil(until - performance.now()))
    const settle = settler({
      service: (id) => this.#kernel.service(checkServiceId(id, 'service'), 'settling', left()),
      destinations: (id) =>
        this.#kernel.destinations(checkServiceId(id, 'service'), 'settling', left()),
    })
    try {
      for (const [n, { index, code, command }] of failures.entries()) {
        if (n % ERRORS_PER_TURN === ERRORS_PER_TURN - 1) await setImmediate()
        const change = changes[index]!
        const why = code === OUTCOME.unknown && cut === 'signal' ? LOST : REASONS[cut]
        const error = changeError(change, code, command, why)
        if (code === OUTCOME.unknown && cut !== 'deadline' && performance.now() < until) {
          try {
            const { applied, observed } = await settle(change)
            if (applied) continue
            Object.assign(error, { observed })
          } catch (cause) {
            Object.assign(error, { cause })
          }
        }
        errors.set(index, error)
      }
    } finally {
      release()
    }
    return errors
  }
}

const LOST = 'its answer was lost'
/** After so many errors other work gets its turn: making one takes some microseconds. */
const ERRORS_PER_TURN = 1000
/** Why changes have no answer of the kernel's. */
const REASONS: Readonly<Record<Cut, string>> = {
  answered: LOST,
  deadline: 'its deadline passed',
  signal: 'its signal was aborted',
}

function checkAll(changes: readonly Change[]): Generator<CheckedChange> {
  if (!Array.isArray(changes)) throw typeError('changes', 'an array of changes', changes)
  return checkEach(changes)
}

function* checkEach(changes: readonly Change[]): Generator<CheckedChange> {
  for (let i = 0; i < changes.length; i++) yield checkChange(changes[i], `changes[${i}]`)
}

/** Arguments of the verbs are named `service` and `destination`, without the change around them. */
function checkVerb(change: Change): CheckedChange {
  return checkChange(change, '')
}

function checkPatch(patch: unknown, keys: readonly string[]): void {
  if (patch === undefined) throw typeError('patch', 'an object with the fields to change', patch)
  checkOptions(patch, 'patch', keys)
}

function checkNetns(netns: unknown): NamespaceSpec {
  if (netns === undefined) return { kind: 'current' }
  if (typeof netns === 'string') {
    if (netns === '' || netns.includes('\0') || netns === '.' || netns === '..') {
      throw rangeError('options.netns', 'a name of "ip netns" or a path', netns)
    }
    return { kind: 'path', path: netns.includes('/') ? netns : `/var/run/netns/${netns}` }
  }
  const rule = 'a name of "ip netns", a path, { pid } or { fd }'
  if (typeof netns !== 'object' || netns === null) throw typeError('options.netns', rule, netns)
  const { pid, fd } = readFields(
    netns,
    'options.netns',
    { pid: undefined as unknown, fd: undefined as unknown },
    '{ pid } or { fd }',
  )
  if ((pid === undefined) === (fd === undefined)) throw typeError('options.netns', rule, netns)
  if (fd !== undefined) {
    return { kind: 'descriptor', fd: checkInteger(fd, 'options.netns.fd', 0, 2 ** 31 - 1) }
  }
  const id = checkInteger(pid, 'options.netns.pid', 1, 2 ** 31 - 1)
  return { kind: 'path', path: `/proc/${id}/ns/net` }
}

function checkDeadline(value: unknown, fallback: number): number {
  if (value === undefined) return fallback
  return checkInteger(value, 'options.deadlineMs', 1, MAX_DEADLINE_MS)
}

function checkOneOf(value: unknown, option: string, only: string): void {
  if (value === undefined || value === only) return
  const rule = `"${only}" or absent`
  throw typeof value === 'string' ? rangeError(option, rule, value) : typeError(option, rule, value)
}

function checkSignal(value: unknown): AbortSignal | undefined {
  if (value === undefined || value instanceof AbortSignal) return value
  throw typeError('options.signal', 'an AbortSignal', value)
}
