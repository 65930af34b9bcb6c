// Sockets with a mark, a device or in another namespace, and those of ICMP: the addon opens them, Node.js connects and closes them.
import { closeSync } from 'node:fs'
import { getSystemErrorName } from 'node:util'
import { NAMESPACE_KIND, type RawRefusal, type SocketType } from '../../kernel/addon.js'
import { loadAddon } from '../../kernel/load-addon.js'
import { openError } from '../../kernel/open-error.js'
import { Inconclusive } from '../outcome.js'
import type { CheckRoute, SocketOptions } from './endpoint.js'

const ANY: SocketOptions = { mark: undefined, device: undefined, where: { kind: 'current' } }

/**
 * Opens a socket, bound to the route's `localAddress` but not connected, and hands it to `take`, whose it is from then on.
 *
 * @throws Inconclusive for what we may not do, or have not; Error with `code` and `syscall` for what any socket may fail with
 */
export function withSocket<T>(
  { address, localAddress = '', socket = ANY }: CheckRoute,
  type: SocketType,
  take: (fd: number) => T,
): T {
  const { where, mark = -1, device = '' } = socket
  const { kind, path = '', fd = -1 } = where
  const ipv6 = address.includes(':')
  const opened = addon().openSocket(
    NAMESPACE_KIND[kind],
    path,
    fd,
    type,
    ipv6,
    mark,
    device,
    localAddress,
  )
  if (typeof opened !== 'number') throw refusal(opened, socket)
  try {
    return take(opened)
  } catch (error) {
    closeSync(opened)
    throw error
  }
}

/**
 * The same for ICMP echo. The kernel gives such sockets to the groups of a setting; a raw one takes CAP_NET_RAW, and Node.js
 * takes only datagram sockets over: it is given one, and the raw one gets its place before the event loop looks at it.
 */
export function withEchoSocket(route: CheckRoute, take: (fd: number) => void): void {
  try {
    withSocket(route, 'echo', take)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EACCES') throw error
    const { address, port } = route
    withSocket(route, 'raw', (raw) =>
      withSocket({ address, port }, 'datagram', (fd) => {
        take(fd)
        addon().replace(fd, raw)
      }),
    )
  }
}

function addon() {
  try {
    return loadAddon()
  } catch (cause) {
    throw new Inconclusive((cause as Error).message, { cause })
  }
}

function refusal({ refused, error }: RawRefusal, { where, device }: SocketOptions): Error {
  const code = getSystemErrorName(-error)
  const option = `options.connect.${refused}`
  switch (refused) {
    case 'netns':
      return new Inconclusive(`${option}: ${openError(-error, where).message} (${code})`)
    case 'mark':
      return new Inconclusive(`${option}: a mark needs CAP_NET_ADMIN or CAP_NET_RAW (${code})`)
    case 'device': {
      const why =
        code === 'ENODEV'
          ? `there is no interface ${device} here; "ip link" shows those that are`
          : 'a device needs CAP_NET_RAW'
      return new Inconclusive(`${option}: ${why} (${code})`)
    }
    case 'thread': {
      const why = 'a thread, which other namespaces take, could not be made'
      return new Inconclusive(`options.connect.netns: ${why} (${code})`)
    }
    default: {
      // Of raw sockets only.
      if (code === 'EPERM') {
        const groups = 'net.ipv4.ping_group_range without a group of this process'
        return new Inconclusive(`ICMP needs CAP_NET_RAW, with ${groups} (${code})`)
      }
      const syscall = refused === 'localAddress' ? 'bind' : 'socket'
      return Object.assign(new Error(`${syscall} ${code}`), { code, errno: -error, syscall })
    }
  }
}
