// The raw logs, one JSON object a line: all that the verdict is given, with the witness's (lab/witness/entries.ts). Times are milliseconds of CLOCK_MONOTONIC, which
// all processes of the guest share.
import type { PoolName, Wishes } from './pools.js'

/** The driver's, and what the meddler has told it. */
export type DriverEntry = { readonly at: number } & (
  | {
      readonly event: 'begin'
      readonly minutes: number
      readonly kills: number
      readonly seed: number
      readonly kernel: string
    }
  /** From now on this is wanted. */
  | {
      readonly event: 'wanted'
      readonly version: number
      readonly pool: PoolName
      readonly wishes: Wishes
    }
  /** The controller has been told all up to this version, and has said that it is so (or that it is not yet). */
  | { readonly event: 'done' | 'refused'; readonly version: number; readonly error?: string }
  | { readonly event: 'started' | 'killed' }
  /** The controller has read the state, and begins to open its pools. */
  | { readonly event: 'opening' }
  /** The controller has opened its pools with this version. */
  | { readonly event: 'ready'; readonly version: number }
  /** The time before its message was sent. */
  | { readonly event: 'meddled'; readonly act: string; readonly errno: number }
  /** Nobody meddles any more; the kernel must be as is wanted from now on; everything begins again. */
  | { readonly event: 'quiet' | 'still' | 'loud' }
  /** Something that must not happen in any run: a program that ended by itself, a command without an answer. */
  | { readonly event: 'trouble'; readonly what: string }
  | { readonly event: 'end'; readonly queries: number }
)

/** A query that a real server has got. The client has read the clock before it sent it, the server after it had it. */
export interface Delivery {
  readonly sent: number
  readonly got: number
  readonly server: string
}
