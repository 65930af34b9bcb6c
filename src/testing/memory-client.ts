// One client of a kernel in memory: what native-kernel.ts is to the real one.
import { openSync } from 'node:fs'
import { devNull } from 'node:os'
import { onAbort } from '../abort.js'
import { type IpvsCommand, IpvsError } from '../errors.js'
import { OUTCOME } from '../kernel/addon.js'
import {
  batchError,
  busyError,
  closedError,
  commandError,
  readError,
  sysctlError,
} from '../kernel/errors.js'
import type { Failure, Kernel, Place, WriteOptions, WriteResult } from '../kernel/kernel.js'
import { COMMAND_NAMES, type KernelInfo, type SystemCommand } from '../kernel/system-records.js'
import type { SyncDaemonStatus } from '../system/sync-daemon.js'
import type { Timeouts } from '../system/timeouts.js'
import type { DestinationStatus, ServiceStatus, Snapshot } from '../types.js'
import type { CheckedChange, CheckedServiceId } from '../validate.js'
import { commandOf, messagesOf } from './memory-commands.js'
import type { Machine } from './memory-machine.js'
import { afterThisTurn, BATCH_MESSAGES, type Kind, MemoryQueue } from './memory-queue.js'

export class MemoryClient implements Kernel {
  readonly namespace: string
  readonly #machine: Machine
  readonly #queue: MemoryQueue
  readonly #idle: (() => void)[] = []
  #pending = 0
  #closed = false

  constructor(machine: Machine) {
    this.#machine = machine
    this.namespace = machine.namespace
    this.#queue = new MemoryQueue((changes) => machine.run(changes))
  }

  async write(
    changes: Iterable<CheckedChange>,
    count: number,
    { bulk, place, deadlineMs, signal }: WriteOptions,
  ): Promise<WriteResult> {
    const checked = [...changes]
    const until = performance.now() + deadlineMs
    if (count === 0) return { failures: [], cut: 'answered', until }
    if (signal?.aborted) return { failures: notSent(checked), cut: 'signal', until }
    const release = this.hold()
    const { result, withdraw } = this.#queue.write(checked, bulk, place)
    const timer = setTimeout(() => withdraw('deadline'), deadlineMs)
    const forget = onAbort(signal, () => withdraw('signal'))
    try {
      return { ...(await result), until }
    } finally {
      clearTimeout(timer)
      forget()
      release()
    }
  }

  writeSync(changes: Iterable<CheckedChange>, count: number): readonly Failure[] {
    const checked = [...changes]
    if (this.#queue.isBusy) throw busyError()
    const messages = checked.reduce((sum, change) => sum + messagesOf(change), 0)
    if (messages > BATCH_MESSAGES) throw batchError(count)
    const { outcomes } = this.#machine.run(checked)
    this.#queue.noteNow(checked, outcomes)
    return outcomes
      .map((outcome, index) => ({ index, ...outcome }))
      .filter(({ code }) => code !== 0)
  }

  takePlace(): Place {
    return this.#queue.takePlace()
  }

  service(
    id: CheckedServiceId,
    target: string,
    deadlineMs: number,
  ): Promise<ServiceStatus | undefined> {
    return this.#readTable('GET_SERVICE', target, deadlineMs, () => this.#machine.table.service(id))
  }

  services(deadlineMs: number): Promise<ServiceStatus[]> {
    const target = 'reading the services'
    return this.#readTable('GET_SERVICE', target, deadlineMs, () => this.#machine.table.services())
  }

  destinations(
    id: CheckedServiceId,
    target: string,
    deadlineMs: number,
  ): Promise<DestinationStatus[] | undefined> {
    return this.#readTable('GET_DEST', target, deadlineMs, () =>
      this.#machine.table.destinations(id),
    )
  }

  snapshot(deadlineMs: number, place?: Place): Promise<Snapshot> {
    const read = () => ({ services: this.#machine.table.trees(), verified: true, attempts: 1 })
    const kind = { bulk: place !== undefined }
    return this.#readTable('GET_SERVICE', 'reading the table', deadlineMs, read, kind)
  }

  sysctls(deadlineMs: number): Promise<Readonly<Record<string, string>>> {
    const target = 'reading the sysctls'
    return this.#read('GET_SERVICE', target, deadlineMs, () => ({
      ...this.#machine.system.sysctls,
    }))
  }

  command(command: SystemCommand, target: string, deadlineMs: number): Promise<void> {
    const name = COMMAND_NAMES[command.op]
    const { system, table } = this.#machine
    const late = () => commandError(OUTCOME.notSent, name, target)
    const run = (): void => {
      const code = system.run(command, table)
      if (code !== 0) throw commandError(code, name, target)
    }
    return this.#enqueue(deadlineMs, late, run, { flushes: command.op === 'flush' })
  }

  daemons(deadlineMs: number): Promise<SyncDaemonStatus[]> {
    const target = 'reading the sync daemons'
    return this.#read('GET_DAEMON', target, deadlineMs, () => this.#machine.system.daemons())
  }

  timeouts(deadlineMs: number): Promise<Timeouts> {
    const target = 'reading the timeouts'
    return this.#read('GET_CONFIG', target, deadlineMs, () => this.#machine.system.timeouts)
  }

  info(deadlineMs: number): Promise<KernelInfo> {
    return this.#read('GET_INFO', 'reading the version', deadlineMs, () => ({
      version: '1.2.1',
      connectionTableSize: 4096,
    }))
  }

  setSysctl(name: string, value: string, deadlineMs: number): Promise<void> {
    const target = `setting ${name} to ${value}`
    return this.#read('SET_CONFIG', target, deadlineMs, () => {
      const code = this.#machine.system.setSysctl(name, value)
      if (code !== 0) throw sysctlError(code, target)
    })
  }

  /** Of connections only their numbers are modelled: the list is empty. */
  connections(deadlineMs: number): Promise<number> {
    const target = 'opening /proc/net/ip_vs_conn'
    return this.#read('OPEN', target, deadlineMs, () => openSync(devNull, 'r'))
  }

  hold(): () => void {
    this.#pending++
    return () => {
      this.#pending--
      if (this.#pending > 0) return
      for (const resolve of this.#idle.splice(0)) resolve()
    }
  }

  async close(): Promise<void> {
    // Again and again: what waited may have more to ask.
    while (this.#pending > 0) await new Promise<void>((resolve) => this.#idle.push(resolve))
    this.#closed = true
  }

  /** A read that may be planned to go wrong. */
  #readTable<T>(
    command: IpvsCommand,
    target: string,
    deadlineMs: number,
    read: () => T,
    kind?: Kind,
  ): Promise<T> {
    const planned = () => {
      const fault = this.#machine.faults.next('read')
      if (typeof fault === 'number') throw readError(fault, command, target)
      return fault === 'late' ? later(read()) : read()
    }
    return this.#read(command, target, deadlineMs, planned, kind)
  }

  #read<T>(
    command: IpvsCommand,
    target: string,
    deadlineMs: number,
    read: () => T | Promise<T>,
    kind: Kind = {},
  ): Promise<T> {
    const text = `${target}: no answer within ${deadlineMs} ms; earlier calls of this client are still queued`
    const late = () => new IpvsError('ERR_IPVS_TIMEOUT', text, { command })
    return this.#enqueue(deadlineMs, late, read, kind)
  }

  /** Runs `call` when its turn comes; what it throws is the rejection. */
  #enqueue<T>(
    deadlineMs: number,
    late: () => IpvsError,
    call: () => T | Promise<T>,
    kind: Kind,
  ): Promise<T> {
    if (this.#closed) return Promise.reject(closedError())
    const release = this.hold()
    return new Promise<T>((resolve, reject) => {
      const timer = setTimeout(() => {
        if (takeBack()) reject(late())
      }, deadlineMs)
      const takeBack = this.#queue.read(() => {
        clearTimeout(timer)
        try {
          resolve(call())
        } catch (error) {
          reject(error)
        }
      }, kind)
    }).finally(release)
  }
}

/** So many turns of the event loop: changes that are asked for meanwhile are made by then. */
const LATE_TURNS = 3

async function later<T>(value: T): Promise<T> {
  for (let turn = 0; turn < LATE_TURNS; turn++) {
    await new Promise<void>((resolve) => afterThisTurn(resolve))
  }
  return value
}

function notSent(changes: readonly CheckedChange[]): Failure[] {
  return changes.map((change, index) => ({
    index,
    code: OUTCOME.notSent,
    command: commandOf(change),
  }))
}
