// What was said by hand, kept in the file that the configuration names: written after each word, and again until it is.
import { Backoff } from '../backoff.js'
import { messageOf } from './events.js'
import type { Overrides } from './overrides.js'
import { StateFile } from './state-file.js'

const RETRY = { firstMs: 1000, maxMs: 10_000 }

export class KeptWords {
  readonly #overrides: Overrides
  readonly #warn: (text: string) => void
  #file: StateFile | undefined
  #trouble: string | undefined
  #retry: NodeJS.Timeout | undefined

  constructor(overrides: Overrides, warn: (text: string) => void) {
    this.#overrides = overrides
    this.#warn = warn
  }

  /** Why it could not be written. */
  get trouble(): string | undefined {
    return this.#trouble
  }

  /** Why a word would not outlive the process. */
  get notKept(): string | undefined {
    return this.#file === undefined
      ? 'the file names no place for the state (key "state")'
      : this.#trouble
  }

  /** What the last director has left. */
  async open(path: string | undefined): Promise<void> {
    if (path === undefined) return
    this.#file = this.#at(path)
    const { data, trouble } = await this.#file.load()
    this.#overrides.load(data)
    this.#overrides.expire()
    if (trouble === undefined) return
    this.#warn(trouble)
    // The one that is whole may be damaged next. If neither is, nothing is known that could be written.
    if (data !== undefined) await this.save()
  }

  /** Another place from now on, or none. */
  async move(path: string | undefined): Promise<void> {
    this.#file = path === undefined ? undefined : this.#at(path)
    // What is there is older, whatever its number.
    await this.#file?.load()
    void this.save()
  }

  /** Resolves when it is written, or could not be: then it is tried again. Never rejects. */
  async save(): Promise<void> {
    const file = this.#file
    if (file === undefined) return
    try {
      await file.save()
      if (this.#trouble !== undefined) this.#warn(`${file.path} is written again`)
      this.#trouble = undefined
    } catch (error) {
      const isNew = this.#trouble === undefined
      this.#trouble = `${file.path} could not be written (${messageOf(error)}): what was done by hand would not outlive this process. It is tried again.`
      if (!isNew) return
      this.#warn(this.#trouble)
      this.#saveAgain(new Backoff(RETRY))
    }
  }

  /** Writes it again if somebody else has changed it. Never rejects. */
  async guard(): Promise<void> {
    try {
      if (!(await this.#file?.guard())) return
      this.#trouble = undefined
      this.#warn(`${this.#file!.path} was changed by somebody else: written again`)
    } catch {
      void this.save()
    }
  }

  close(): void {
    clearTimeout(this.#retry)
  }

  #at(path: string): StateFile {
    return new StateFile(path, () => this.#overrides.toJSON())
  }

  #saveAgain(backoff: Backoff): void {
    this.#retry = setTimeout(async () => {
      if (this.#trouble === undefined) return
      await this.save()
      if (this.#trouble !== undefined) this.#saveAgain(backoff)
    }, backoff.next()).unref()
  }
}
