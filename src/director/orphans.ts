// Services that were a pool's and are none's any more: they go when what takes their place is there.
import { serviceKey } from '../identity.js'
import type { TableClient } from '../table-client.js'
import type { Change, ServiceId } from '../types.js'
import { messageOf } from './events.js'

/** Whether what may take a service's place is there. */
export type Heir = () => boolean

interface Orphan {
  readonly id: ServiceId
  readonly heirs: readonly Heir[]
}

export class Orphans {
  readonly #client: TableClient
  readonly #trouble: (text: string | undefined) => void
  /** Until they are withdrawn or another pool has them. By their keys. */
  readonly #all = new Map<string, Orphan>()

  /** @param trouble why they could not be withdrawn, which is tried again; `undefined`: they could */
  constructor(client: TableClient, trouble: (text: string | undefined) => void) {
    this.#client = client
    this.#trouble = trouble
  }

  /**
   * @param had services of pools before a change
   * @param has keys of services of pools after it
   */
  replace(had: readonly ServiceId[], has: ReadonlySet<string>, heirs: readonly Heir[]): void {
    for (const id of had) this.#all.set(serviceKey(id), { id, heirs })
    for (const key of has) this.#all.delete(key)
  }

  /** Those that may go. What cannot be done is done the next time. Never rejects. */
  async withdraw(): Promise<void> {
    const due = [...this.#all].filter(([, { heirs }]) => heirs.every((isHere) => isHere()))
    if (due.length === 0) return
    const changes = due.map(([, { id }]): Change => ({ op: 'ensure-no-service', service: id }))
    try {
      const { errors } = await this.#client.apply(changes)
      const failed = new Set(errors.map(({ index }) => index))
      for (const [index, [key]] of due.entries()) if (!failed.has(index)) this.#all.delete(key)
      if (errors[0] !== undefined) throw errors[0].error
      this.#trouble(undefined)
    } catch (error) {
      this.#trouble(
        `services that are no pool's any more could not be withdrawn, it is tried again: ${messageOf(error)}`,
      )
    }
  }
}
