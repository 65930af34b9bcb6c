// How callers name a network namespace.
import { rangeError, typeError } from './errors.js'
import type { NamespaceSpec } from './kernel/addon.js'
import { readFields } from './validate/options.js'
import { checkInteger } from './validate.js'

/** A name of `ip netns`, a path (anything with a `/`), or the namespace of a process or of an open file. */
export type Netns = string | { readonly pid: number } | { readonly fd: number }

/** @throws ArgumentError */
export function readNetns(netns: unknown, option: string): NamespaceSpec {
  if (netns === undefined) return { kind: 'current' }
  if (typeof netns === 'string') {
    if (netns === '' || netns.includes('\0') || netns === '.' || netns === '..') {
      throw rangeError(option, 'a name of "ip netns" or a path', netns)
    }
    return { kind: 'path', path: netns.includes('/') ? netns : `/var/run/netns/${netns}` }
  }
  const rule = 'a name of "ip netns", a path, { pid } or { fd }'
  if (typeof netns !== 'object' || netns === null) throw typeError(option, rule, netns)
  const absent: unknown = undefined
  const known = { pid: absent, fd: absent }
  const { pid, fd } = readFields(netns, option, known, '{ pid } or { fd }')
  if ((pid === undefined) === (fd === undefined)) throw typeError(option, rule, netns)
  if (fd !== undefined) {
    return { kind: 'descriptor', fd: checkInteger(fd, `${option}.fd`, 0, 2 ** 31 - 1) }
  }
  const id = checkInteger(pid, `${option}.pid`, 1, 2 ** 31 - 1)
  return { kind: 'path', path: `/proc/${id}/ns/net` }
}
