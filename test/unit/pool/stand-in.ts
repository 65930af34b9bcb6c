// A small kernel in memory for the pool: strict operations, two lanes, reads that are old when they arrive.
import { IpvsError, type IpvsErrorCode } from '../../../src/errors.js'
import { destinationKey, serviceKey } from '../../../src/identity.js'
import type { SysctlName, Sysctls } from '../../../src/system/sysctls.js'
import type { Timeouts } from '../../../src/system/timeouts.js'
import type { TableClient } from '../../../src/table-client.js'
import type {
  ApplyResult,
  Change,
  ChangeOutcome,
  Destination,
  DestinationStatus,
  Service,
  ServiceId,
  ServiceStatus,
} from '../../../src/types.js'
import { checkChange } from '../../../src/validate.js'

interface Entry {
  service: Service
  readonly destinations: Map<string, Destination>
}

interface Job {
  readonly order: number
  readonly bulk: boolean
  run(): void
}

let namespaces = 0

export class StandIn implements TableClient {
  readonly namespace = `4:${++namespaces}`
  readonly tables = new Map<string, Entry>()
  /** What was executed, batch by batch. */
  readonly batches: Change[][] = []
  readonly values: { -readonly [N in keyof Sysctls]: Sysctls[N] } = {
    expire_nodest_conn: 1,
    expire_quiescent_template: 1,
  }
  readonly seconds: Timeouts = { tcpSeconds: 900, tcpFinSeconds: 120, udpSeconds: 300 }
  /** What was set of the namespace, in order. */
  readonly settings: string[] = []
  /** Makes changes fail; with `lost` they are executed all the same. */
  fail: ((change: Change) => { error: Error; lost?: boolean } | undefined) | undefined
  failRead: (() => Error | undefined) | undefined
  /** Runs before each job: another writer's chance. */
  before: (() => void) | undefined
  reads = 0
  #queue: Job[] = []
  #orders = 0
  /** Order of the last normal change of each object. */
  readonly #written = new Map<string, number>()

  apply(changes: readonly Change[], options?: { priority?: 'bulk' }): Promise<ApplyResult> {
    for (const [index, change] of changes.entries()) checkChange(change, `changes[${index}]`)
    const bulk = options?.priority === 'bulk'
    const order = ++this.#orders
    if (!bulk) for (const change of changes) this.#written.set(objectKey(change), order)
    return this.#enqueue(order, bulk, () => {
      const outcomes = changes.map((change): ChangeOutcome => {
        const error = this.#execute(change, bulk ? order : undefined)
        if (error === undefined) return { change, status: 'applied' }
        const superseded = code(error) === 'ERR_IPVS_SUPERSEDED'
        return { change, status: superseded ? 'superseded' : 'failed', error }
      })
      this.batches.push(
        outcomes.filter(({ error }) => code(error) !== 'ERR_IPVS_SUPERSEDED').map((o) => o.change),
      )
      const errors = outcomes.flatMap(({ change, error }, index) =>
        error === undefined ? [] : [{ index, change, error }],
      )
      const { length: total } = changes
      return { total, applied: total - errors.length, failed: errors.length, errors, outcomes }
    })
  }

  async service(id: ServiceId): Promise<ServiceStatus | undefined> {
    const found = await this.#read(() => this.tables.get(serviceKey(id))?.service)
    return found as ServiceStatus | undefined
  }

  async destinations(id: ServiceId): Promise<DestinationStatus[]> {
    const rows = await this.#read(() => {
      const entry = this.tables.get(serviceKey(id))
      return entry === undefined ? undefined : [...entry.destinations.values()]
    })
    if (rows === undefined) throw new IpvsError('ERR_IPVS_NO_SERVICE', 'no such service')
    return rows as DestinationStatus[]
  }

  async sysctls(): Promise<Sysctls> {
    return { ...this.values }
  }

  async setSysctl(name: SysctlName, value: unknown): Promise<void> {
    this.settings.push(`${name}=${value}`)
    Object.assign(this.values, { [name]: value })
  }

  async timeouts(): Promise<Timeouts> {
    return { ...this.seconds }
  }

  async setTimeouts(timeouts: Partial<Timeouts>): Promise<void> {
    this.settings.push(JSON.stringify(timeouts))
    Object.assign(this.seconds, timeouts)
  }

  /** One line for each object, sorted. */
  rules(): string[] {
    return [...this.tables].flatMap(([key, { service, destinations }]) => {
      const { scheduler, onePacket, persistence, schedulerFlags } = service
      const extras = [
        onePacket === true ? 'ops' : '',
        persistence === undefined ? '' : `persistent ${persistence.timeoutSeconds}`,
        ...(schedulerFlags ?? []),
      ].filter((text) => text !== '')
      const rows = [...destinations].map(
        ([to, { forwarding, weight }]) => `${key} -> ${to} ${forwarding} ${weight ?? 1}`,
      )
      return [[key, scheduler, ...extras].join(' '), ...rows.sort()]
    })
  }

  /** Another writer's change: at once, and it has to work. */
  edit(change: Change): void {
    const error = this.#change(change)
    if (error !== undefined) throw error
  }

  /** A bulk batch has been accepted and not been executed. */
  get bulkWaits(): boolean {
    return this.#queue.some(({ bulk }) => bulk)
  }

  changes(): Change[] {
    return this.batches.flat()
  }

  #read<T>(read: () => T): Promise<T> {
    this.reads++
    return this.#enqueue(++this.#orders, false, () => {
      const error = this.failRead?.()
      if (error !== undefined) throw error
      return structuredClone(read())
    }).then(async (value) => {
      await new Promise((resolve) => setImmediate(resolve))
      return value
    })
  }

  #enqueue<T>(order: number, bulk: boolean, work: () => T): Promise<T> {
    return new Promise((resolve, reject) => {
      const run = () => {
        try {
          resolve(work())
        } catch (error) {
          reject(error)
        }
      }
      this.#queue.push({ order, bulk, run })
      if (this.#queue.length === 1) setImmediate(() => this.#next())
    })
  }

  #next(): void {
    this.before?.()
    const at = Math.max(
      0,
      this.#queue.findIndex(({ bulk }) => !bulk),
    )
    this.#queue[at]!.run()
    this.#queue.splice(at, 1)
    if (this.#queue.length > 0) setImmediate(() => this.#next())
  }

  #execute(change: Change, bulkOrder: number | undefined): Error | undefined {
    if (bulkOrder !== undefined && (this.#written.get(objectKey(change)) ?? 0) > bulkOrder) {
      return new IpvsError('ERR_IPVS_SUPERSEDED', 'superseded')
    }
    const failure = this.fail?.(change)
    if (failure === undefined) return this.#change(change)
    if (failure.lost) this.#change(change)
    return failure.error
  }

  #change(change: Change): Error | undefined {
    const key = serviceKey(change.service)
    const entry = this.tables.get(key)
    const error = (code: IpvsErrorCode) =>
      new IpvsError(code, `${change.op} ${key}: ${code}`, { change })
    switch (change.op) {
      case 'add-service':
      case 'ensure-service':
        if (entry === undefined)
          this.tables.set(key, { service: change.service, destinations: new Map() })
        else if (change.op === 'ensure-service') entry.service = change.service
        else return error('ERR_IPVS_EXISTS')
        return undefined
      case 'replace-service':
        if (entry === undefined) return error('ERR_IPVS_NO_SERVICE')
        entry.service = change.service
        return undefined
      case 'remove-service':
      case 'ensure-no-service':
        if (!this.tables.delete(key) && change.op === 'remove-service')
          return error('ERR_IPVS_NO_SERVICE')
        return undefined
    }
    if (entry === undefined) {
      return change.op === 'ensure-no-destination' ? undefined : error('ERR_IPVS_NO_SERVICE')
    }
    const id = destinationKey(change.destination)
    const there = entry.destinations.has(id)
    switch (change.op) {
      case 'add-destination':
        if (there) return error('ERR_IPVS_EXISTS')
        break
      case 'replace-destination':
        if (!there) return error('ERR_IPVS_NO_DESTINATION')
        break
      case 'remove-destination':
      case 'ensure-no-destination':
        entry.destinations.delete(id)
        return there || change.op === 'ensure-no-destination'
          ? undefined
          : error('ERR_IPVS_NO_DESTINATION')
    }
    entry.destinations.set(id, change.destination as Destination)
    return undefined
  }
}

function code(error: Error | undefined): string | undefined {
  return error instanceof IpvsError ? error.code : undefined
}

function objectKey(change: Change): string {
  const service = serviceKey(change.service)
  return 'destination' in change ? `${service} ${destinationKey(change.destination)}` : service
}

/** `op service -> destination weight`, for comparisons in tests. */
export function show(change: Change): string {
  const service = `${change.op} ${serviceKey(change.service)}`
  if (!('destination' in change)) return service
  const { destination } = change
  const weight = 'weight' in destination ? ` ${destination.weight}` : ''
  return `${service} -> ${destinationKey(destination)}${weight}`
}
