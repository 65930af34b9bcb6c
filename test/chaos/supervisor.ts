// Starts the controller, tells it what is wanted, kills it, starts it again, and writes down when.
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import type { Witness } from '../../lab/witness/witness.js'
import type { Log } from './log.js'
import type { DriverEntry } from './logs.js'
import { DIRECTOR } from './network.js'
import type { Answer, Command } from './pools.js'

const program = fileURLToPath(new URL('./controller.js', import.meta.url))

export class Supervisor {
  readonly #log: Log<DriverEntry>
  readonly #state: string
  readonly #stderr: number
  #child: ChildProcess | undefined
  #ready = false
  /** Told, and not answered; a kill forgets them, because what is wanted is in the file. */
  readonly #waiting = new Set<number>()

  constructor(log: Log<DriverEntry>, state: string, stderr: number) {
    this.#log = log
    this.#state = state
    this.#stderr = stderr
  }

  get alive(): boolean {
    return this.#child !== undefined
  }

  start(): void {
    const child = spawn(process.execPath, [program, DIRECTOR, this.#state], {
      stdio: ['pipe', 'pipe', this.#stderr],
    })
    this.#child = child
    this.#log.write({ event: 'started' })
    child.stdin!.on('error', () => {})
    createInterface({ input: child.stdout! }).on('line', (line) => {
      // A killed one may leave lines in the pipe: nobody would have heard them in time.
      if (this.#child === child) this.#hear(JSON.parse(line) as Answer)
    })
    child.on('error', (error) => this.#log.write({ event: 'trouble', what: String(error) }))
    child.on('close', (code, signal) => {
      if (this.#child !== child) return
      const what = `the controller ended by itself: ${signal ?? `exit status ${code}`}; see controller.log`
      this.#log.write({ event: 'trouble', what })
      this.#forget()
      this.start()
    })
  }

  tell(command: Command): void {
    if (this.#child === undefined) return
    this.#waiting.add(command.version)
    this.#child.stdin!.write(`${JSON.stringify(command)}\n`)
  }

  async kill(): Promise<void> {
    const child = this.#child
    if (child === undefined) return
    this.#log.write({ event: 'killed' })
    this.#forget()
    const closed = once(child, 'close')
    child.kill('SIGKILL')
    await closed
  }

  /** Waits until the controller has no work left. */
  async settle(witness: Witness, limitMs: number): Promise<void> {
    const isDone = () => this.#ready && this.#waiting.size === 0
    if (await witness.until(isDone, limitMs)) return
    const what = this.#ready
      ? `no answer to ${[...this.#waiting].join(', ')} within ${limitMs} ms`
      : `the controller was not ready within ${limitMs} ms`
    this.#log.write({ event: 'trouble', what })
    this.#waiting.clear()
  }

  async end(): Promise<void> {
    const child = this.#child
    if (child === undefined) return
    this.#forget()
    const closed = once(child, 'close')
    child.stdin!.end()
    await closed
  }

  #hear(answer: Answer): void {
    if ('opening' in answer) this.#log.write({ event: 'opening' })
    else if ('ready' in answer) {
      this.#ready = true
      this.#log.write({ event: 'ready', version: answer.ready })
    } else if ('done' in answer) {
      this.#waiting.delete(answer.done)
      this.#log.write({ event: 'done', version: answer.done })
    } else {
      this.#waiting.delete(answer.refused)
      this.#log.write({ event: 'refused', version: answer.refused, error: answer.error })
    }
  }

  #forget(): void {
    this.#child = undefined
    this.#ready = false
    this.#waiting.clear()
  }
}
