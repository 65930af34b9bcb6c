// A pool of the document as MirroredPool.open takes it.
import type { Json, JsonMap } from '../../../src/import/index.js'

export function millisecondsOf(text: Json): number {
  const [, number, unit] = /^(\d+)(ms|s)$/.exec(String(text))!
  return Number(number) * (unit === 's' ? 1000 : 1)
}

export function poolOptions(pool: JsonMap): Record<string, unknown> {
  const { fronts, check: _, servers, backup, persistence, hooks: __, ...rest } = pool
  const serverOf = (server: Json) => {
    if (typeof server === 'string') return server
    const { check: _, ...options } = server as JsonMap
    return options
  }
  const frontOf = (front: Json) => {
    if (typeof front !== 'string') return front
    const [, fwmark, ipv6] = /^fwmark\/(\d+)(\/ipv6)?$/.exec(front) ?? []
    if (fwmark !== undefined) return { fwmark: Number(fwmark), family: ipv6 ? 'ipv6' : 'ipv4' }
    const [, protocol, bracketed, plain, port] = /^(?:(\w+)\/)?(?:\[(.*)\]|([^:]*)):(\d+)$/.exec(
      front,
    )!
    const address = bracketed ?? plain
    return {
      address,
      port: Number(port),
      ...(protocol === undefined ? {} : { protocols: [protocol] }),
    }
  }
  const times = persistence as JsonMap | undefined
  return {
    ...rest,
    fronts: (fronts as Json[]).map(frontOf),
    servers: (servers as Json[]).map(serverOf),
    ...(backup === undefined ? {} : { backup: (backup as Json[]).map(serverOf) }),
    ...(times === undefined
      ? {}
      : {
          persistence: {
            timeoutSeconds: millisecondsOf(times.timeout!) / 1000,
            ...(times.netmask === undefined ? {} : { netmask: times.netmask }),
          },
        }),
  }
}
