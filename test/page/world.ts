// A director with servers of all kinds, on the kernel in memory: its checks are real, of one HTTP server on many addresses of the loopback.
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Ipvs } from 'ipvs'
import { MemoryKernel } from 'ipvs/testing'
import { Director, type HttpConfig, readConfig, serveHttp } from '../../src/director/index.js'

const NAMES = ['dns', 'www', 'ldap', 'mail', 'api', 'git', 'ntp', 'radius', 'sip', 'proxy']

export interface World {
  readonly director: Director
  readonly url: string
  /** Names of pools with the addresses of their servers. */
  readonly pools: ReadonlyMap<string, readonly string[]>
  /** Whether a server's check says that it is well. */
  readonly sick: Set<string>
  /** Everybody's connections go on for two seconds. */
  traffic(): void
  close(): Promise<void>
}

/**
 * @param pools servers of each
 * @param more of the director's file
 */
export async function makeWorld(
  pools: readonly number[],
  config: Partial<HttpConfig> = {},
  more: object = {},
): Promise<World> {
  const sick = new Set<string>()
  const asked = createServer((request, response) => {
    response.statusCode = sick.has(request.socket.localAddress ?? '') ? 503 : 200
    response.end()
  })
  await new Promise<void>((resolve) => asked.listen(0, '0.0.0.0', resolve))
  const { port } = asked.address() as AddressInfo
  const named = new Map(
    pools.map((size, index) => [
      NAMES[index]!,
      Array.from(
        { length: size },
        (_, n) => `127.${index + 1}.${Math.floor(n / 250)}.${(n % 250) + 1}`,
      ),
    ]),
  )
  const isBig = pools.reduce((sum, size) => sum + size, 0) > 100
  const pace = isBig
    ? { interval: '3s', timeout: '2500ms' }
    : { interval: '200ms', timeout: '150ms' }
  const text = JSON.stringify({
    ...more,
    defaults: { scheduler: 'wlc', forwarding: 'masquerade' },
    checks: { http: { http: {}, ...pace, rise: 1, fall: 1 } },
    pools: Object.fromEntries(
      [...named].map(([name, servers], index) => [
        name,
        {
          fronts: [`192.0.2.${index + 1}:${port}`],
          check: 'http',
          servers: servers.map((address, n) => ({ address, weight: (n % 3) * 50 + 50 })),
        },
      ]),
    ),
  })
  let now = 0
  const kernel = new MemoryKernel({ clock: () => now })
  const client = await Ipvs.open({ kernel })
  const director = await Director.open(
    await readConfig(text, { file: '/etc/ipvs/director.yaml' }),
    {
      client,
    },
  )
  const where = { host: '127.0.0.1', port: 0, hosts: [], ...config }
  const server = await serveHttp(director, where)
  return {
    director,
    url: server.url,
    pools: named,
    sick,
    traffic() {
      for (const [index, servers] of [...named.values()].entries()) {
        for (const [n, address] of servers.entries()) {
          for (const protocol of ['tcp', 'udp'] as const) {
            const service = { protocol, address: `192.0.2.${index + 1}`, port }
            const connections = ((n * 37 + index * 11) % 90) + 4
            const said = { connections, packets: 9 * connections, bytes: 5400 * connections }
            try {
              kernel.traffic(service, { address, port }, said)
            } catch {
              // It is not there: it is down.
            }
          }
        }
      }
      now += 2000
    },
    async close() {
      await server.close()
      await director.stop()
      await client.close()
      asked.closeAllConnections()
      await new Promise((resolve) => asked.close(resolve))
    },
  }
}

/** Some servers fail, one is drained, one in maintenance. */
export async function makeTrouble({ director, pools, sick }: World, every: number): Promise<void> {
  const all = [...pools].flatMap(([pool, servers]) => servers.map((address) => ({ pool, address })))
  const ill = all.filter((_, index) => index % every === every - 1)
  for (const { address } of ill) sick.add(address)
  await director.set(`${all[0]!.pool}/${all[0]!.address}`, { weight: 20 })
  await director.set(`${all[1]!.pool}/${all[1]!.address}`, { admin: 'drain', forMs: 600_000 })
  await director.set(`${all[2]!.pool}/${all[2]!.address}`, { admin: 'maintenance' })
}
