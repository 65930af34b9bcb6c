// Servers that speak by a script.
import type { Socket } from 'node:net'
import { setImmediate as turn } from 'node:timers/promises'
import { serve } from './loopback.js'

export type Bytes = string | Uint8Array

/** Each is sent in answer to what the client sends; the first one at once if the server speaks first. */
export interface Script {
  readonly first: boolean
  readonly turns: readonly Bytes[]
}

/** How the bytes of a turn are handed to the network. Default: in one piece. */
export type Cut = (bytes: Buffer) => readonly Buffer[]

/** A server with a script, and what it was sent. */
export async function scripted({ first, turns }: Script, cut: Cut = (bytes) => [bytes]) {
  const sent: Buffer[] = []
  const server = await serve({
    tcp: (socket) => {
      socket.setNoDelay(true)
      const left = [...turns]
      let speaking = Promise.resolve()
      const next = () => {
        const bytes = left.shift()
        if (bytes === undefined) return
        speaking = speaking.then(() => write(socket, cut(Buffer.from(bytes as Uint8Array))))
      }
      if (first) next()
      socket.on('data', (data) => {
        sent.push(data)
        next()
      })
    },
  })
  return { ...server, sent: () => Buffer.concat(sent) }
}

async function write(socket: Socket, pieces: readonly Buffer[]): Promise<void> {
  for (const piece of pieces) {
    if (socket.destroyed) return
    socket.write(piece)
    // Lets the other side read it by itself.
    if (pieces.length > 1) await turn()
  }
}

/** Bytes from their hexadecimal digits; whatever else is in the text is for the reader. */
export const hex = (digits: string) => Buffer.from(digits.replace(/[^0-9a-f]/g, ''), 'hex')

/** Cut into pieces of these sizes, over and over. */
export function pieces(bytes: Buffer, sizes: readonly number[]): Buffer[] {
  const cut: Buffer[] = []
  for (let at = 0, i = 0; at < bytes.length; i++) {
    const size = sizes[i % sizes.length] ?? 1
    cut.push(bytes.subarray(at, at + size))
    at += size
  }
  return cut
}
