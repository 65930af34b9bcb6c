// A stream that talks through a socket and cannot close it.
import type { Socket } from 'node:net'
import { Duplex } from 'node:stream'

/**
 * For what would close its stream by itself, as TLS does, and so without a reset. Ending or destroying it leaves
 * `socket` alone.
 */
export function apart(socket: Socket): Duplex {
  const stream = new Duplex({
    read: () => void socket.resume(),
    write: (chunk, encoding, done) => void socket.write(chunk, encoding, done),
  })
  socket.on('data', (chunk) => {
    if (!stream.push(chunk)) socket.pause()
  })
  socket.once('end', () => stream.push(null))
  return stream
}
