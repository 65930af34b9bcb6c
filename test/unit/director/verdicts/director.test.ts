// Two directors that check the same servers, each in its own way, and share what they find.
import { createServer, type Server } from 'node:net'
import { expect, onTestFinished, test } from 'vitest'
import { Ipvs } from '../../../../src/client.js'
import { Director, readConfig } from '../../../../src/director/index.js'
import { MemoryKernel } from '../../../../src/testing/index.js'
import { MemoryEtcd } from './memory-etcd.js'

async function listen(): Promise<{ readonly port: number; readonly server: Server }> {
  const server = createServer((socket) => socket.destroy())
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => void server.close())
  return { port: (server.address() as { port: number }).port, server }
}

const check = (port: number) =>
  `{ tcp: { port: ${port} }, interval: 50ms, timeout: 50ms, rise: 1, fall: 1 }`

const text = (name: string, first: number, second: number) => `
name: ${name}
etcd: { endpoints: ['http://127.0.0.1:1'] }
verdicts: { down: 2, ttl: 5s }
defaults: { scheduler: wrr, forwarding: masquerade, reconcileInterval: 0s }
pools:
  web:
    fronts: ['tcp/192.0.2.80:80']
    servers:
      - { address: 127.0.0.1, port: 7001, check: ${check(first)} }
      - { address: 127.0.0.1, port: 7002, check: ${check(second)} }
`

async function open(etcd: MemoryEtcd, name: string, ports: readonly [number, number]) {
  const read = await readConfig(text(name, ...ports))
  const ofMemory = { ...etcd.client(name), close: () => {} } as never
  const within = () => ofMemory
  const config = { ...read, etcd: { client: ofMemory, within, digest: name } }
  const kernel = new MemoryKernel()
  const client = await Ipvs.open({ kernel })
  const director = await Director.open(config, { client })
  onTestFinished(async () => {
    await director.stop('leave')
    await client.close()
  })
  const servers = () =>
    [...kernel.rules().matchAll(/-r 127\.0\.0\.1:(\d+)/g)]
      .map(([, port]) => Number(port))
      .toSorted()
  return { director, servers }
}

test('a server that one of two finds down stays in both kernels; when both do, it goes from both', async () => {
  const etcd = new MemoryEtcd()
  onTestFinished(() => etcd.close())
  const well = await listen()
  const failing = await listen()
  const a = await open(etcd, 'a', [well.port, 1])
  const b = await open(etcd, 'b', [well.port, failing.port])
  await expect.poll(() => etcd.keys.get('ipvs/verdicts/web/127.0.0.1:7002/a')?.value).toBe('down')
  await expect
    .poll(() => [a.servers(), b.servers()])
    .toEqual([
      [7001, 7002],
      [7001, 7002],
    ])
  const [, row] = a.director.state().pools[0]!.servers
  expect(row).toMatchObject({
    health: 'up',
    reason: expect.stringMatching(/^1 of 2 directors say down \(a\); here: .*refused/),
  })
  failing.server.close()
  await expect.poll(() => [a.servers(), b.servers()]).toEqual([[7001], [7001]])
  await b.director.stop('leave')
  // Its words have gone with it.
  await expect.poll(() => [...etcd.keys.keys()].filter((key) => key.endsWith('/b'))).toEqual([])
})

test('a server that leaves the file has no word any more, and without "verdicts" nobody has', async () => {
  const etcd = new MemoryEtcd()
  onTestFinished(() => etcd.close())
  const { port } = await listen()
  const { director, servers } = await open(etcd, 'a', [port, port])
  await expect.poll(() => etcd.keys.size).toBe(2)
  const shorter = await readConfig(text('a', port, port).replace(/ +- .*7002.*\n/, ''))
  await director.reload({ ...shorter, etcd: director.config.etcd })
  await expect.poll(() => [...etcd.keys.keys()]).toEqual(['ipvs/verdicts/web/127.0.0.1:7001/a'])
  const { verdicts: _, ...without } = director.config
  await director.reload(without)
  expect(etcd.keys.size).toBe(0)
  expect(servers()).toEqual([7001])
})
