// What the programs here tell each other.
import type { QueriesMessage } from '../../lab/traffic/queries.js'

export const udpClients = ['UDP, one port', 'UDP, new ports'] as const
export type UdpClient = (typeof udpClients)[number]
export const streams = ['stream 1', 'stream 2'] as const
export type Stream = (typeof streams)[number]

export type Client = UdpClient | Stream

/** A query without an answer after this is lost. */
export const patienceMs = 500
/** An answer that comes even later than that is not waited for: how busy the machine is, only the witness knows. */
export const forgetMs = 4000

/** From traffic.ts: a stream's connection has ended, or got no answers any more. A new one follows. */
export interface Break {
  readonly client: Stream
  readonly at: number
  readonly why: string
}

/** From director.ts: an order has been carried out. */
export interface Done {
  readonly type: 'done'
  readonly order: string
  /** When it was given to the pool, and when the promise had resolved. */
  readonly startedAt: number
  readonly resolvedAt: number
  /** Codes of the pool's warnings by now. */
  readonly warnings: readonly string[]
  /** What the promise gave, in words. */
  readonly note: string
}

/** From director.ts: the pool was not opened. */
export interface Refused {
  readonly type: 'refused'
  readonly text: string
}

export type Message = QueriesMessage<Client> | ({ readonly type: 'break' } & Break) | Done | Refused
