// The public face of the kernel in memory.
import { rangeError, typeError } from '../errors.js'
import { destinationKey } from '../identity.js'
import { changeError, KERNEL_SCHEDULERS } from '../kernel/errors.js'
import { CONNECT, type Kernel } from '../kernel/kernel.js'
import { formatRules, parseRules } from '../rules/index.js'
import { checkSysctl, SYSCTL_NAMES, type SysctlName } from '../system/sysctls.js'
import type { Change, DestinationId, ServiceId } from '../types.js'
import {
  checkChange,
  checkDestinationId,
  checkInteger,
  checkModuleName,
  checkOptions,
  checkServiceId,
} from '../validate.js'
import { MemoryClient } from './memory-client.js'
import { runChange } from './memory-commands.js'
import type { Fault } from './memory-faults.js'
import { Machine } from './memory-machine.js'

/** Options of {@link MemoryKernel}. */
export interface MemoryKernelOptions {
  /** What the table holds at first, as `ipvsadm-save -n` writes it. Default: nothing. */
  readonly rules?: string
  /**
   * Settings that differ from those of a new namespace, or that one of Linux 6.1 does not have; `run_estimation: 0` stops the
   * statistics. Default: none.
   */
  readonly sysctls?: { readonly [N in SysctlName]?: string | number }
  /** Milliseconds that never go back: statistics and the kernel's timers follow it. Default `performance.now`. */
  readonly clock?: () => number
  /** Schedulers that can be loaded. Default: those of Linux itself. */
  readonly schedulers?: readonly string[]
  /** Persistence engines that can be loaded. Default `['sip']`. */
  readonly engines?: readonly string[]
}

/** What passed through a destination. */
export interface Traffic {
  /** New connections. Default 0. */
  readonly connections?: number
  /** Default 0. */
  readonly packets?: number
  /** Default 0. */
  readonly bytes?: number
  /** Replies: with forwarding `masquerade` only, the others' bypass the director. Default 0. */
  readonly outPackets?: number
  /** Of replies. Default 0. */
  readonly outBytes?: number
}

/** The connections that a destination has now. */
export interface OpenConnections {
  /** Active connections. Default: as many as there were. */
  readonly active?: number
  /** Inactive connections. Default: as many as there were. */
  readonly inactive?: number
  /** Entries of persistence. Default: as many as there were. */
  readonly persistent?: number
}

const MAX = Number.MAX_SAFE_INTEGER

/**
 * IPVS in memory, for tests: answers as the kernel does, errors included, on any system and without the addon. One
 * namespace with its loopback up. Several clients may share it, each with a queue of its own.
 *
 *     const kernel = new MemoryKernel({ rules: '-A -u 192.0.2.1:53 -s wrr' })
 *     const ipvs = await Ipvs.open({ kernel })
 */
export class MemoryKernel {
  readonly #machine: Machine

  /**
   * @throws TypeError, RangeError bad options or rules
   * @throws IpvsError a rule was refused
   */
  constructor(options: MemoryKernelOptions = {}) {
    const fields = checkOptions(options, 'options', [
      'rules',
      'sysctls',
      'clock',
      'schedulers',
      'engines',
    ])
    this.#machine = new Machine({
      schedulers: checkNames(fields.schedulers, 'options.schedulers', KERNEL_SCHEDULERS),
      engines: checkNames(fields.engines, 'options.engines', ['sip']),
      sysctls: checkSysctls(fields.sysctls),
      clock: checkClock(fields.clock),
    })
    if (fields.rules !== undefined) this.load(checkText(fields.rules, 'options.rules'))
  }

  /** The table as `ipvsadm-save -n` writes it: see `formatRules`. */
  rules(): string {
    return formatRules(this.#machine.table.trees())
  }

  /**
   * Adds rules to the table, at once: another writer. Unlike `ipvsadm --restore` it keeps the order of the
   * destinations, so that `rules()` gives the text back.
   *
   * @throws TypeError, RangeError the text cannot be read; nothing was added
   * @throws IpvsError a rule was refused, those before it stay
   */
  load(text: string): void {
    for (const { destinations, ...service } of parseRules(text)) {
      this.#add({ op: 'add-service', service })
      // The kernel lists the newest first, and so does the text.
      for (const destination of [...destinations].reverse()) {
        this.#add({ op: 'add-destination', service, destination })
      }
    }
  }

  /**
   * Plans what goes wrong with the n-th change or read from now, over all clients. Every fault happens once.
   *
   * @throws TypeError, RangeError no such fault
   */
  fail(fault: Fault): void {
    this.#machine.faults.plan(fault)
  }

  /**
   * Runs a function between every two changes from now on, before the second, third… of them: another writer's
   * chance, with `load` or with `applySync` of another client. `undefined` ends it. What the function throws, the call
   * that was interfered with rejects with, and the rest of its batch is not made.
   *
   * @throws TypeError what is neither
   */
  between(interfere: (() => void) | undefined): void {
    this.#machine.faults.interfere(interfere)
  }

  /**
   * Lets packets pass to a destination. As in the kernel, statistics show them from the next 2 s tick of the clock on.
   *
   * @throws RangeError there is no such destination
   */
  traffic(service: ServiceId, destination: DestinationId, traffic: Traffic): void {
    if (traffic === undefined) throw typeError('traffic', '{ packets: 5, bytes: 500 }', traffic)
    const names = ['connections', 'packets', 'bytes', 'outPackets', 'outBytes'] as const
    const fields = checkOptions(traffic, 'traffic', names)
    const amount = (name: keyof typeof fields): number =>
      fields[name] === undefined ? 0 : checkInteger(fields[name], `traffic.${name}`, 0, MAX)
    const amounts = [
      amount('connections'),
      amount('packets'),
      amount('outPackets'),
      amount('bytes'),
      amount('outBytes'),
    ] as const
    const id = checkServiceId(service, 'service')
    const to = checkDestinationId(destination, 'destination')
    if (!this.#machine.table.addTraffic(id, to, amounts)) throw missing(destination)
  }

  /**
   * Says how many connections a destination has. While it has any, a deleted destination is not forgotten.
   *
   * @throws RangeError there is no such destination
   */
  connections(service: ServiceId, destination: DestinationId, open: OpenConnections): void {
    if (open === undefined) throw typeError('connections', '{ active: 2, inactive: 5 }', open)
    const names = ['active', 'inactive', 'persistent'] as const
    const fields = checkOptions(open, 'connections', names)
    const found = this.#machine.table.findDestination(
      checkServiceId(service, 'service'),
      checkDestinationId(destination, 'destination'),
    )
    if (found === undefined) throw missing(destination)
    for (const name of names) {
      if (fields[name] === undefined) continue
      found[name] = checkInteger(fields[name], `connections.${name}`, 0, 0xffffffff)
    }
  }

  /** @internal A client's connection. */
  [CONNECT](): Kernel {
    return new MemoryClient(this.#machine)
  }

  #add(change: Change): void {
    const { code, command } = runChange(this.#machine.table, checkChange(change, 'rules'))
    if (code !== 0) throw changeError(change, code, command, '')
  }
}

function missing(destination: DestinationId): RangeError {
  return rangeError('destination', 'one that the service has', destinationKey(destination))
}

function checkNames(
  value: unknown,
  option: string,
  fallback: readonly string[],
): readonly string[] {
  if (value === undefined) return fallback
  if (!Array.isArray(value)) throw typeError(option, 'an array of names', value)
  return value.map((name, index) => checkModuleName(name, `${option}[${index}]`, 'wrr'))
}

function checkSysctls(value: unknown): Readonly<Record<string, string>> {
  const sysctls: Record<string, string> = {}
  const fields = checkOptions(value, 'options.sysctls', SYSCTL_NAMES)
  for (const name of SYSCTL_NAMES) {
    if (fields[name] === undefined) continue
    sysctls[name] = checkSysctl(name, fields[name], `options.sysctls.${name}`)
  }
  return sysctls
}

function checkClock(clock: unknown): () => number {
  if (clock === undefined) return () => performance.now()
  const rule = 'a function that returns milliseconds'
  if (typeof clock !== 'function') throw typeError('options.clock', rule, clock)
  if (!Number.isFinite(clock())) throw typeError('options.clock', rule, clock)
  return clock as () => number
}

function checkText(value: unknown, option: string): string {
  if (typeof value === 'string') return value
  throw typeError(option, 'rules that "ipvsadm-save -n" writes, as a string', value)
}
