// The terminal: taken over, written to, and given back as it was, however the command ends.
import { emitKeypressEvents, type Interface, type Key } from 'node:readline'
import { print } from '../output.js'
import { keyName } from './keys.js'

export interface Size {
  readonly columns: number
  readonly rows: number
}

/** The other screen, without a cursor. */
const ENTER = '\x1b[?1049h\x1b[?25l\x1b[H\x1b[2J'
const LEAVE = '\x1b[?25h\x1b[?1049l'
/** Escape alone is a key; the rest of a sequence comes sooner. */
const ESCAPE_MS = 50

/** What happens on a terminal. */
export interface Events {
  /** By the name that {@link keyName} gives it. */
  readonly key: (name: string) => void
  /** Another size, or a shell's work over it: all has to be written again. */
  readonly changed: () => void
  /** It is gone. */
  readonly gone: () => void
}

export class Screen {
  readonly #events: Events
  #isEntered = false
  #shown: readonly string[] = []
  #returns: NodeJS.Timeout | undefined

  constructor(events: Events) {
    this.#events = events
  }

  get size(): Size {
    // Some terminals say that they have none.
    const { columns, rows } = process.stdout
    return { columns: columns || 80, rows: rows || 24 }
  }

  /** Takes the terminal over. */
  open(): void {
    const { stdin, stdout } = process
    // An interface of its own would write to the terminal.
    emitKeypressEvents(stdin, { escapeCodeTimeout: ESCAPE_MS } as unknown as Interface)
    stdin.on('keypress', this.#onKey)
    stdin.on('end', this.#events.gone)
    stdin.on('error', this.#events.gone)
    stdout.on('resize', this.#onChange)
    process.on('SIGCONT', this.#onContinue)
    process.on('exit', this.#leave)
    this.#enter()
  }

  /** Gives it back. */
  close(): void {
    const { stdin, stdout } = process
    clearTimeout(this.#returns)
    this.#leave()
    stdin.off('keypress', this.#onKey)
    stdin.off('end', this.#events.gone)
    stdin.off('error', this.#events.gone)
    stdout.off('resize', this.#onChange)
    process.off('SIGCONT', this.#onContinue)
    process.off('exit', this.#leave)
  }

  /** Writes the lines that differ from what is there. False: nobody reads any more. */
  draw(lines: readonly string[]): boolean {
    if (!this.#isEntered) return true
    const text = differing(this.#shown, lines)
    this.#shown = lines
    return text === '' || print(text)
  }

  /** To the shell, as ^Z elsewhere; back with SIGCONT. */
  suspend(): void {
    this.#leave()
    process.kill(0, 'SIGTSTP')
    // The kernel stops nobody whom no shell would wake.
    this.#returns = setTimeout(this.#onContinue, 100)
  }

  #enter(): void {
    process.stdin.setRawMode(true)
    process.stdin.resume()
    this.#isEntered = true
    this.#shown = []
    print(ENTER)
  }

  readonly #leave = (): void => {
    if (!this.#isEntered) return
    this.#isEntered = false
    try {
      process.stdin.setRawMode(false)
      process.stdin.pause()
      print(LEAVE)
    } catch {
      // The terminal is gone, and needs nothing any more.
    }
  }

  readonly #onKey = (text: string | undefined, key: Key): void => {
    this.#events.key(keyName(text, key))
  }

  readonly #onChange = (): void => {
    this.#again(() => this.#isEntered && print('\x1b[2J'))
  }

  /** Whoever stopped this process may have left the terminal as a shell wants it. */
  readonly #onContinue = (): void => {
    clearTimeout(this.#returns)
    this.#again(() => {
      this.#leave()
      this.#enter()
    })
  }

  #again(clear: () => unknown): void {
    try {
      clear()
    } catch {
      this.#events.gone()
      return
    }
    this.#shown = []
    this.#events.changed()
  }
}

/** What makes the lines that are shown the ones that are wanted. */
export function differing(shown: readonly string[], wanted: readonly string[]): string {
  let text = ''
  for (const [at, line] of wanted.entries()) {
    if (line !== (shown[at] ?? '')) text += `\x1b[${at + 1};1H\x1b[2K${line}`
  }
  return text
}
