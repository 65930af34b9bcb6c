// What pools need of a client. Below both: the client knows nothing of pools, and pools nothing of what a client is made of.
import { typeError } from './errors.js'
import type { SysctlName, Sysctls } from './system/sysctls.js'
import type { Timeouts } from './system/timeouts.js'
import type { ApplyResult, Change, DestinationStatus, ServiceId, ServiceStatus } from './types.js'

/**
 * On a client: functions that it calls before it does anything else. Whoever gathers what one turn of the event loop
 * asks for adds one, so that all calls keep their order.
 */
export const BEFORE_CALLS: unique symbol = Symbol('ipvs.before-calls')

/**
 * All that a pool changes passes `apply`, of which short calls of one turn share a request: who wraps a client sees it there.
 */
export interface TableClient {
  /** Identity of the network namespace: two clients of one namespace have the same. */
  readonly namespace: string
  /** @internal */
  readonly [BEFORE_CALLS]?: Set<() => void>
  /** Makes changes in order: {@link Ipvs.apply}. */
  apply(
    changes: readonly Change[],
    options?: {
      /** Default: as for {@link Ipvs.apply}. */
      readonly priority?: 'bulk'
    },
  ): Promise<ApplyResult>
  /** One service, or nothing: {@link Ipvs.service}. */
  service(id: ServiceId): Promise<ServiceStatus | undefined>
  /** Those of one service: {@link Ipvs.destinations}. */
  destinations(id: ServiceId): Promise<DestinationStatus[]>
  /** The settings of the namespace: {@link Ipvs.sysctls}. */
  sysctls(): Promise<Sysctls>
  /** Writes one: {@link Ipvs.setSysctl}. */
  setSysctl<N extends SysctlName>(name: N, value: NonNullable<Sysctls[N]> | string): Promise<void>
  /** Of connections: {@link Ipvs.timeouts}. */
  timeouts(): Promise<Timeouts>
  /** Sets them: {@link Ipvs.setTimeouts}. */
  setTimeouts(timeouts: Partial<Timeouts>): Promise<void>
}

/** @throws TypeError what is no client */
export function checkClient(client: unknown, option: string): TableClient {
  const fields = (client ?? {}) as Partial<Record<keyof TableClient, unknown>>
  if (typeof fields.apply === 'function' && typeof fields.service === 'function') {
    return client as TableClient
  }
  throw typeError(option, 'a client, which Ipvs.open() makes', client)
}
