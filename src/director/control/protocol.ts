// What passes over the control socket: one JSON document a line, both ways (docs/director.md has it for others).

/** A request. */
export type ControlRequest = {
  /** Comes back with each answer to it. Default: none. */
  readonly id?: unknown
} & (
  | {
      readonly do: 'state'
      /** Only this one. Default: all. */
      readonly pool?: string
      /** Only that of this service, such as `udp 192.0.2.53:53`. Default: all. */
      readonly service?: string
    }
  | {
      readonly do: 'set'
      readonly target: string
      /** Default: as it is. */
      readonly admin?: string
      /** Default: as it is. */
      readonly weight?: number | 'file'
      /** Milliseconds. Default: for good. */
      readonly forMs?: number
    }
  /** What this one and its peers say of every server. */
  | { readonly do: 'fleet' }
  | { readonly do: 'check'; readonly target: string }
  | { readonly do: 'connections'; readonly target: string }
  | {
      readonly do: 'role'
      /** Default: it stays as it is. */
      readonly become?: string
      /** What a notify script of keepalived was called with. Default: nothing. */
      readonly notify?: readonly string[]
    }
  | { readonly do: 'reload' }
  /** Each event from now on, until the connection ends. */
  | { readonly do: 'events' }
)

/** An answer: a result or an error; with `events`, one event after the other behind the result. */
export interface ControlAnswer {
  readonly id?: unknown
  readonly result?: unknown
  readonly event?: unknown
  readonly error?: {
    readonly code: string
    readonly message: string
  }
}

/** A longer line ends the connection. Bytes. */
export const MOST_REQUEST = 65_536

/** Splits what comes into lines. */
export class Lines {
  readonly #most: number
  /** Of the line that is not complete. */
  #parts: string[] = []
  #size = 0

  /** @param most characters of a line */
  constructor(most: number) {
    this.#most = most
  }

  /** The lines that are complete now; `undefined` if one is too long. */
  take(text: string): string[] | undefined {
    this.#parts.push(text)
    this.#size += text.length
    if (!text.includes('\n')) return this.#size > this.#most ? undefined : []
    const lines = this.#parts.join('').split('\n')
    const rest = lines.pop()!
    this.#parts = [rest]
    this.#size = rest.length
    return rest.length > this.#most || lines.some((line) => line.length > this.#most)
      ? undefined
      : lines
  }
}
