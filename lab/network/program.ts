// A program that runs in a namespace as long as it is needed: it is told lines, it says lines, and its end is noticed.
import type { ChildProcess } from 'node:child_process'
import path from 'node:path'
import { createInterface } from 'node:readline'
import { endGroup, startIn } from './namespaces.js'

/** One that does not end by then hangs. */
const endMs = 60_000

export class Program {
  readonly #name: string
  readonly #child: ChildProcess
  readonly #ended: Promise<string>
  readonly #asked: ((line: string) => void)[] = []
  #ending = false
  #output = ''
  /** It has said `ready`. */
  readonly ready: Promise<void>
  /** Rejects when it ends although nobody wanted that; never resolves. */
  readonly failure: Promise<never>

  /** @param heard gets each line of its standard output, but for `ready` and what answers {@link ask} */
  constructor(
    namespace: string | undefined,
    command: readonly string[],
    heard: (line: string) => void = () => {},
  ) {
    const [program, script = ''] = command as [string, string]
    const file = program === process.execPath ? script : program
    this.#name = `${path.basename(file, '.js')}${namespace === undefined ? '' : ` (in namespace "${namespace}")`}`
    this.#child = startIn(namespace, command)
    this.#child.stderr!.setEncoding('utf8').on('data', (text: string) => {
      this.#output += text
    })
    let isReady = () => {}
    this.ready = new Promise((resolve) => {
      isReady = resolve
    })
    createInterface({ input: this.#child.stdout! }).on('line', (line) => {
      if (!line.startsWith('{')) this.#output += `${line}\n`
      if (line === 'ready') isReady()
      // What it says of its own accord is JSON, while a question is open.
      else if (this.#asked.length > 0 && !line.startsWith('{')) this.#asked.shift()!(line)
      else heard(line)
    })
    this.#ended = new Promise((resolve) => {
      this.#child.on('error', (error) => resolve(error.message))
      // After its last line: 'close' comes when the pipes are empty.
      this.#child.on('close', (code, signal) => resolve(signal ?? `exit status ${code}`))
    })
    this.failure = new Promise((_, reject) => {
      void this.#ended.then((how) => {
        for (const answer of this.#asked.splice(0)) answer('')
        if (this.#ending) return
        reject(new Error(`${this.#name} ended by itself: ${how}. It said:\n${this.#output}`))
      })
    })
    // All may be over before anyone looks.
    this.failure.catch(() => {})
  }

  get pid(): number {
    return this.#child.pid!
  }

  /** What it has said, but for JSON. */
  get output(): string {
    return this.#output
  }

  order(line: string): void {
    this.#child.stdin!.write(`${line}\n`)
  }

  /** Tells it a line, and resolves to the line it says next; to an empty one if it ends without. */
  ask(line: string): Promise<string> {
    const answer = this.hear()
    this.order(line)
    return answer
  }

  hear(): Promise<string> {
    return new Promise((resolve) => this.#asked.push(resolve))
  }

  /** To it alone, or with all that it has started. */
  signal(signal: NodeJS.Signals, whom: 'itself' | 'group' = 'itself'): void {
    process.kill(whom === 'group' ? -this.pid : this.pid, signal)
  }

  /**
   * Ends it by closing its standard input, or with a signal. Resolves when it has ended and everything it said has been
   * heard; rejects if it does not end.
   */
  async end(how: NodeJS.Signals | 'input' = 'input'): Promise<void> {
    this.#ending = true
    if (how === 'input') this.#child.stdin!.end()
    else this.signal(how, how === 'SIGKILL' ? 'group' : 'itself')
    const tooLate = setTimeout(() => endGroup(this.#child), endMs)
    const ended = await this.#ended
    clearTimeout(tooLate)
    if (how !== 'SIGKILL' && ended === 'SIGKILL') {
      throw new Error(`${this.#name} does not end. It said:\n${this.#output}`)
    }
  }
}

/** A program of ours that Node runs. @param under words before `node`, as in `strace node program.js` */
export const nodeCommand = (
  file: string,
  flags: readonly string[] = [],
  under: readonly string[] = [],
): string[] => [...under, process.execPath, file, ...flags]
