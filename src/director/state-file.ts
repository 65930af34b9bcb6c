// Keeps a small document over restarts: written as a whole or not at all, twice, so that one of the two may be damaged.
import { createHash } from 'node:crypto'
import { mkdir, open, readFile, rename, stat } from 'node:fs/promises'
import { dirname } from 'node:path'

const VERSION = 1

interface Kept {
  readonly version: number
  /** Higher is newer. */
  readonly sequence: number
  /** Of `data`. */
  readonly digest: string
  readonly data: unknown
}

/** What was found when it was opened. */
export interface Found {
  readonly data: unknown
  /** What is wrong with the files, in words. */
  readonly trouble: string | undefined
}

export class StateFile {
  readonly path: string
  readonly #copy: string
  #sequence = 0
  #setAside: string[] = []
  #saving: Promise<void> = Promise.resolve()
  #next: Promise<void> | undefined
  readonly #data: () => unknown
  /** What the files were when they were read or written last. */
  #written = ''

  /** @param data what is to be kept, at the time of a write */
  constructor(path: string, data: () => unknown) {
    this.path = path
    this.#copy = `${path}.copy`
    this.#data = data
  }

  /** The newest of the two that is whole. Damaged ones stay where they are until the next save. */
  async load(): Promise<Found> {
    const tries = await Promise.all([this.path, this.#copy].map(readKept))
    const whole = tries.filter((one) => typeof one === 'object')
    const newest = whole.toSorted((a, b) => b.sequence - a.sequence)[0]
    const troubles = tries.filter((one) => typeof one === 'string')
    // Somebody may want to look at them, and a newer version may read them again.
    if (newest === undefined && troubles.length > 0) this.#setAside = [this.path, this.#copy]
    this.#sequence = newest?.sequence ?? 0
    this.#written = await this.#look()
    const taken =
      newest === undefined
        ? 'nothing is known of what was done by hand'
        : 'the other copy was taken'
    return {
      data: newest?.data,
      trouble: troubles.length === 0 ? undefined : `${troubles.join('; ')}: ${taken}`,
    }
  }

  /**
   * Writes it. Calls while one write is under way share the next.
   *
   * @throws Error (rejects) it could not be written; what was there before is there still
   */
  save(): Promise<void> {
    if (this.#next === undefined) {
      this.#next = this.#saving.then(() => {
        this.#next = undefined
        return this.#write()
      })
      this.#saving = this.#next.catch(() => {})
    }
    return this.#next
  }

  /** Writes it again if somebody has changed or removed it. True if so. */
  async guard(): Promise<boolean> {
    await this.#saving
    if (this.#next !== undefined || (await this.#look()) === this.#written) return false
    await this.save()
    return true
  }

  async #write(): Promise<void> {
    const value = this.#data()
    const kept: Kept = {
      version: VERSION,
      sequence: ++this.#sequence,
      digest: digestOf(value),
      data: value,
    }
    const text = `${JSON.stringify(kept, undefined, 2)}\n`
    await mkdir(dirname(this.path), { recursive: true })
    for (const path of this.#setAside.splice(0)) {
      await rename(path, `${path}.unreadable`).catch(() => {})
    }
    await replace(this.path, text)
    await replace(this.#copy, text)
    this.#written = await this.#look()
  }

  async #look(): Promise<string> {
    const seen = await Promise.all(
      [this.path, this.#copy]
        .map(async (path) => {
          const { ino, size, mtimeMs } = await stat(path)
          return `${ino} ${size} ${mtimeMs}`
        })
        .map((one) => one.catch(({ message }: Error) => message)),
    )
    return seen.join()
  }
}

/** What is whole; a text that says why not; `undefined` if there is no file. */
async function readKept(path: string): Promise<Kept | string | undefined> {
  try {
    const kept = JSON.parse(await readFile(path, 'utf8')) as Partial<Kept> | null
    if (kept?.version !== VERSION)
      return `${path} has version ${String(kept?.version)}, not ${VERSION}`
    const isWhole = Number.isSafeInteger(kept.sequence) && kept.digest === digestOf(kept.data)
    return isWhole ? (kept as Kept) : `${path} is damaged (its digest is another one)`
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    return `${path} cannot be read (${(error as Error).message})`
  }
}

function digestOf(data: unknown): string {
  return createHash('sha256')
    .update(JSON.stringify(data) ?? '')
    .digest('hex')
}

/** A crash leaves the old file or the new one. */
async function replace(path: string, text: string): Promise<void> {
  const temporary = `${path}.new`
  const file = await open(temporary, 'w', 0o600)
  try {
    await file.writeFile(text)
    await file.sync()
  } finally {
    await file.close()
  }
  await rename(temporary, path)
  const directory = await open(dirname(path), 'r')
  try {
    await directory.sync()
  } finally {
    await directory.close()
  }
}
