// What can go wrong between us and etcd, by code.
import type { HttpError } from '../http/client.js'

/** Why something could not be done with etcd. */
export type EtcdErrorCode =
  /** No endpoint has answered as etcd does: all are away, or have no leader. */
  | 'ERR_ETCD_UNAVAILABLE'
  /** A watch has broken off. It can be taken up where it was. */
  | 'ERR_ETCD_BROKEN'
  /** A watch asks for what has been compacted: what there is has to be read anew. */
  | 'ERR_ETCD_COMPACTED'
  /** The store is another one than before, restored from a backup or of another cluster: what there is has to be read anew. */
  | 'ERR_ETCD_RESTORED'
  /** Wrong user or password, or one that may not do this. */
  | 'ERR_ETCD_PERMISSION'
  /** There is no such lease, or it is over. */
  | 'ERR_ETCD_NO_LEASE'
  /** etcd does not do it: its message says why. */
  | 'ERR_ETCD_REFUSED'

/** What is known of an error beside its code. */
export interface EtcdErrorOptions {
  /** Of the oldest changes that are left. Default: none. */
  readonly compactRevision?: number | undefined
  /** Default: none. */
  readonly cause?: unknown
}

/** Something could not be done with etcd. Decide by `code`, never by `message`. */
export class EtcdError extends Error {
  override readonly name = 'EtcdError'
  readonly code: EtcdErrorCode
  /** What is older is gone; with `ERR_ETCD_COMPACTED` only. A revision, which numbers changes. */
  declare readonly compactRevision?: number

  constructor(code: EtcdErrorCode, message: string, options: EtcdErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.code = code
    if (options.compactRevision !== undefined) this.compactRevision = options.compactRevision
  }
}

/** An endpoint could not do it, but another one may. */
export class EndpointError extends Error {}

export function isEndpointError(error: unknown): error is EndpointError | HttpError {
  return error instanceof EndpointError || (error as Error | undefined)?.name === 'HttpError'
}

/** gRPC's status codes that say something about the endpoint, not about the request: UNAVAILABLE, INTERNAL and the like. */
const OF_ENDPOINT = new Set([1, 2, 4, 10, 12, 13, 14, 15])
const PERMISSION_DENIED = 7
const UNAUTHENTICATED = 16
/** These have the code of any bad argument. */
const OF_LOGIN = /authentication failed|user name is empty|auth token|revision of auth store is old/

/** Of a token that is over; a watch is denied then as if the user might not read it. */
const OF_TOKEN = /user name is empty|auth token|revision of auth store is old|permission denied/

/** A new token may help. */
export function isAboutToken({ code, message }: EtcdError): boolean {
  return code === 'ERR_ETCD_PERMISSION' && OF_TOKEN.test(message)
}

/** An answer that is an error, by its gRPC status code. */
export function refusal(endpoint: URL, code: number, message: string): Error {
  const text = `${endpoint.origin}: ${message}`
  if (OF_ENDPOINT.has(code)) return new EndpointError(text)
  if (code === 5 && /lease/.test(message)) return new EtcdError('ERR_ETCD_NO_LEASE', text)
  const isDenied = code === PERMISSION_DENIED || code === UNAUTHENTICATED || OF_LOGIN.test(message)
  return new EtcdError(isDenied ? 'ERR_ETCD_PERMISSION' : 'ERR_ETCD_REFUSED', text)
}
