// What the demo's processes tell each other: one JSON object per line.
import { writeSync } from 'node:fs'
import { createInterface } from 'node:readline'
import type { Server } from '../network/three-servers.js'

/** Milliseconds of CLOCK_MONOTONIC: the same clock in all processes of one kernel. */
export const now = () => Number(process.hrtime.bigint()) / 1e6

/** The servers that carry traffic, as `/proc/net/ip_vs` shows them. */
export interface Table {
  readonly tcp: readonly Server[]
  readonly udp: readonly Server[]
}

/** From sampler.ts, whenever the table differs from the sample before. */
export interface TableMessage extends Table {
  readonly type: 'table'
  /** When the sample that shows it was taken, and the one before. */
  readonly at: number
  readonly before: number
  /** Samples taken so far, this one not included. */
  readonly samples: number
}

/** From sampler.ts, before it ends. */
export interface SamplerEndMessage {
  readonly type: 'sampler-end'
  readonly samples: number
  /** The longest time between two samples. */
  readonly longestGap: number
}

export const clientNames = ['UDP, new ports', 'UDP, one port', 'TCP'] as const
export type ClientName = (typeof clientNames)[number]

/** A query without an answer after this is lost. */
export const patienceMs = 2000

export interface Query {
  readonly client: ClientName
  readonly sentAt: number
  /** When we knew: the answer came, or the time was up. */
  readonly endedAt: number
  /** Who answered; `undefined`: lost. */
  readonly server?: Server
}

/** From clients.ts, several times a second. */
export interface QueriesMessage {
  readonly type: 'queries'
  readonly queries: readonly Query[]
}

/** From director.ts: an event of the pool, or a decision of the checker. */
export interface ControllerMessage {
  readonly type: 'controller'
  readonly at: number
  readonly event: string
  readonly server?: Server
  readonly text: string
}

export type Message =
  | { readonly type: 'ready' }
  | TableMessage
  | SamplerEndMessage
  | QueriesMessage
  | ControllerMessage

/** Written before it returns, so that nothing is lost when the process ends. */
export function tell<M extends { readonly type: string } = Message>(message: NoInfer<M>): void {
  writeSync(1, `${JSON.stringify(message)}\n`)
}

/**
 * Calls back for each line the play sends, with the words behind the first; `stop` also when it has died: nobody is
 * left behind.
 */
export function onOrders(orders: Record<string, (...words: string[]) => void>): void {
  const lines = createInterface({ input: process.stdin })
  lines.on('line', (line) => {
    const [order = '', ...words] = line.split(' ')
    orders[order]?.(...words)
  })
  lines.on('close', () => orders.stop?.())
}
