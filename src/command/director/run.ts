// ipvs run: a director, its socket, its log and its signals.
import type { Config, ControlServer, Director, DirectorEvent } from '../../director/index.js'
import { CommandError } from '../errors.js'
import { noteLine } from '../keepalived.js'
import { print, printJson } from '../output.js'
import { painter } from '../paint.js'
import { type Call, exitStatuses, type Run } from '../spec.js'
import { watchFile } from './file-watch.js'
import { Http } from './http.js'
import { loadConfig } from './load.js'
import { Log } from './log.js'
import { Watchdog } from './watchdog.js'

type Api = typeof import('../../director/index.js')

export const runDirector: Run = async (call) => {
  const file = call.words[0]!
  if (call.options.check) return checkFile(call, file)
  const api = await import('../../director/index.js')
  const requests = new ReloadRequests()
  process.on('SIGHUP', requests.request)
  const unwatch = call.options.watch ? watchFile(file, requests.request) : () => {}
  const { config, notes } = await loadConfig(file, call.options.netns)
  await refuseSecond(api, config)
  const log = new Log(call)
  log.notes(notes)
  const director = await api.Director.open(config)
  const running = new Running(api, call, director, log)
  try {
    await running.serve(config)
  } catch (error) {
    // The kernel keeps what it holds: the next start takes it over.
    await director.stop('leave')
    await running.close()
    await log.end()
    throw error
  }
  const status = await running.untilEnded(requests)
  unwatch()
  return status
}

/** `run --check`: mistakes are something to tell, and not a failure. */
async function checkFile(call: Call, file: string): Promise<number> {
  const { ConfigError } = await import('../../director/index.js')
  try {
    const { config, notes } = await loadConfig(file, undefined)
    const { length } = config.pools
    const count = `${length} ${length === 1 ? 'pool' : 'pools'}`
    if (call.options.json) printJson({ file, mistakes: [], notes })
    else if (notes.length === 0) print(`${file} is right: ${count}\n`)
    else {
      const lines = notes.map((note) => `${noteLine(note, painter(call))}\n`)
      print(`${file} has ${count}, and what could not be carried over:\n${lines.join('')}`)
    }
    return notes.length === 0 ? exitStatuses.done : exitStatuses.failed
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    if (call.options.json) printJson({ file, mistakes: error.mistakes })
    else print(`${error.message}\n`)
    return exitStatuses.failed
  }
}

/** Two of them would undo each other's work. */
async function refuseSecond({ askDirector }: Api, { control }: Config): Promise<void> {
  if (control === undefined) return
  // Of no pool: what it says of all of them may be much.
  const state = await askDirector(control, { do: 'state', pool: '' }).catch((error: Error) => error)
  const { code, pid, file } = state as {
    readonly code?: string
    readonly pid?: number
    readonly file?: string
  }
  if (code === 'ERR_IPVS_NO_DIRECTOR') return
  const who = pid === undefined ? '' : ` (process ${pid}, of ${file})`
  throw new CommandError(
    `a director${who} answers at ${control} already. Nothing was changed. Stop that one, or give this one another "control".`,
  )
}

/** One that comes before it can be obeyed is obeyed then. */
class ReloadRequests {
  #missed = false
  #obey = () => {
    this.#missed = true
  }

  readonly request = () => this.#obey()

  obey(reload: () => void): void {
    this.#obey = reload
    if (this.#missed) reload()
    this.#missed = false
  }
}

interface Control {
  readonly path: string
  readonly server: ControlServer
}

/** An answer that is under way has been read by then. */
const ANSWER_MS = 1000

class Running {
  readonly #api: Api
  readonly #call: Call
  readonly #director: Director
  readonly #log: Log
  readonly #watchdog: Watchdog
  readonly #http: Http
  #control: Control | undefined
  /** By their paths: those that close in a moment. */
  readonly #leaving = new Map<string, Control & { readonly timer: NodeJS.Timeout }>()
  /** Reloads come one after the other. */
  #turn: Promise<unknown> = Promise.resolve()

  constructor(api: Api, call: Call, director: Director, log: Log) {
    this.#api = api
    this.#call = call
    this.#director = director
    this.#log = log
    this.#watchdog = new Watchdog(api.tellServiceManager, director)
    this.#http = new Http(api.serveHttp, director, (text) => log.line('http', text))
    // What the opening has found comes first.
    for (const event of director.changes) log.event(event)
    director.on('event', (event: DirectorEvent) => log.event(event))
  }

  /** @throws CommandError where it cannot be asked or reached as the file says */
  async serve(config: Config): Promise<void> {
    await this.#serveHttp(config)
    if (config.control === this.#control?.path) return
    const control = this.#takeBack(config.control) ?? (await this.#serveControl(config))
    const before = this.#control
    this.#control = control
    if (before === undefined) return
    // Whoever has asked there for what moves it is still to get an answer.
    const end = () => {
      this.#leaving.delete(before.path)
      void before.server.close()
    }
    this.#leaving.set(before.path, { ...before, timer: setTimeout(end, ANSWER_MS).unref() })
  }

  /** What it answers to others; the director goes its own way. */
  async close(): Promise<void> {
    await this.#http.close()
    for (const { server } of [...this.#leaving.values()]) await server.close()
    await this.#control?.server.close()
  }

  /** The socket at a path that is still open, because it was left a moment ago. */
  #takeBack(path: string | undefined): Control | undefined {
    const left = this.#leaving.get(path ?? '')
    if (left === undefined) return undefined
    clearTimeout(left.timer)
    this.#leaving.delete(left.path)
    return left
  }

  async #serveControl({ control: path }: Config): Promise<Control | undefined> {
    if (path === undefined) return undefined
    try {
      const options = { reload: () => this.#reload() }
      return { path, server: await this.#api.serveControl(this.#director, path, options) }
    } catch (error) {
      throw new CommandError(
        `the control socket ${path} cannot be served: ${(error as Error).message}. The kernel goes on with what it holds.`,
        exitStatuses.failed,
        error,
      )
    }
  }

  async #serveHttp({ http }: Config): Promise<void> {
    try {
      await this.#http.use(http)
    } catch (error) {
      const { message } = error as Error
      const text = `${message}. The kernel goes on with what it holds.`
      throw new CommandError(text, exitStatuses.failed, error)
    }
  }

  async untilEnded(requests: ReloadRequests): Promise<number> {
    const file = this.#call.words[0]!
    const { state, pools } = this.#director.config
    const kept = state === undefined ? ', what is done by hand is not kept (no "state")' : ''
    this.#log.line('start', `${file}: ${pools.length} pools, process ${process.pid}${kept}`)
    requests.obey(() => void this.#reload().catch(() => {}))
    const tell = () => this.#log.line('state', 'as asked for', { state: this.#director.state() })
    process.on('SIGUSR1', tell)
    this.#watchdog.start()
    const name = await new Promise<NodeJS.Signals>((resolve) => {
      const ends = ['SIGTERM', 'SIGINT'] as const
      const end = (signal: NodeJS.Signals) => {
        // Another one ends it at once.
        for (const one of ends) process.off(one, end)
        resolve(signal)
      }
      for (const one of ends) process.on(one, end)
    })
    requests.obey(() => {})
    process.off('SIGUSR1', tell)
    this.#watchdog.stop()
    const { onStop } = this.#director.config
    this.#log.line(
      'stop',
      `${name}: ${onStop === 'leave' ? 'the kernel keeps what it holds' : onStop}`,
    )
    await this.#turn
    await this.#director.stop()
    await this.close()
    await this.#log.end()
    return exitStatuses.done
  }

  #reload() {
    const done = this.#turn.then(async () => {
      this.#watchdog.reloading()
      try {
        const { words, options } = this.#call
        const { config, notes } = await loadConfig(words[0]!, options.netns, this.#director.config)
        this.#log.notes(notes)
        const before = this.#director.config
        try {
          // First: where that cannot be, nothing has been changed.
          await this.serve(config)
          return await this.#director.reload(config)
        } catch (error) {
          await this.serve(before).catch(() => {})
          throw error
        }
      } catch (error) {
        this.#director.refuseReload((error as Error).message)
        throw error
      } finally {
        this.#watchdog.reloaded()
      }
    })
    this.#turn = done.catch(() => {})
    return done
  }
}
