// NAT, DR, or TUN with its kind of tunnel.
import type { Tunnel } from '../../types.js'
import type { Forwarding } from './model.js'
import { readPort, type Words } from './words.js'

const methods = { NAT: 'masquerade', DR: 'direct', TUN: 'tunnel' } as const
const checksums = { nocsum: 'none', csum: 'standard', remcsum: 'remote' } as const
const types = ['ipip', 'gue', 'gre'] as const

/** `undefined` if keepalived ignores the line; then that is noted. */
export function readForwarding(words: Words): Forwarding | undefined {
  const word = words.next()
  const method = lookUp(methods, word?.text)
  if (method === undefined) return words.refuse(word, 'NAT, DR or TUN')
  let type: Tunnel['type'] = 'ipip'
  let port: number | undefined
  let checksum: Tunnel['checksum']
  for (let option = words.next(); option !== undefined; option = words.next()) {
    const sum = lookUp(checksums, option.text)
    if (sum !== undefined) {
      checksum = sum
      continue
    }
    const value = words.next()
    const found = types.find((name) => name === value?.text)
    if (option.text === 'type' && found !== undefined) type = found
    else if (option.text === 'port' && readPort(value?.text ?? '') !== undefined)
      port = readPort(value!.text)
    else
      return words.refuse(
        value ?? option,
        'NAT, DR or TUN, and for TUN type ipip, gue or gre, port and csum',
      )
  }
  if ((type === 'gue') !== (port !== undefined))
    return words.refuse(word, 'a port with type gue, and none with others')
  if (
    checksum !== undefined &&
    checksum !== 'none' &&
    (type === 'ipip' || (type === 'gre' && checksum === 'remote'))
  ) {
    return words.refuse(word, `no such checksum with type ${type}`)
  }
  if (method !== 'tunnel') return { method }
  return {
    method,
    tunnel: {
      type,
      ...(port === undefined ? undefined : { port }),
      ...(checksum === undefined || checksum === 'none' ? undefined : { checksum }),
    },
  }
}

function lookUp<Table extends object>(
  table: Table,
  name: string | undefined,
): Table[keyof Table] | undefined {
  return name !== undefined && Object.hasOwn(table, name) ? table[name as keyof Table] : undefined
}
