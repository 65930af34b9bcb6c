// The real kernel: requests to the addon's thread, deadlines, and their answers.
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
  NAMESPACE_KIND,
  type NamespaceSpec,
  type NativeClient,
  OUTCOME,
  type Payload,
  type RawFailures,
  type RawTable,
  READ_KIND,
} from './addon.js'
import { CHUNK, Encoder } from './encoder.js'
import {
  batchError,
  busyError,
  closedError,
  commandError,
  noModule,
  readError,
  sysctlError,
} from './errors.js'
import type { Cut, Failure, Kernel, Place, WriteOptions, WriteResult } from './kernel.js'
import { loadAddon } from './load-addon.js'
import { openError, threadError } from './open-error.js'
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

/** A list up to this long is encoded in one go. */
const AT_ONCE = 128
const NO_RECORDS = new Uint8Array(0)
/** A number is used again after so many; larger ones are no small integers for V8. */
const LAST_ID = 2 ** 31 - 1

type Finish = (error: number, failures: RawFailures, payload: Payload) => void

/** A write's outcome as the addon gives it. */
interface Answered extends Pick<WriteResult, 'cut' | 'until'> {
  readonly raw: RawFailures
}

export class NativeKernel implements Kernel {
  readonly #client: NativeClient
  readonly #layout: Layout
  readonly #encoder: Encoder
  readonly #pending = new Map<number, Finish>()
  readonly #idle: (() => void)[] = []
  #lastId: number
  #closed = false
  /** Device and inode of the namespace. */
  namespace = ''

  private constructor(where: NamespaceSpec, lastId: number) {
    const addon = loadAddon()
    this.#lastId = lastId
    this.#layout = addon.layout
    this.#encoder = new Encoder(addon.layout)
    this.#client = new addon.Client(
      NAMESPACE_KIND[where.kind],
      where.path ?? '',
      where.fd ?? -1,
      (id, error, failures, payload) => this.#finish(id, error, failures, payload),
    )
  }

  /** @param lastId tests begin near the end of the numbers */
  static async open(where: NamespaceSpec, deadlineMs: number, lastId = 0): Promise<NativeKernel> {
    const kernel = new NativeKernel(where, lastId)
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
      const id = this.#newId()
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
      if (error === 0) return
      this.#pending.delete(id)
      clearTimeout(timer)
      reject(threadError(error))
    })
  }

  #newId(): number {
    do this.#lastId = (this.#lastId % LAST_ID) + 1
    while (this.#pending.has(this.#lastId))
    return this.#lastId
  }

  write(
    changes: Iterable<CheckedChange>,
    count: number,
    options: WriteOptions,
  ): Promise<WriteResult> {
    if (count > AT_ONCE) return this.#sendInSlices(changes, count, options)
    return this.#send(this.#newId(), this.#encoder.atOnce(changes), count, options).then(
      (answered) => resultOf(answered, count),
    )
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
    const id = this.#newId()
    const answered = this.#send(id, NO_RECORDS, count, options)
    // After its deadline, or when it is aborted, nobody waits for it; bad changes are found all the same.
    const append = (records: Uint8Array): void => {
      if (this.#pending.has(id)) this.#client.append(id, records)
    }
    try {
      await inSlices(this.#encoder.inChunks(changes, count, append))
    } catch (error) {
      if (this.#client.abandon(id) !== false) this.#finish(id, 0, undefined, undefined)
      throw error
    }
    return resultOf(await answered, count)
  }

  async command(command: SystemCommand, target: string, deadlineMs: number): Promise<void> {
    const record = encodeCommand(this.#layout, command)
    const options = { bulk: false, deadlineMs, signal: undefined }
    const answered = await this.#send(this.#newId(), record, 1, options)
    const [failure] = resultOf(answered, 1).failures
    if (failure !== undefined) throw commandError(failure.code, COMMAND_NAMES[command.op], target)
  }

  /** @param records of all of them, or nothing yet: then they come by `append` */
  #send(id: number, records: Uint8Array, count: number, options: WriteOptions): Promise<Answered> {
    const { deadlineMs, signal } = options
    const until = performance.now() + deadlineMs
    if (count === 0) return Promise.resolve({ raw: undefined, cut: 'answered', until })
    if (signal?.aborted) return Promise.resolve({ raw: NOTHING_SENT, cut: 'signal', until })
    return new Promise((resolve) => this.#post(id, records, count, options, resolve))
  }

  #post(
    id: number,
    records: Uint8Array,
    count: number,
    { bulk, place, deadlineMs, signal }: WriteOptions,
    done: (answered: Answered) => void,
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
    this.#pending.set(id, (_, raw) => {
      clearTimeout(timer)
      forget()
      done({ raw, cut, until })
    })
    this.#client.write(id, records, count, bulk, place?.order ?? 0)
  }

  writeSync(changes: Iterable<CheckedChange>, count: number): readonly Failure[] {
    if (count > CHUNK) {
      for (const _ of changes); // a bad one is the better error
      throw batchError(count)
    }
    const result = this.#client.runNow(this.#encoder.atOnce(changes))
    if (typeof result !== 'number') return decodeFailures(result, count)
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

  async snapshot(deadlineMs: number, place?: Place): Promise<Snapshot> {
    const release = this.hold()
    try {
      const target = 'reading the table'
      const bulk = place !== undefined
      const raw = await this.#read('table', 'GET_SERVICE', target, deadlineMs, undefined, bulk)
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
    const id = this.#newId()
    this.#pending.set(id, () => {})
    return () => {
      this.#pending.delete(id)
      this.#checkIdle()
    }
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
    if (typeof fd === 'number') return fd
    throw noModule({ command: 'OPEN' })
  }

  /** Resolves with `undefined` if there is no such service, or no such file. */
  #read(
    kind: keyof typeof READ_KIND,
    command: IpvsCommand,
    target: string,
    deadlineMs: number,
    about?: CheckedServiceId | string,
    bulk = false,
  ): Promise<Payload> {
    return new Promise((resolve, reject) => {
      if (this.#closed) return reject(closedError())
      const id = this.#newId()
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
      this.#client.read(id, READ_KIND[kind], bulk, argument)
    })
  }

  /** False if nobody waits for it: what it brings is not taken. */
  #finish(id: number, error: number, failures: RawFailures, payload: Payload): boolean {
    const finish = this.#pending.get(id)
    if (finish === undefined) return false
    this.#pending.delete(id)
    finish(error, failures, payload)
    this.#checkIdle()
    return true
  }

  #checkIdle(): void {
    if (this.#pending.size > 0) return
    for (const resolve of this.#idle.splice(0)) resolve()
  }
}

/** What was not sent is one failure, the last: that change, and all after it. */
const NOTHING_SENT = Int32Array.of(0, OUTCOME.notSent, 0)

function decodeFailures(raw: RawFailures, count: number): Failure[] {
  const failures: Failure[] = []
  if (raw === undefined) return failures
  for (let i = 0; i < raw.length; i += 3) {
    const [from, code, command] = [raw[i]!, raw[i + 1]!, raw[i + 2]!]
    const end = code === OUTCOME.notSent ? count : from + 1
    for (let index = from; index < end; index++) failures.push({ index, code, command })
  }
  return failures
}

function resultOf({ raw, cut, until }: Answered, count: number): WriteResult {
  return { failures: decodeFailures(raw, count), cut, until }
}
