// A program of a trial, whatever it is written in: it runs in a namespace and can be sent words and signals.
import type { ChildProcess } from 'node:child_process'
import { setTimeout as sleep } from 'node:timers/promises'
import { startIn } from '../../lab/network/three-servers.js'

export class Program {
  readonly #name: string
  readonly #child: ChildProcess
  readonly #ended: Promise<string>
  #output = ''
  #expected = false
  /** Rejects when it ends although nobody wanted that; never resolves. */
  readonly failure: Promise<never>

  /** `heard` gets each piece of its output. */
  constructor(namespace: string, command: readonly string[], heard = (_text: string) => {}) {
    this.#name = `${command[0]!.split('/').at(-1)} in "${namespace}"`
    this.#child = startIn(namespace, [...command])
    for (const stream of [this.#child.stdout!, this.#child.stderr!]) {
      stream.setEncoding('utf8').on('data', (text: string) => {
        this.#output += text
        heard(text)
      })
    }
    this.#ended = new Promise((resolve) => {
      this.#child.on('error', (error) => resolve(error.message))
      this.#child.on('close', (code, signal) => resolve(signal ?? `exit status ${code}`))
    })
    this.failure = new Promise((_, reject) => {
      void this.#ended.then((how) => {
        if (this.#expected) return
        reject(new Error(`${this.#name} ended by itself: ${how}. It said:\n${this.#output}`))
      })
    })
    this.failure.catch(() => {})
  }

  get pid(): number {
    return this.#child.pid!
  }

  get output(): string {
    return this.#output
  }

  order(word: string): void {
    this.#child.stdin!.write(`${word}\n`)
  }

  /** To it alone, or with all that it has started. */
  signal(signal: NodeJS.Signals, whom: 'itself' | 'group' = 'itself'): void {
    process.kill(whom === 'group' ? -this.pid : this.pid, signal)
  }

  async says(text: string, limitMs = 10_000): Promise<void> {
    for (const start = performance.now(); !this.#output.includes(text); await sleep(10)) {
      if (performance.now() - start < limitMs) continue
      throw new Error(`${this.#name} has not said "${text}". It said:\n${this.#output}`)
    }
  }

  /** Ends it with the signal, or by closing its standard input, and waits for its end. */
  async end(how: NodeJS.Signals | 'input'): Promise<void> {
    this.#expected = true
    if (how === 'input') this.#child.stdin!.end()
    else this.signal(how, how === 'SIGKILL' ? 'group' : 'itself')
    const late = new AbortController()
    const tooLate = sleep(10_000, 'late', { signal: late.signal }).catch(() => 'in time')
    if ((await Promise.race([this.#ended, tooLate])) === 'late') {
      throw new Error(`${this.#name} does not end. It said:\n${this.#output}`)
    }
    late.abort()
  }
}
