// What the library says of options and addresses: it refuses some that keepalived takes.
import * as builtIn from '../../health/checks/built-in.js'
import { checkDestinationId } from '../../validate.js'
import { readAddress } from '../model/words.js'
import type { Json, JsonMap } from './document.js'

const makers: Readonly<Record<string, unknown>> = builtIn

/** What is wrong with `{ http: {…} }`; `undefined` if it is a check. */
export function refusal(check: JsonMap): string | undefined {
  const [[kind, options]] = Object.entries(check) as [[string, Json]]
  const make = makers[kind]
  // Of exec, which starts programs, the import graph of the package has to know nothing.
  if (typeof make !== 'function') return undefined
  try {
    make(plainOf(options))
    return undefined
  } catch (error) {
    return error instanceof Error ? error.message : String(error)
  }
}

/** As the director makes it of the file, but for what is in other files. */
function plainOf(value: Json): unknown {
  if (typeof value !== 'object' || value === null) return value
  if (Array.isArray(value)) return value.map(plainOf)
  const { hex, regexp, flags, ...map } = value as JsonMap
  if (typeof hex === 'string') return Buffer.from(hex, 'hex')
  if (typeof regexp === 'string') return new RegExp(regexp, flags as string | undefined)
  const entries = Object.entries(map).filter(([, one]) => !isFile(one))
  return Object.fromEntries(entries.map(([key, one]) => [key, plainOf(one)]))
}

function isFile(value: Json): boolean {
  return typeof value === 'object' && value !== null && 'file' in value
}

/** Packets are sent to it: neither zeros nor IPv4-mapped. In canonical spelling. */
export function isServiceAddress(address: string): boolean {
  return address !== '0.0.0.0' && address !== '::' && readAddress(address) !== undefined
}

/** The kernel takes it for a server. */
export function isServerAddress(address: string): boolean {
  try {
    checkDestinationId({ address, port: 0 }, 'server')
    return true
  } catch {
    return false
  }
}
