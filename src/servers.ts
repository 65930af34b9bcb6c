// Servers as callers spell them.
import { parseAddress } from './address.js'
import { rangeError } from './errors.js'
import { checkInteger, checkName, checkOptions } from './validate.js'

/** The administrator's word: `drain` gives weight 0 while the server is healthy, `maintenance` counts as down. */
export type AdminState = 'ready' | 'drain' | 'maintenance'

export const ADMIN_STATES: ReadonlyMap<string, AdminState> = new Map(
  (['ready', 'drain', 'maintenance'] as const).map((name) => [name, name]),
)

/** A server of the pool. */
export interface PoolServer {
  readonly address: string
  /** Default: each front's own port; 0 behind a firewall mark. Another port needs forwarding `masquerade` or `local`. */
  readonly port?: number | undefined
  /**
   * The server's address in the other family, for fronts of that family: one server, one verdict, one batch for all.
   * Checks and keys use `address`. Without it (default) a server fits fronts of the other family with forwarding
   * `tunnel` only.
   */
  readonly secondAddress?: string | undefined
  /** Weight while it is up and ready, 0 to 2147483647. Default 1. */
  readonly weight?: number | undefined
  /** No new connections above this many; 0 (the default) means no limit. */
  readonly upperThreshold?: number | undefined
  /** New connections again below this many; 0 (the default) lets the kernel use 75 % of the upper one. */
  readonly lowerThreshold?: number | undefined
  /** The administrator's word when it joins the pool. Default `'ready'`. One that is in the pool keeps its own. */
  readonly admin?: AdminState | undefined
}

/** A server, read. The weights are checked where they meet a front. */
export interface ServerSpec {
  /** Canonical. */
  readonly address: string
  /** `undefined`: each front's own. */
  readonly port: number | undefined
  /** Canonical, and of the other family. */
  readonly secondAddress: string | undefined
  readonly weight: unknown
  readonly upperThreshold: unknown
  readonly lowerThreshold: unknown
  readonly admin: AdminState | undefined
}

/**
 * Reads `'10.1.0.1'`, `'10.1.0.1:53'`, `'[2001:db8::1]:53'`, `'2001:db8::1'` or an object.
 *
 * @throws TypeError, RangeError
 */
export function readServer(value: unknown, option: string): ServerSpec {
  if (typeof value === 'string') return readSpelling(value, option)
  const fields = checkOptions(value ?? null, option, [
    'address',
    'port',
    'secondAddress',
    'weight',
    'upperThreshold',
    'lowerThreshold',
    'admin',
  ])
  const { weight, upperThreshold, lowerThreshold } = fields
  const { af, text: address } = parseAddress(fields.address, `${option}.address`)
  const secondAddress = readSecond(fields.secondAddress, `${option}.secondAddress`, af)
  const port =
    fields.port === undefined ? undefined : checkInteger(fields.port, `${option}.port`, 0, 65535)
  const admin =
    fields.admin === undefined
      ? undefined
      : checkName(fields.admin, `${option}.admin`, ADMIN_STATES)
  return { address, port, secondAddress, weight, upperThreshold, lowerThreshold, admin }
}

function readSecond(value: unknown, option: string, af: number): string | undefined {
  if (value === undefined) return undefined
  const second = parseAddress(value, option)
  if (second.af === af) {
    throw rangeError(option, `of the other family than the server's address`, value)
  }
  return second.text
}

function readSpelling(text: string, option: string): ServerSpec {
  const match = /^(?:\[([^\]]*)\]|([^:]*))(?::(\d+))?$/.exec(text)
  const port = match?.[3] === undefined ? undefined : Number(match[3])
  if (port !== undefined && (port < 1 || port > 65535)) {
    throw rangeError(option, 'a server with a port from 1 to 65535, or without a port', text)
  }
  return {
    address: parseAddress(match?.[1] ?? match?.[2] ?? text, option).text,
    port,
    secondAddress: undefined,
    weight: undefined,
    upperThreshold: undefined,
    lowerThreshold: undefined,
    admin: undefined,
  }
}

/** `10.1.0.1:53`, `[2001:db8::1]:53`: the key of a destination, for an address that is canonical already. */
export function endpointKey(address: string, port: number): string {
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`
}
