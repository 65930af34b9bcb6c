// What a stream runs on: TCP, or SCTP by way of a program in C, as Node has none.
import { spawn } from 'node:child_process'
import { connect } from 'node:net'
import { compiled } from '../../lab/checkout.js'

export interface Wire {
  write(text: string): void
  destroy(): void
}

/** Each is called when it happens; `closed` once, and last. */
export interface Listener {
  connected(): void
  data(text: string): void
  closed(why: string): void
}

export function connectTcp(host: string, port: number, listener: Listener): Wire {
  let why = 'closed'
  const socket = connect({ host, port, noDelay: true })
  socket.once('connect', () => listener.connected())
  socket.setEncoding('utf8').on('data', (text: string) => listener.data(text))
  socket.on('error', (error) => {
    why = error.message
  })
  socket.on('close', () => listener.closed(why))
  return { write: (text) => void socket.write(text), destroy: () => void socket.destroy() }
}

export function connectSctp(host: string, port: number, listener: Listener): Wire {
  const child = spawn(compiled('sctp'), ['ask', host, `${port}`], {
    stdio: ['pipe', 'pipe', 'pipe'],
  })
  let why = ''
  let connected = false
  child.stdin.on('error', () => {})
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    why += text
  })
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    if (!connected) listener.connected()
    // Its first line says that it is.
    listener.data(connected ? text : text.slice(text.indexOf('\n') + 1))
    connected = true
  })
  child.on('close', () => listener.closed(why.trim() || 'closed'))
  return {
    write: (text) => void child.stdin.write(text),
    destroy: () => void child.kill('SIGKILL'),
  }
}
