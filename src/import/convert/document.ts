// The director's document, as far as an import writes one, and what is said beside its values.

/** A value of JSON. */
export type Json = string | number | boolean | null | readonly Json[] | JsonMap
/** An object of JSON. */
export interface JsonMap {
  [key: string]: Json
}

/** Comments of keys, each a line above its key. */
export class Comments {
  readonly #of = new Map<object, Map<string, string[]>>()

  add(holder: object, key: string, ...lines: readonly string[]): void {
    const keys = this.#of.get(holder) ?? new Map<string, string[]>()
    this.#of.set(holder, keys)
    const known = keys.get(key) ?? []
    keys.set(key, known)
    for (const line of lines) if (!known.includes(line)) known.push(line)
  }

  at(holder: object, key: string): readonly string[] {
    return this.#of.get(holder)?.get(key) ?? []
  }

  /** Whether there is any, in it or below. */
  within(value: Json): boolean {
    if (typeof value !== 'object' || value === null) return false
    return this.#of.has(value) || Object.values(value).some((one) => this.within(one))
  }
}
