// A director on the kernel in memory, served over HTTP.
import { request } from 'node:http'
import { connect, type Socket } from 'node:net'
import { text } from 'node:stream/consumers'
import { onTestFinished } from 'vitest'
import { Ipvs } from '../../../../src/client.js'
import {
  Director,
  type HttpConfig,
  type HttpOptions,
  readConfig,
  serveHttp,
} from '../../../../src/director/index.js'
import { MemoryKernel } from '../../../../src/testing/index.js'

/** Two servers behind TCP and UDP whom nobody checks. */
export const twoServers = `
pools:
  dns:
    fronts: ['192.0.2.1:53']
    scheduler: wrr
    forwarding: masquerade
    check: none
    servers: ['10.1.0.1', '10.1.0.2']
`

/** Ended when the test has. */
export async function directed(file = twoServers) {
  let now = 0
  const kernel = new MemoryKernel({ clock: () => now })
  const client = await Ipvs.open({ kernel })
  const director = await Director.open(await readConfig(file), { client })
  onTestFinished(async () => {
    await director.stop()
    await client.close()
  })
  /** The kernel counts every two seconds. */
  const count = () => {
    now += 2000
  }
  return { kernel, client, director, count }
}

export async function served(
  config: Partial<HttpConfig> = {},
  { file = twoServers, ...options }: HttpOptions & { readonly file?: string } = {},
) {
  const world = await directed(file)
  const where = { host: '127.0.0.1', port: 0, hosts: [], ...config }
  const server = await serveHttp(world.director, where, options)
  onTestFinished(() => server.close())
  const { port } = new URL(server.url)
  return { ...world, server, url: server.url, port: Number(port) }
}

export interface Answered {
  readonly status: number | undefined
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  readonly body: string
}

/** By hand, because fetch does not say of which host it is asked. */
export function ask(
  url: string,
  { method = 'GET', headers = {} }: { method?: string; headers?: Record<string, string> } = {},
): Promise<Answered> {
  return new Promise((resolve, reject) => {
    const asked = request(url, { method, headers, agent: false }, async (answer) => {
      const { statusCode: status } = answer
      resolve({ status, headers: answer.headers, body: await text(answer) })
    })
    asked.on('error', reject)
    asked.end()
  })
}

/** A connection, and what comes over it until it ends. */
export async function dialled(port: number): Promise<{ socket: Socket; said: Promise<string> }> {
  const socket = connect(port, '127.0.0.1')
  onTestFinished(() => void socket.destroy())
  await new Promise((resolve) => socket.once('connect', resolve))
  let heard = ''
  socket.setEncoding('utf8')
  socket.on('data', (text: string) => {
    heard += text
  })
  const said = new Promise<string>((resolve) => {
    socket.on('error', () => {})
    socket.once('close', () => resolve(heard))
  })
  return { socket, said }
}
