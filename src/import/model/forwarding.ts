// NAT, DR, or TUN with its kind of tunnel.
import type { Tunnel } from '../../types.js'
import type { Forwarding } from './model.js'
import { readPort, type Words } from './words.js'

const methods = { NAT: 'masquerade', DR: 'direct', TUN: 'tunnel' } as const
const checksums = { nocsum: 'none', csum: 'standard', remcsum: 'remote' } as const
const types = ['ipip', 'gue', 'gre'] as const

/** `undefined` if keepalived ignores the line; then that is noted. Of wrong options the method is left. */
export function readForwarding(words: Words): Forwarding | undefined {
  const word = words.next()
  const method = lookUp(methods, word?.text)
  if (method === undefined) return words.refuse(word, 'NAT, DR or TUN')
  const tunnel = readTunnel(words)
  if (tunnel === undefined) {
    words.notes.add(
      word!,
      `what stands behind it is no tunnel that keepalived knows: it takes ${word!.text}, and ignores the rest`,
      'Write TUN type ipip, TUN type gre, or TUN type gue port NUMBER, with csum or, for gue, remcsum behind it.',
    )
  }
  return method === 'tunnel' ? { method, tunnel: tunnel ?? { type: 'ipip' } } : { method }
}

function readTunnel(words: Words): Tunnel | undefined {
  const rest = words.rest()
  let type: Tunnel['type'] = 'ipip'
  let port: number | undefined
  let checksum: NonNullable<Tunnel['checksum']> = 'none'
  for (let at = 0; at < rest.length; at++) {
    const option = rest[at]!.text
    const sum = lookUp(checksums, option)
    if (sum !== undefined) {
      checksum = sum
      continue
    }
    const value = rest[++at]?.text ?? ''
    const found = types.find((name) => name === value)
    if (option === 'type' && found !== undefined) type = found
    else if (option === 'port' && readPort(value) !== undefined) port = readPort(value)!
    else return undefined
  }
  if ((type === 'gue') !== (port !== undefined)) return undefined
  if (type === 'ipip' && checksum !== 'none') return undefined
  if (type === 'gre' && checksum === 'remote') return undefined
  return {
    type,
    ...(port === undefined ? undefined : { port }),
    ...(checksum === 'none' ? undefined : { checksum }),
  }
}

function lookUp<Table extends object>(
  table: Table,
  name: string | undefined,
): Table[keyof Table] | undefined {
  return name !== undefined && Object.hasOwn(table, name) ? table[name as keyof Table] : undefined
}
