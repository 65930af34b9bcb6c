// A real server as an ordinary process: from a private folder, frozen, thawed and ended by its id.
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  chmodSync,
  closeSync,
  existsSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

export interface ServerPlan {
  readonly name: string
  /** Stays in the foreground. */
  command(folder: string): readonly string[]
  /** Files of the folder, by their names. */
  files?(folder: string): Readonly<Record<string, string>>
  /** What else has to be there at first. */
  prepare?(folder: string): void
  /** TCP ports that accept connections when the server is ready. */
  readonly ports: readonly number[]
  /** UDP ports that it listens on when it is ready. */
  readonly udpPorts?: readonly number[]
}

const readyMs = 30_000
const endMs = 10_000

export class Server {
  readonly folder: string
  readonly #plan: ServerPlan
  #process: ChildProcess | undefined

  private constructor(plan: ServerPlan) {
    this.#plan = plan
    // Short: the servers put Unix sockets into it. Open: they run as users of their own.
    this.folder = mkdtempSync(path.join(tmpdir(), `ipvs-${plan.name}-`))
    chmodSync(this.folder, 0o755)
    for (const [name, text] of Object.entries(plan.files?.(this.folder) ?? {}))
      writeFileSync(path.join(this.folder, name), text)
    plan.prepare?.(this.folder)
  }

  static async start(plan: ServerPlan): Promise<Server> {
    const server = new Server(plan)
    try {
      await server.start()
      return server
    } catch (error) {
      await server.remove()
      throw error
    }
  }

  async start(): Promise<void> {
    const { name, ports, udpPorts = [] } = this.#plan
    const [program = '', ...args] = this.#plan.command(this.folder)
    const log = openSync(this.#log, 'w')
    const child = spawn(program, args, { cwd: this.folder, stdio: ['ignore', log, log] })
    closeSync(log)
    this.#process = child
    let error: Error | undefined
    child.once('error', (e) => {
      error = e
    })
    const limit = Date.now() + readyMs
    const wait = async (port: number, isReady: () => boolean | Promise<boolean>) => {
      while (!(await isReady())) {
        const ended = error !== undefined || child.exitCode !== null || child.signalCode !== null
        if (ended || Date.now() > limit) {
          const why = ended ? 'has ended' : `does not listen on port ${port}`
          throw new Error(`${name} ${why}: ${error?.message ?? ''}\n${this.output()}`)
        }
        await sleep(20)
      }
    }
    for (const port of ports) await wait(port, () => accepts(port))
    for (const port of udpPorts) await wait(port, () => isBound(port))
  }

  /** What it has written to its standard output and error. */
  output(): string {
    return readFileSync(this.#log, 'utf8')
  }

  /** The kernel still accepts connections for it; nobody answers. */
  async freeze(): Promise<void> {
    const tree = this.#tree()
    for (const pid of tree) signal(pid, 'SIGSTOP')
    // A thread on another CPU goes on for a moment.
    const limit = Date.now() + endMs
    while (!tree.every(isStopped)) {
      if (Date.now() > limit) throw new Error(`${this.#plan.name} does not stop`)
      await sleep(1)
    }
  }

  thaw(): void {
    for (const pid of this.#tree()) signal(pid, 'SIGCONT')
  }

  async stop(): Promise<void> {
    const child = this.#process
    this.#process = undefined
    if (child?.pid === undefined) return
    const tree = descendants(child.pid)
    if (child.exitCode === null && child.signalCode === null) {
      const ended = once(child, 'exit')
      signal(child.pid, 'SIGTERM')
      if ((await Promise.race([ended, sleep(endMs, 'late')])) === 'late') {
        signal(child.pid, 'SIGKILL')
        await ended
      }
    }
    // Helpers that outlive their master.
    for (const pid of tree) signal(pid, 'SIGKILL')
    for (const port of this.#plan.ports) while (await accepts(port)) await sleep(20)
  }

  /** Ends it and removes its folder. */
  async remove(): Promise<void> {
    this.thaw()
    await this.stop()
    rmSync(this.folder, { recursive: true, force: true })
  }

  get #log(): string {
    return path.join(this.folder, 'output.log')
  }

  #tree(): number[] {
    const pid = this.#process?.pid
    return pid === undefined ? [] : descendants(pid)
  }
}

function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
  }
}

/** All its threads are stopped, or have ended. */
function isStopped(pid: number): boolean {
  try {
    return readdirSync(`/proc/${pid}/task`).every((task) =>
      /\) [TZX] [^)]*$/.test(readFileSync(`/proc/${pid}/task/${task}/stat`, 'latin1')),
    )
  } catch {
    return !existsSync(`/proc/${pid}`)
  }
}

/** The process and all that it has started, and so on. */
function descendants(root: number): number[] {
  const parents = new Map<number, number>()
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue
    try {
      const stat = readFileSync(`/proc/${name}/stat`, 'latin1')
      // The name in parentheses may contain anything.
      const [, parent] = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
      parents.set(Number(name), Number(parent))
    } catch {
      // It has ended meanwhile.
    }
  }
  const found = [root]
  for (let i = 0; i < found.length; i++)
    for (const [pid, parent] of parents) if (parent === found[i]) found.push(pid)
  return found
}

/** Somebody has this port for UDP. */
function isBound(port: number): boolean {
  const hex = port.toString(16).toUpperCase().padStart(4, '0')
  return new RegExp(`^ *\\d+: [0-9A-F]+:${hex} `, 'm').test(readFileSync('/proc/net/udp', 'latin1'))
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1')
    socket.once('connect', () => {
      socket.resetAndDestroy()
      resolve(true)
    })
    socket.once('error', () => resolve(false))
  })
}
