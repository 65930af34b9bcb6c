// Who checks: programs that are started, measured from outside and ended.
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { built, checkout, compiled } from '../../lab/checkout.js'
import { keepalivedEnvironment } from '../../lab/keepalived.js'

/** What is asked: `dns` over UDP. */
export const kinds = ['tcp', 'http', 'dns'] as const
export type Kind = (typeof kinds)[number]

/** How keepalived asks it. */
export const keepalivedChecks: Readonly<
  Record<Kind, { readonly name: string; readonly body: string }>
> = {
  tcp: { name: 'TCP_CHECK', body: 'connect_timeout 1' },
  http: { name: 'HTTP_GET', body: 'url {\n path /\n status_code 200\n }\n connect_timeout 1' },
  dns: { name: 'DNS_CHECK', body: 'type A\n name example.org\n connect_timeout 1' },
}

export interface Load {
  readonly kind: Kind
  readonly servers: number
  readonly port: number
  readonly intervalMs: number
}

/** A program that answers lines with lines. */
class Peer {
  readonly #child: ChildProcess
  readonly #lines: AsyncIterator<string>

  constructor(program: string, words: readonly string[]) {
    this.#child = spawn(program, words, { stdio: ['pipe', 'pipe', 'inherit'] })
    this.#lines = createInterface({ input: this.#child.stdout! })[Symbol.asyncIterator]()
  }

  get pid(): number {
    return this.#child.pid!
  }

  async line(): Promise<string> {
    const { value, done } = await this.#lines.next()
    if (done === true) throw new Error(`${this.#child.spawnargs.join(' ')} has ended`)
    return value
  }

  say(line: string): void {
    this.#child.stdin?.write(`${line}\n`)
  }

  async report(): Promise<Record<string, number>> {
    this.say('report')
    return JSON.parse(await this.line()) as Record<string, number>
  }

  async end(): Promise<void> {
    const closed = once(this.#child, 'close')
    this.#child.stdin?.end()
    await closed
  }
}

const wordsOf = ({ kind, servers, port, intervalMs }: Load): string[] => [
  kind,
  ...[servers, port, intervalMs].map(String),
]

export async function startServers(load: Load): Promise<Peer> {
  const peer = new Peer(compiled('check-servers'), wordsOf(load))
  await peer.line()
  return peer
}

/** Something that checks the servers. */
export interface Checking {
  /** Whose processor time counts. */
  readonly pid: number
  say(line: 'mark' | 'watch'): void
  /** What it says of itself. */
  report(): Promise<Record<string, number>>
  end(): Promise<void>
}

export async function startOurs(load: Load): Promise<Checking> {
  const program = path.join(checkout, 'bench/checks/checker.mjs')
  const peer = new Peer(process.execPath, [program, ...wordsOf(load)])
  await peer.line()
  // The burst of the first round, and what the engine learns in it, is over.
  await sleep(5000)
  return {
    pid: peer.pid,
    say: (line) => peer.say(line),
    report: () => peer.report(),
    end: () => peer.end(),
  }
}

export function keepalivedVersion(): string | undefined {
  const env = keepalivedEnvironment()
  const { status, stderr } = spawnSync('keepalived', ['--version'], { encoding: 'utf8', env })
  return status === 0 ? /Keepalived v[\d.]+/.exec(stderr)?.[0] : undefined
}

/** Its checker process only, in the foreground, with files of its own; no service of the system is touched. */
export async function startKeepalived(load: Load): Promise<Checking> {
  const folder = built('bench/keepalived')
  mkdirSync(folder, { recursive: true })
  const inFolder = (name: string) => path.join(folder, name)
  writeFileSync(inFolder('conf'), keepalivedConfig(load))
  const files = ['-f', inFolder('conf'), '-p', inFolder('pid'), '-c', inFolder('checkers.pid')]
  // Its log would go to the system's console, a slow one: it gets a pipe.
  const words = ['--dont-fork', '--log-console', '--no-syslog', '--check', ...files]
  const child = spawn('keepalived', words, {
    env: { ...keepalivedEnvironment(), LD_PRELOAD: compiled('no-ipvs.so') },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let log = ''
  child.stdout.on('data', (text) => (log += text))
  child.stderr.on('data', (text) => (log += text))
  const closed = once(child, 'close')
  process.once('exit', () => child.kill())
  // It spreads its checks over the first interval, and starts slowly with many servers.
  await Promise.race([sleep(15_000), closed])
  if (child.exitCode !== null) throw new Error(`keepalived has ended: ${log.slice(-1000)}`)
  return {
    pid: Number(readFileSync(inFolder('checkers.pid'), 'utf8')),
    say() {},
    report: async () => ({}),
    async end() {
      child.kill('SIGTERM')
      await closed
    },
  }
}

function keepalivedConfig({ kind, servers, port, intervalMs }: Load): string {
  const { name, body } = keepalivedChecks[kind]
  const real = Array.from(
    { length: servers },
    (_, i) => `  real_server 127.1.${i >> 8}.${i & 255} ${port} {
    ${name} {
      ${body}
    }
  }`,
  )
  return `global_defs {
  router_id bench
}
virtual_server 192.0.2.1 ${port} {
  delay_loop ${intervalMs / 1000}
  lb_algo rr
  lb_kind DR
  protocol TCP
${real.join('\n')}
}
`
}
