// The real kernel: requests to the addon's thread, deadlines, and their answers.
import { readFileSync } from 'node:fs'
import { constants } from 'node:os'
import { onAbort } from '../abort.js'
import { type IpvsCommand, IpvsError } from '../errors.js'
import { inSlices } from '../slices.js'
import type { SyncDaemonStatus } from '../system/sync-daemon.js'
import type { Timeouts } from '../system/timeouts.js'
import type { DestinationStatus, ServiceStatus, Snapshot } from '../types.js'
import type { CheckedChange, CheckedServiceId } from '../validate.js'
import {
  type Layout,
  loadAddon,
  NAMESPACE_KIND,
  type NativeClient,
  OUTCOME,
  type Payload,
  type RawFailures,
  type RawTable,
  READ_KIND,
} from './addon.js'
import {
  batchError,
  busyError,
  closedError,
  commandError,
  noModule,
  PERMISSION,
  readError,
  sysctlError,
} from './errors.js'
import type { Cut, Failure, Kernel, Place, WriteOptions, WriteResult } from './kernel.js'
import { ChangeWriter } from './records.js'
import {
  COMMAND_NAMES,
  decodeDaemons,
  decodeInfo,
  decodeTimeouts,
  encodeCommand,
  type KernelInfo,
  type SystemCommand,
} from './system-records.js'
import { TableReader } from './table.js'

const { errno } = constants

/** Where a client lives; `scratch` is a new, empty namespace that ends with the client. */
export interface NamespaceSpec {
  readonly kind: keyof typeof NAMESPACE_KIND
  readonly path?: string
  readonly fd?: number
}

/** Changes that are encoded between two calls of the addon. */
const CHUNK = 1024
/** A list up to this long is encoded in one go. */
const AT_ONCE = 128
/** Changes of a longer one between two pauses (slices.ts). */
const PAUSE_EVERY = 32
const NO_RECORDS = new Uint8Array(0)

type Finish = (error: number, failures: RawFailures, payload: Payload) => void

export class NativeKernel implements Kernel {
  readonly #client: NativeClient
  readonly #layout: Layout
  readonly #writer: ChangeWriter
  /** Of a long list that has been encoded, for the next one: its memory is not for nothing. */
  #spare: ChangeWriter | undefined
  readonly #pending = new Map<number, Finish>()
  readonly #idle: (() => void)[] = []
  #nextId = 1
  #closed = false
  /** Device and inode of the namespace. */
  namespace = ''

  private constructor(where: NamespaceSpec) {
    const addon = loadAddon()
    this.#layout = addon.layout
    this.#writer = new ChangeWriter(addon.layout, CHUNK)
    this.#client = new addon.Client(
      NAMESPACE_KIND[where.kind],
      where.path ?? '',
      where.fd ?? -1,
      (id, error, failures, payload) => this.#finish(id, error, failures, payload),
    )
  }

  static async open(where: NamespaceSpec, deadlineMs: number): Promise<NativeKernel> {
    const kernel = new NativeKernel(where)
    try {
      await kernel.#open(where, deadlineMs)
    } catch (error) {
      kernel.#closed = true
      kernel.#client.stop()
      throw error
    }
    return kernel
  }

  #open(where: NamespaceSpec, deadlineMs: number): Promise<void> {
    return new Promise((resolve, reject) => {
      const id = this.#nextId++
      const timer = setTimeout(() => {
        if (!this.#pending.delete(id)) return
        const text = `opening took longer than ${deadlineMs} ms: is the kernel busy loading ip_vs?`
        reject(new IpvsError('ERR_IPVS_TIMEOUT', text, { command: 'OPEN' }))
      }, deadlineMs)
      this.#pending.set(id, (error, _, payload) => {
        clearTimeout(timer)
        if (error !== 0) return reject(openError(error, where))
        this.namespace = payload as string
        resolve()
      })
      const error = this.#client.open(id)
      if (error !== 0) this.#finish(id, error, undefined, undefined)
    })
  }

  write(
    changes: Iterable<CheckedChange>,
    count: number,
    options: WriteOptions,
  ): Promise<WriteResult> {
    if (count > AT_ONCE) return this.#sendInSlices(changes, count, options)
    return this.#send(this.#nextId++, this.#encode(changes), count, options)
  }

  /**
   * Encodes a long list without keeping the event loop: it has its place in the queue from the call on, and is sent
   * when its last change has been checked.
   */
  async #sendInSlices(
    changes: Iterable<CheckedChange>,
    count: number,
    options: WriteOptions,
  ): Promise<WriteResult> {
    const id = this.#nextId++
    const result = this.#send(id, NO_RECORDS, count, options)
    try {
      await inSlices(this.#append(id, changes))
    } catch (error) {
      if (this.#client.abandon(id) !== false) this.#finish(id, 0, undefined, undefined)
      throw error
    }
    return result
  }

  /** Encodes a request's changes and appends them to it, a chunk at a time. */
  *#append(id: number, changes: Iterable<CheckedChange>): Generator<void, void, void> {
    const writer = this.#spare ?? new ChangeWriter(this.#layout, CHUNK)
    this.#spare = undefined
    // After its deadline, or when it is aborted, nobody waits for it; bad changes are found all the same.
    const append = (): void => {
      if (this.#pending.has(id)) this.#client.append(id, writer.take())
      writer.reuse()
    }
    let done = 0
    for (const change of changes) {
      writer.add(change)
      if (writer.room === 0) append()
      if (++done % PAUSE_EVERY === 0) yield
    }
    append()
    writer.reset()
    this.#spare = writer
  }

  async command(command: SystemCommand, target: string, deadlineMs: number): Promise<void> {
    const record = encodeCommand(this.#layout, command)
    const options = { bulk: false, deadlineMs, signal: undefined }
    const { failures } = await this.#send(this.#nextId++, record, 1, options)
    const failure = failures[0]
    if (failure !== undefined) throw commandError(failure.code, COMMAND_NAMES[command.op], target)
  }

  /** @param records of all of them, or nothing yet: then they come by `append` */
  #send(
    id: number,
    records: Uint8Array,
    count: number,
    options: WriteOptions,
  ): Promise<WriteResult> {
    const { deadlineMs, signal } = options
    if (count === 0 || signal?.aborted) {
      const until = performance.now() + deadlineMs
      const cut = count === 0 ? 'answered' : 'signal'
      return Promise.resolve({ failures: allNotSent(count), cut, until })
    }
    return new Promise((resolve) => this.#post(id, records, count, options, resolve))
  }

  #post(
    id: number,
    records: Uint8Array,
    count: number,
    { bulk, place, deadlineMs, signal }: WriteOptions,
    done: (result: WriteResult) => void,
  ): void {
    const until = performance.now() + deadlineMs
    let cut: Cut = 'answered'
    const timer = setTimeout(() => {
      const raw = this.#client.abandon(id)
      if (raw === false) return // answered; on its way to us
      cut = 'deadline'
      this.#finish(id, 0, raw, undefined)
    }, deadlineMs)
    const withdraw = (): void => {
      if (this.#client.withdraw(id)) cut = 'signal'
    }
    const forget = onAbort(signal, withdraw)
    this.#pending.set(id, (_, failures) => {
      clearTimeout(timer)
      forget()
      done({ failures: decodeFailures(failures), cut, until })
    })
    this.#client.write(id, records, count, bulk, place?.order ?? 0)
  }

  writeSync(changes: Iterable<CheckedChange>, count: number): readonly Failure[] {
    if (count > CHUNK) {
      for (const _ of changes); // a bad one is the better error
      throw batchError(count)
    }
    const records = this.#encode(changes)
    const result = this.#client.runNow(records)
    if (typeof result !== 'number') return decodeFailures(result)
    if (result === errno.E2BIG) throw batchError(count)
    if (result !== errno.EBUSY) throw readError(result, 'OPEN', 'opening a new socket')
    throw busyError()
  }

  async service(
    id: CheckedServiceId,
    target: string,
    deadlineMs: number,
  ): Promise<ServiceStatus | undefined> {
    const table = await this.#table('service', 'GET_SERVICE', target, deadlineMs, id)
    return table?.services()[0]
  }

  async services(deadlineMs: number): Promise<ServiceStatus[]> {
    return (await this.#table(
      'services',
      'GET_SERVICE',
      'reading the services',
      deadlineMs,
    ))!.services()
  }

  async destinations(
    id: CheckedServiceId,
    target: string,
    deadlineMs: number,
  ): Promise<DestinationStatus[] | undefined> {
    return (await this.#table('destinations', 'GET_DEST', target, deadlineMs, id))?.destinations()
  }

  async snapshot(deadlineMs: number): Promise<Snapshot> {
    const release = this.hold()
    try {
      const raw = await this.#read('table', 'GET_SERVICE', 'reading the table', deadlineMs)
      const { verified, attempts } = raw as RawTable
      const services = await inSlices(new TableReader(this.#layout, raw as RawTable).trees())
      return { services, verified, attempts }
    } finally {
      release()
    }
  }

  async sysctls(deadlineMs: number): Promise<Readonly<Record<string, string>>> {
    const text = await this.#read('sysctls', 'GET_SERVICE', 'reading the sysctls', deadlineMs)
    if (typeof text !== 'string') return {}
    const lines = text.split('\n').filter((line) => line !== '')
    return Object.fromEntries(lines.map((line) => line.split(/=(.*)/s, 2) as [string, string]))
  }

  async close(): Promise<void> {
    if (this.#closed) return
    // Again and again: what waited may have more to ask.
    while (this.#pending.size > 0) await new Promise<void>((resolve) => this.#idle.push(resolve))
    if (this.#closed) return
    this.#closed = true
    this.#client.stop()
  }

  takePlace(): Place {
    return { order: this.#client.takePlace(), leave: () => this.#client.leavePlace() }
  }

  hold(): () => void {
    const id = this.#nextId++
    this.#pending.set(id, () => {})
    return () => {
      this.#pending.delete(id)
      this.#checkIdle()
    }
  }

  /** Of at most {@link CHUNK} changes; what it returns is good until the next call. */
  #encode(changes: Iterable<CheckedChange>): Uint8Array {
    this.#writer.reset()
    for (const change of changes) this.#writer.add(change)
    return this.#writer.take()
  }

  async #table(
    kind: keyof typeof READ_KIND,
    command: IpvsCommand,
    target: string,
    deadlineMs: number,
    id?: CheckedServiceId,
  ): Promise<TableReader | undefined> {
    const raw = await this.#read(kind, command, target, deadlineMs, id)
    return raw === undefined ? undefined : new TableReader(this.#layout, raw as RawTable)
  }

  async daemons(deadlineMs: number): Promise<SyncDaemonStatus[]> {
    const rows = await this.#read('daemons', 'GET_DAEMON', 'reading the sync daemons', deadlineMs)
    return decodeDaemons(this.#layout, rows as Uint8Array)
  }

  async timeouts(deadlineMs: number): Promise<Timeouts> {
    const row = await this.#read('timeouts', 'GET_CONFIG', 'reading the timeouts', deadlineMs)
    return decodeTimeouts(this.#layout, row as Uint8Array)
  }

  async info(deadlineMs: number): Promise<KernelInfo> {
    const row = await this.#read('info', 'GET_INFO', 'reading the version', deadlineMs)
    return decodeInfo(this.#layout, row as Uint8Array)
  }

  async setSysctl(name: string, value: string, deadlineMs: number): Promise<void> {
    const target = `setting ${name} to ${value}`
    await this.#read('setSysctl', 'SET_CONFIG', target, deadlineMs, `${name}=${value}`)
  }

  async connections(deadlineMs: number): Promise<number> {
    const target = 'opening /proc/net/ip_vs_conn'
    const fd = await this.#read('connections', 'OPEN', target, deadlineMs, 'ip_vs_conn')
    if (typeof fd === 'string') return Number(fd)
    throw noModule({ command: 'OPEN' })
  }

  /** Resolves with `undefined` if there is no such service, or no such file. */
  #read(
    kind: keyof typeof READ_KIND,
    command: IpvsCommand,
    target: string,
    deadlineMs: number,
    about?: CheckedServiceId | string,
  ): Promise<Payload> {
    return new Promise((resolve, reject) => {
      if (this.#closed) return reject(closedError())
      const id = this.#nextId++
      const timer = setTimeout(() => {
        if (this.#client.abandon(id) === false) return
        this.#pending.delete(id)
        this.#checkIdle()
        const text = `${target}: no answer within ${deadlineMs} ms; the kernel is busy with another IPVS call`
        reject(new IpvsError('ERR_IPVS_TIMEOUT', text, { command }))
      }, deadlineMs)
      this.#pending.set(id, (error, _, payload) => {
        clearTimeout(timer)
        if (error === 0) resolve(payload)
        else if (kind === 'setSysctl') reject(sysctlError(error, target))
        else if (error === errno.ESRCH || error === errno.ENOENT) resolve(undefined)
        else reject(readError(error, command, target))
      })
      const argument =
        typeof about === 'object' ? ChangeWriter.identity(this.#layout, about) : about
      this.#client.read(id, READ_KIND[kind], argument)
    })
  }

  #finish(id: number, error: number, failures: RawFailures, payload: Payload): void {
    const finish = this.#pending.get(id)
    if (finish === undefined) return
    this.#pending.delete(id)
    finish(error, failures, payload)
    this.#checkIdle()
  }

  #checkIdle(): void {
    if (this.#pending.size > 0) return
    for (const resolve of this.#idle.splice(0)) resolve()
  }
}

function decodeFailures(raw: RawFailures): Failure[] {
  const failures: Failure[] = []
  if (raw === undefined) return failures
  for (let i = 0; i < raw.length; i += 3) {
    failures.push({ index: raw[i]!, code: raw[i + 1]!, command: raw[i + 2]! })
  }
  return failures
}

function allNotSent(count: number): Failure[] {
  return Array.from({ length: count }, (_, index) => ({ index, code: OUTCOME.notSent, command: 0 }))
}

/** A negative number is an errno of entering the namespace, a positive one is IPVS's own. */
function openError(error: number, where: NamespaceSpec): IpvsError {
  const command = 'OPEN'
  const name = where.path ?? `file descriptor ${where.fd}`
  if (error < 0 && where.kind === 'scratch') {
    const text = 'making a network namespace needs root (CAP_SYS_ADMIN)'
    return new IpvsError('ERR_IPVS_PERMISSION', text, { command, errno: error })
  }
  if (error < 0) {
    switch (-error) {
      case errno.EPERM:
      case errno.EACCES: {
        const text = `entering the network namespace ${name} needs root (CAP_SYS_ADMIN)`
        return new IpvsError('ERR_IPVS_PERMISSION', text, { command, errno: error })
      }
      case errno.ENOENT:
      case errno.ENOTDIR:
      case errno.EBADF:
      case errno.EINVAL: {
        const text = `there is no network namespace ${name}; "ip netns list" shows the named ones`
        return new IpvsError('ERR_IPVS_NO_NAMESPACE', text, { command, errno: error })
      }
      default: {
        const text = `the network namespace ${name} cannot be entered (errno ${-error})`
        return new IpvsError('ERR_IPVS_KERNEL', text, { command, errno: error })
      }
    }
  }
  if (error === OUTCOME.noFamily || error === errno.EPROTONOSUPPORT) return noModule({ command })
  if (error === errno.EPERM && inUserNamespace()) {
    const text = `IPVS does not work from inside a user namespace (rootless container, unshare -U): ${PERMISSION}`
    const options = { command, errno: -error, reason: 'user-namespace' } as const
    return new IpvsError('ERR_IPVS_UNAVAILABLE', text, options)
  }
  if (error === errno.EPERM) {
    return new IpvsError('ERR_IPVS_PERMISSION', `IPVS refused us: ${PERMISSION}`, {
      command,
      errno: -error,
    })
  }
  return new IpvsError('ERR_IPVS_KERNEL', `IPVS could not be opened (errno ${error})`, {
    command,
    errno: -error,
  })
}

/** The initial user namespace maps every id to itself. */
export function inUserNamespace(): boolean {
  try {
    return !/^\s*0\s+0\s+4294967295\s*$/.test(readFileSync('/proc/self/uid_map', 'utf8'))
  } catch {
    return false
  }
}
