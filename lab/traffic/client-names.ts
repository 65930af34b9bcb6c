// The clients of clients.ts, for those who count what they have lost.
export const clientNames = ['UDP, new ports', 'UDP, one port', 'TCP'] as const
export type ClientName = (typeof clientNames)[number]

/** A query without an answer after this is lost. */
export const patienceMs = 2000
/** On a busy machine an answer takes longer, and only the witness knows of what that time was made. */
export const forgetMs = 8000

/** Told before they begin, at the order `calibrate`. */
export interface CalibratedMessage {
  readonly type: 'calibrated'
  /** Queries answered one after the other. */
  readonly perSecond: number
}
