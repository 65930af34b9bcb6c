// What is wrong with a file: all of it at once, each with its place.

/** Where in a document: `['pools', 'dns', 'servers', 1]`. */
export type Path = readonly (string | number)[]

/** One thing that is wrong with a file. */
export interface ConfigMistake {
  /** From 1. */
  readonly line: number
  /** From 1. */
  readonly column: number
  /** `pools.dns.servers[1].weight`; empty for the whole file. */
  readonly path: string
  /** What is wrong, and what to write. */
  readonly message: string
}

/** A file that cannot be used, with every mistake that was found in it. Nothing was changed. */
export class ConfigError extends Error {
  readonly code = 'ERR_IPVS_CONFIG'
  readonly file: string
  readonly mistakes: readonly ConfigMistake[]

  constructor(file: string, mistakes: readonly ConfigMistake[]) {
    const count = mistakes.length === 1 ? 'a mistake' : `${mistakes.length} mistakes`
    const lines = mistakes.map(
      ({ line, column, message }) => `${file}:${line}:${column}: ${message}`,
    )
    super([`${file} has ${count}:`, ...lines].join('\n'))
    this.name = 'ConfigError'
    this.file = file
    this.mistakes = mistakes
  }
}

/** As people write it: `pools.dns.servers[1].weight`. */
export function pathText(path: Path): string {
  let text = ''
  for (const part of path) {
    if (typeof part === 'number') text += `[${part}]`
    else if (!/^[\w-]+$/.test(part)) text += `[${JSON.stringify(part)}]`
    else text += text === '' ? part : `.${part}`
  }
  return text
}
