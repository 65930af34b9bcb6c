// A program that stays for the whole run, says lines and ends when its standard input does.
import type { ChildProcess } from 'node:child_process'
import { createInterface } from 'node:readline'
import { startIn } from './topology.js'

export class Resident {
  readonly #child: ChildProcess
  readonly #ended: Promise<string>
  readonly #answers: ((line: string) => void)[] = []
  #ending = false

  /** `said` hears its lines, but for those that answer a question. */
  constructor(
    namespace: string,
    words: readonly string[],
    options: {
      readonly stderr: number
      readonly said?: (line: string) => void
      readonly died: (how: string) => void
    },
  ) {
    this.#child = startIn(namespace, words, options.stderr)
    createInterface({ input: this.#child.stdout! }).on('line', (line) => {
      // What it tells of its own accord is JSON.
      if (line.startsWith('{')) options.said?.(line)
      else this.#answers.shift()?.(line)
    })
    this.#ended = new Promise((resolve, reject) => {
      this.#child.on('error', reject).on('close', (code, signal) => {
        resolve(signal ?? `exit status ${code}`)
      })
    })
    void this.#ended.then((how) => {
      for (const answer of this.#answers.splice(0)) answer('')
      if (!this.#ending) options.died(`${words[0]!.split('/').at(-1)} ended by itself: ${how}`)
    })
  }

  /** The next line that is an answer; empty if it ends without. */
  hear(): Promise<string> {
    return new Promise((resolve) => this.#answers.push(resolve))
  }

  ask(line: string): Promise<string> {
    const answer = this.hear()
    this.#child.stdin!.write(`${line}\n`)
    return answer
  }

  async end(): Promise<void> {
    this.#ending = true
    this.#child.stdin!.end()
    await this.#ended
  }
}
