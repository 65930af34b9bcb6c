// ipvs run over HTTP, on the real kernel: its figures are the kernel's, its answers follow a reload.
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import path from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { namespace } from '../namespace.js'
import { bin } from './command.js'

interface Running {
  readonly child: ChildProcess
  readonly said: () => string
}

function start(words: readonly string[]): Running {
  const child = spawn(process.execPath, [bin, ...words], { stdio: ['ignore', 'pipe', 'inherit'] })
  onTestFinished(() => void child.kill('SIGKILL'))
  let heard = ''
  child.stdout!.setEncoding('utf8').on('data', (text: string) => {
    heard += text
  })
  return { child, said: () => heard }
}

function world() {
  const ns = namespace()
  onTestFinished(() => ns.close())
  ns.run(['ip', 'address', 'add', '192.0.2.1/32', 'dev', 'lo'])
  ns.run(['ip', 'address', 'add', '10.99.0.1/32', 'dev', 'lo'])
  const file = path.join(ns.folder, 'director.json')
  const write = (http: unknown) => {
    const dns = {
      fronts: ['udp/192.0.2.1:53'],
      scheduler: 'rr',
      forwarding: 'masquerade',
      servers: ['10.99.0.1'],
      reconcileInterval: '200ms',
    }
    writeFileSync(file, JSON.stringify({ netns: ns.name, pools: { dns }, http }))
  }
  return { ns, file, write }
}

const urlIn = (said: string) => [...said.matchAll(/http (http:\S+)$/gm)].at(-1)?.[1]

test('figures are what the kernel counts, and go on when a destination comes back', async () => {
  const { ns, file, write } = world()
  write('127.0.0.1:0')
  const { said } = start(['run', file])
  await expect.poll(said).toMatch(/http http:/)
  const url = urlIn(said())!
  const get = async (name: string) => (await fetch(url + name)).text()
  await expect.poll(() => get('readyz')).toBe('{"ready":true,"missing":[]}\n')
  const figure = async (name: string) => {
    const line = (await get('metrics')).split('\n').find((one) => one.startsWith(`${name} `))
    return line === undefined ? undefined : Number(line.split(' ').at(-1))
  }
  const labels = '{pool="dns",service="udp 192.0.2.1:53",server="10.99.0.1:53"}'
  const packets = () => figure(`ipvs_destination_in_packets_total${labels}`)
  expect(await figure('ipvs_table_readable')).toBe(1)
  expect(await figure('ipvs_estimation_running')).toBe(1)
  const send = () => ns.run(['bash', '-c', 'echo hello > /dev/udp/192.0.2.1/53'])
  for (let n = 0; n < 5; n++) send()
  await expect.poll(packets).toBe(5)
  // Somebody zeroes it, and takes the service away: the director puts it back.
  ns.ipvsadm('-Z')
  ns.ipvsadm('-D', '-u', '192.0.2.1:53')
  await expect.poll(() => ns.rules().length).toBe(2)
  for (let n = 0; n < 2; n++) send()
  await expect.poll(packets).toBe(7)
  await expect
    .poll(() => figure('ipvs_pool_events_total{pool="dns",event="drift"}'))
    .toBeGreaterThan(0)
  expect(JSON.parse(await get('state')).table.services['udp 192.0.2.1:53']).toBeDefined()
  ns.run(['sysctl', '-qw', 'net.ipv4.vs.run_estimation=0'])
  await expect.poll(() => figure('ipvs_estimation_running')).toBe(0)
  expect(await get('')).toContain('<title>ipvs director</title>')
})

test('what it answers follows a reload; a place that is taken changes nothing', async () => {
  const { file, write } = world()
  write('127.0.0.1:0')
  const { child, said } = start(['run', file])
  await expect.poll(said).toMatch(/http http:/)
  const url = urlIn(said())!
  const { port } = new URL(url)
  const status = async (token?: string) => {
    const headers: Record<string, string> =
      token === undefined ? {} : { authorization: `Bearer ${token}` }
    return (await fetch(`${url}state`, { headers })).status
  }
  expect(await status()).toBe(200)
  write({ listen: `127.0.0.1:${port}`, token: 's3cret' })
  child.kill('SIGHUP')
  await expect.poll(() => status().catch(() => 0)).toBe(401)
  expect(await status('s3cret')).toBe(200)
  const taken = createServer().listen(0, '127.0.0.1')
  onTestFinished(() => void taken.close())
  await once(taken, 'listening')
  const other = (taken.address() as { port: number }).port
  write(`127.0.0.1:${other}`)
  child.kill('SIGHUP')
  await expect.poll(said).toContain(`http cannot listen on 127.0.0.1 port ${other}`)
  expect(await status('s3cret')).toBe(200)
  write(undefined)
  child.kill('SIGHUP')
  await expect.poll(() => status('s3cret').catch(() => 0)).toBe(0)
  child.kill('SIGTERM')
  const [code] = await once(child, 'exit')
  expect(code).toBe(0)
})

test('where others can reach it without a token, the log says so', async () => {
  const { file, write } = world()
  write('0.0.0.0:0')
  const { said } = start(['run', file])
  await expect.poll(said).toMatch(/asks for no token: whoever reaches it sees pools/)
})

test('it does not start where somebody listens already, and says what goes on', async () => {
  const { file, write } = world()
  const taken = createServer().listen(0, '127.0.0.1')
  onTestFinished(() => void taken.close())
  await once(taken, 'listening')
  const { port } = taken.address() as { port: number }
  write(`127.0.0.1:${port}`)
  const child = spawn(process.execPath, [bin, 'run', file], { stdio: ['ignore', 'ignore', 'pipe'] })
  let heard = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    heard += text
  })
  const [code] = await once(child, 'close')
  expect(code).toBe(1)
  expect(heard).toContain(
    `http cannot listen on 127.0.0.1 port ${port}: another program listens there. The kernel goes on with what it holds.`,
  )
})
