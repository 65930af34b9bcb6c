// Devices, addresses and routes of this network namespace, without a packet and without privilege.
import { createSocket } from 'node:dgram'
import { readFileSync } from 'node:fs'
import { isIPv6 } from 'node:net'
import { networkInterfaces } from 'node:os'
import type { Route } from '../facts.js'

export function readDevices(): string[] {
  const lines = readFileSync('/proc/net/dev', 'utf8').split('\n')
  return lines.flatMap((line) => /^\s*([^\s:]+):/.exec(line)?.[1] ?? [])
}

/** Of devices that are up. */
export function readAddresses(): { address: string; device: string }[] {
  return Object.entries(networkInterfaces()).flatMap(([device, all = []]) =>
    all.map(({ address }) => ({ address, device })),
  )
}

/** So many sockets at a time. */
const SOCKETS = 64

export async function readRoutes(
  addresses: readonly string[],
): Promise<ReadonlyMap<string, Route>> {
  const routes = new Map<string, Route>()
  const wanted = [...new Set(addresses)]
  for (let first = 0; first < wanted.length; first += SOCKETS) {
    const some = wanted.slice(first, first + SOCKETS)
    const found = await Promise.all(some.map(routeTo))
    for (const [index, address] of some.entries()) routes.set(address, found[index]!)
  }
  return routes
}

/** Connecting a datagram socket sends nothing; the kernel looks for the route and chooses the source address. */
function routeTo(address: string): Promise<Route> {
  const socket = createSocket(isIPv6(address) ? 'udp6' : 'udp4')
  return new Promise<Route>((resolve) => {
    const fail = ({ code = 'unknown' }: NodeJS.ErrnoException) => resolve({ code })
    socket.once('error', fail)
    // The types do not know that it is called with an error as well.
    const done = (error?: NodeJS.ErrnoException) =>
      error ? fail(error) : resolve({ source: socket.address().address })
    socket.connect(9, address, done)
  }).finally(() => socket.close())
}

/** Packets that the reverse-path filter has dropped. */
export function readFiltered(): number {
  const lines = readFileSync('/proc/net/netstat', 'utf8').split('\n')
  const [names, values] = lines
    .filter((line) => line.startsWith('TcpExt:'))
    .map((line) => line.split(' '))
  const at = names?.indexOf('IPReversePathFilter') ?? -1
  return at < 0 ? 0 : Number(values?.[at] ?? 0)
}
