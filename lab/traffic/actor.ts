// A process of a play: a program of ours, run by Node in a namespace. It says one JSON object per line.
import type { ChildProcess } from 'node:child_process'
import path from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { endGroup, startIn } from '../network/three-servers.js'

export class Actor<Message extends { readonly type: string }> {
  readonly #process: ChildProcess
  readonly #ended: Promise<void>
  #stopping = false
  /** It has said that it is ready. */
  readonly ready: Promise<void>
  /** Rejects when it ends although nobody told it to; never resolves. */
  readonly failure: Promise<never>

  /** @param under words before `node`, as in `strace node program.js` */
  constructor(
    program: URL,
    namespace: string,
    flags: readonly string[],
    listener: (message: Message) => void,
    under: readonly string[] = [],
  ) {
    const file = fileURLToPath(program)
    const name = path.basename(file, '.js')
    const child = startIn(namespace, [...under, process.execPath, file, ...flags])
    this.#process = child

    let complaints = ''
    child.stderr!.setEncoding('utf8').on('data', (text: string) => {
      complaints += text
    })
    let isReady = () => {}
    this.ready = new Promise((resolve) => {
      isReady = resolve
    })
    createInterface({ input: child.stdout! }).on('line', (line) => {
      const message = JSON.parse(line) as Message
      if (message.type === 'ready') isReady()
      else listener(message)
    })
    let hasEnded = () => {}
    this.#ended = new Promise((resolve) => {
      hasEnded = resolve
    })
    this.failure = new Promise((_resolve, reject) => {
      child.on('error', (error) => reject(new Error(`${name} did not start: ${error.message}`)))
      // After its last line: 'close' comes when the pipes are empty.
      child.on('close', (code, signal) => {
        hasEnded()
        if (this.#stopping && code === 0) return
        const how = signal === null ? `with exit status ${code}` : `by ${signal}`
        reject(
          new Error(`${name} (in namespace "${namespace}") ended ${how}. It said:\n${complaints}`),
        )
      })
    })
    // The play may be over before anyone looks.
    this.failure.catch(() => {})
  }

  order(word: string): void {
    this.#process.stdin!.write(`${word}\n`)
  }

  /** Resolves when it has ended by itself and everything it said has been heard. */
  async stop(): Promise<void> {
    this.#stopping = true
    this.order('stop')
    const tooLong = setTimeout(() => endGroup(this.#process), 10_000)
    await this.#ended
    clearTimeout(tooLong)
  }
}
