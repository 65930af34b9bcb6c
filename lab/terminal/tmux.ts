// A terminal that can be looked at and typed into: tmux, with a shell in it.
import { spawnSync } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

export interface Window {
  readonly columns: number
  readonly rows: number
}

/** Against hanging only. */
const PATIENCE_MS = 120_000

export class Tmux implements Disposable {
  readonly #socket: string

  /** @param programs what the shell, whose prompt is `$ `, calls by other names than the machine does: the words behind them */
  constructor(
    folder: string,
    programs: Readonly<Record<string, readonly string[]>> = {},
    { columns, rows }: Window = { columns: 80, rows: 24 },
  ) {
    this.#socket = path.join(folder, 'tmux')
    const bin = path.join(folder, 'terminal')
    mkdirSync(bin, { recursive: true })
    for (const [name, words] of Object.entries(programs)) {
      const script = `#!/bin/sh\nexec ${words.map((word) => `'${word}'`).join(' ')} "$@"\n`
      writeFileSync(path.join(bin, name), script, { mode: 0o755 })
    }
    const profile = path.join(bin, 'profile')
    writeFileSync(profile, `PS1='$ ' PATH='${bin}':$PATH\n`)
    const size = ['-x', String(columns), '-y', String(rows)]
    this.run('-f', '/dev/null', 'new-session', '-d', ...size, `bash --rcfile '${profile}'`)
  }

  run(...words: string[]): string {
    const { status, stdout, stderr, error } = spawnSync(
      'tmux',
      ['-u', '-S', this.#socket, ...words],
      {
        encoding: 'utf8',
        env: { ...process.env, LANG: 'C.UTF-8', LC_ALL: 'C.UTF-8' },
      },
    )
    if (status !== 0) throw new Error(`tmux ${words.join(' ')}: ${error?.message ?? stderr}`)
    return stdout
  }

  /** By tmux's names: `Enter`, `Up`, `C-c`; a letter is itself. */
  keys(...names: string[]): void {
    this.run('send-keys', ...names)
  }

  type(text: string): void {
    this.run('send-keys', '-l', text)
  }

  /** For the shell. */
  line(text: string): void {
    this.type(text)
    this.keys('Enter')
  }

  readonly text = (): string => this.run('capture-pane', '-p')

  /** With its colours, those behind the letters left out. */
  readonly styled = (): string => this.run('capture-pane', '-p', '-e').replaceAll('\x1b[49m', '')

  resize({ columns, rows }: Window): void {
    this.run('resize-window', '-x', String(columns), '-y', String(rows))
  }

  /** Whether the cursor is shown and whether the screen is the other one: `1 0` is what a shell has. */
  readonly flags = (): string => this.run('display-message', '-p', '#{cursor_flag} #{alternate_on}')

  /** Waits until it is there. @throws Error with what is shown instead */
  async shows(what: RegExp | string, look = this.text): Promise<void> {
    const untilMs = performance.now() + PATIENCE_MS
    const isThere = (text: string) =>
      typeof what === 'string' ? text.includes(what) : what.test(text)
    for (let text = look(); !isThere(text); text = look()) {
      if (performance.now() > untilMs) throw new Error(`no ${what} came; there is:\n${text}`)
      await sleep(50)
    }
  }

  [Symbol.dispose](): void {
    this.run('kill-server')
  }
}
