// A port at which nobody answers: its queue is full, and the kernel drops who asks for a connection. Until somebody listens again.
import { once } from 'node:events'
import { Worker } from 'node:worker_threads'

/** Fills its queue, for one takes two, and accepts nothing while it waits. */
const code = `
const { connect, createServer } = require('node:net')
const { parentPort, workerData } = require('node:worker_threads')
const quiet = (socket) => socket.on('error', () => {}).resume()
const server = createServer(quiet).listen({ port: 0, host: '127.0.0.1', backlog: 1 }, () => {
  const { port } = server.address()
  for (let n = 0; n < 2; n++) quiet(connect({ port, host: '127.0.0.1' }))
  // They connect in ticks of their own, before this one.
  process.nextTick(() => {
    parentPort.postMessage(port)
    Atomics.wait(workerData, 0, 0)
  })
})`

export interface DeafServer {
  readonly port: number
  /** From now on it accepts connections. Who waits for one asks again after a second. */
  hear(): void
  close(): Promise<void>
}

export async function startDeaf(): Promise<DeafServer> {
  const flag = new Int32Array(new SharedArrayBuffer(4))
  const worker = new Worker(code, { eval: true, workerData: flag })
  const [port] = (await once(worker, 'message')) as [number]
  return {
    port,
    hear: () => {
      Atomics.store(flag, 0, 1)
      Atomics.notify(flag, 0)
    },
    close: async () => {
      await worker.terminate()
    },
  }
}
