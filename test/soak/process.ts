// The director as a process: started, killed, asked, measured.
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createWriteStream, readdirSync, readFileSync, type WriteStream } from 'node:fs'
import { askDirector, type ControlRequest } from 'ipvs/director'

export class DirectorProcess {
  readonly #bin: string
  readonly #file: string
  readonly #socket: string
  readonly #log: WriteStream
  #child: ChildProcess | undefined

  constructor(bin: string, folder: string) {
    this.#bin = bin
    this.#file = `${folder}/director.yaml`
    this.#socket = `${folder}/director.sock`
    this.#log = createWriteStream(`${folder}/director.log`)
  }

  async start(): Promise<void> {
    const child = spawn(process.execPath, [this.#bin, 'run', this.#file], {
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    this.#child = child
    child.stdout.pipe(this.#log, { end: false })
    child.stderr.pipe(this.#log, { end: false })
    for (;;) {
      if (child.exitCode !== null)
        throw new Error(`the director ended with status ${child.exitCode}`)
      const state = await this.ask({ do: 'state' }).catch(() => undefined)
      if (state !== undefined) return
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
  }

  async kill(): Promise<void> {
    const child = this.#child!
    child.kill('SIGKILL')
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit')
  }

  reload(): void {
    this.#child!.kill('SIGHUP')
  }

  /** Its exit status, when it was told to end. */
  async end(): Promise<number | null> {
    const child = this.#child!
    child.kill('SIGTERM')
    if (child.exitCode === null) await once(child, 'exit')
    return child.exitCode
  }

  ask(request: ControlRequest): Promise<unknown> {
    return askDirector(this.#socket, request)
  }

  look(): { readonly megabytes: number; readonly files: number } {
    const of = `/proc/${this.#child!.pid}`
    const pages = /VmRSS:\s+(\d+) kB/.exec(readFileSync(`${of}/status`, 'utf8'))?.[1]
    return { megabytes: Number(pages) / 1024, files: readdirSync(`${of}/fd`).length }
  }
}
