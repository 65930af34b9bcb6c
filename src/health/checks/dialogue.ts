// A dialogue over one connection: send, wait for the answer, judge it, step by step.
import type { Socket } from 'node:net'
import { type ConnectionPlan, type Control, withConnection } from './connection.js'
import { show } from './show.js'
import type { TlsClient } from './tls-client.js'

/**
 * What a step makes of the bytes received so far: `undefined` if it needs more. It must not depend on how the bytes
 * are split: whatever is decided is decided by the first bytes that suffice.
 */
export type Progress =
  | undefined
  /** The first `used` bytes are as they should be; `said` tells about them. `next` comes before the other steps. */
  | { readonly used: number; readonly said: string; readonly next?: readonly Step[] }
  /** What is wrong: `answered "554 no service", expected 220`. */
  | { readonly wrong: string }

export interface Step {
  /** Begins TLS, before anything else. */
  readonly startTls?: TlsClient
  /** A function is given our own address. */
  readonly send?: Uint8Array | ((localAddress: string) => Uint8Array)
  /** Is given one byte at least. Without it nothing is waited for. */
  readonly read?: (received: Buffer) => Progress
  /** What is waited for: `250 to EHLO`. */
  readonly awaited?: string
}

/**
 * Connects, goes through the steps and ends with a reset.
 *
 * @param maxBytes an answer that is not complete after so many bytes is wrong
 * @returns what each step's answer said
 * @throws Error (rejects) with the label, a colon and the reason: what came, or what was waited for in vain.
 */
export async function converse(
  { tls, ...plan }: ConnectionPlan,
  steps: readonly Step[],
  maxBytes: number,
): Promise<readonly string[]> {
  let dialogue: Dialogue | undefined
  try {
    return await withConnection<readonly string[]>(plan, (socket, control) => {
      dialogue = new Dialogue(socket, control, steps, maxBytes)
      dialogue.begin(tls)
    })
  } catch (error) {
    // What the connection itself cannot tell about its end.
    const note = dialogue?.waiting() ?? ''
    if (note === '' || !(error instanceof Error)) throw error
    throw new Error(`${error.message} (${note})`, { cause: error.cause })
  }
}

class Dialogue {
  readonly #control: Control<readonly string[]>
  readonly #steps: Step[]
  readonly #maxBytes: number
  /** Known to the plain socket only. */
  readonly #localAddress: string
  readonly #said: string[] = []
  #socket: Socket
  #received: Buffer = Buffer.alloc(0)
  #state: 'talking' | 'handshake' | 'over' = 'talking'

  constructor(
    socket: Socket,
    control: Control<readonly string[]>,
    steps: readonly Step[],
    maxBytes: number,
  ) {
    this.#socket = socket
    this.#control = control
    this.#steps = [...steps]
    this.#maxBytes = maxBytes
    this.#localAddress = socket.localAddress ?? ''
  }

  begin(tls: TlsClient | undefined): void {
    if (tls === undefined) this.#talk(this.#socket)
    else this.#secure(tls)
  }

  /** What the server has been asked for and has not said; empty if it is not its turn. */
  waiting(): string {
    if (this.#state !== 'talking') return ''
    const awaited = this.#steps[0]?.awaited
    const parts = awaited === undefined ? [] : [`waiting for ${awaited}`]
    if (this.#received.length > 0) parts.push(`so far ${show(this.#received)}`)
    return parts.join(', ')
  }

  #talk(socket: Socket): void {
    this.#socket = socket
    this.#state = 'talking'
    socket.on('data', this.#onData)
    socket.once('end', this.#onEnd)
    this.#guard(() => this.#send())
  }

  #secure(client: TlsClient): void {
    // Whoever sits between could have put it there (CVE-2011-0411).
    if (this.#received.length > 0)
      throw new Error(`sent ${show(this.#received)} after the answer that begins TLS`)
    this.#socket.off('data', this.#onData)
    this.#socket.off('end', this.#onEnd)
    this.#state = 'handshake'
    this.#control.startTls(client, (secure) => this.#talk(secure))
  }

  readonly #onData = (chunk: Buffer): void => {
    const { length } = this.#received
    this.#received = length === 0 ? chunk : Buffer.concat([this.#received, chunk])
    this.#guard(() => this.#read())
  }

  readonly #onEnd = (): void => {
    this.#guard(() => {
      const after = this.#received.length === 0 ? '' : ` after ${show(this.#received)}`
      const awaited = this.#steps[0]?.awaited
      const expected = awaited === undefined ? '' : `, expected ${awaited}`
      throw new Error(`the server closed the connection${after}${expected}`)
    })
  }

  /** Errors are the server's, or come from the functions of the steps. */
  #guard(work: () => void): void {
    if (this.#state === 'over') return
    try {
      work()
    } catch (error) {
      this.#state = 'over'
      this.#control.fail(error instanceof Error ? error : new Error(String(error)))
    }
  }

  /** Sends what is due, up to the next answer to wait for. */
  #send(): void {
    for (let step = this.#steps[0]; step !== undefined; step = this.#steps[0]) {
      const { startTls, ...rest } = step
      if (startTls !== undefined) {
        this.#steps[0] = rest
        this.#secure(startTls)
        return
      }
      const { send, read } = rest
      const bytes = typeof send === 'function' ? send(this.#localAddress) : send
      if (read === undefined) this.#steps.shift()
      if (this.#steps.length === 0) {
        this.#finish(bytes)
        return
      }
      if (bytes !== undefined) this.#socket.write(bytes)
      if (read !== undefined) return
    }
    this.#finish()
  }

  /** The last words shall be on their way before the reset; an answer is not waited for. */
  #finish(lastWords?: Uint8Array): void {
    this.#state = 'over'
    const done = () => this.#control.succeed(this.#said)
    if (lastWords === undefined) done()
    else this.#socket.write(lastWords, done)
  }

  #read(): void {
    while (this.#state === 'talking' && this.#received.length > 0) {
      const progress = this.#steps[0]?.read?.(this.#received.subarray(0, this.#maxBytes))
      if (progress === undefined) {
        if (this.#received.length < this.#maxBytes) return
        throw new Error(
          `more than ${this.#maxBytes} bytes without an end of the answer, which begins ${show(this.#received)}`,
        )
      }
      if ('wrong' in progress) throw new Error(progress.wrong)
      this.#received = this.#received.subarray(progress.used)
      this.#said.push(progress.said)
      this.#steps.shift()
      if (progress.next !== undefined) this.#steps.unshift(...progress.next)
      this.#send()
    }
  }
}
