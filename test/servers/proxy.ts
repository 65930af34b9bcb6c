// A line to a server that is slow: what the server says comes late, or a byte at a time.
import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import type { HealthMember } from '../../src/health/types.js'

export interface Proxy {
  readonly member: HealthMember
  close(): Promise<void>
}

/** Waits `delayMs` before everything the server says, or before every byte of it. */
export async function slowly(
  to: HealthMember,
  delayMs: number,
  unit: 'chunk' | 'byte',
): Promise<Proxy> {
  const open = new Set<Socket>()
  const server = createServer({ noDelay: true }, (near) => {
    const far = connect(to.port, to.address)
    let speaking = Promise.resolve()
    for (const [socket, other] of [
      [near, far],
      [far, near],
    ] as const) {
      open.add(socket)
      socket.on('error', () => {})
      socket.once('close', async () => {
        open.delete(socket)
        // What was said before the end comes first, slowly as ever.
        await speaking
        other.destroy()
      })
    }
    near.on('data', (data) => far.write(data))
    far.on('data', (data) => {
      const pieces = unit === 'chunk' ? [data] : [...data].map((byte) => Buffer.from([byte]))
      speaking = speaking.then(async () => {
        for (const piece of pieces) {
          if (delayMs > 0) await sleep(delayMs)
          if (near.destroyed) return
          near.write(piece)
        }
      })
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  return {
    member: { key: `127.0.0.1:${port}`, address: '127.0.0.1', port },
    async close() {
      for (const socket of open) socket.destroy()
      server.close()
      await once(server, 'close')
    },
  }
}
