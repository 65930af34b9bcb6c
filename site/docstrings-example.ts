// What docstrings.mjs must find: a line above each says it. The rest must pass.
class ArgumentError extends RangeError {}
class IpvsError extends Error {}

export interface Options {
  /** How long it waits. Default 5. */
  // no unit
  readonly wait?: number
  /** How long it waits, in seconds. Default 5. */
  readonly patience?: number
  readonly waitMs: number
  readonly port: number
  /** Whether it does. */
  // no default
  readonly does?: boolean
  /** Default true. */
  readonly did?: boolean
  readonly never?: never
  /** What becomes of it. */
  // no default
  readonly then?: (seen: Seen) => Answer | undefined
}

/** What is seen may lack anything. */
export interface Seen {
  // no unit
  readonly size?: number
  readonly word?: string
}

/** What callers answer. */
export interface Answer {
  // no default
  readonly word?: string
}

/** @throws RangeError */
export function checked(options: Options): void {
  check(options.port)
}

// no @throws of bad arguments
export function unsaid(options: Options): void {
  check(options.port)
}

/** @throws RangeError */
// no @throws of IpvsError
export async function half(port: number): Promise<void> {
  check(port)
  await run(() => Promise.reject(new IpvsError('lost')))
}

export async function swallowed(port: number): Promise<void> {
  await half(port).catch(() => {})
  try {
    check(port)
  } catch {}
}

export function later(): () => void {
  return () => check(0)
}

export class Client {
  // no @throws of bad arguments
  constructor(port: number) {
    check(port)
  }

  /** @internal */
  hidden(): void {
    check(0)
  }
}

function check(port: number): void {
  if (port === 0) throw new ArgumentError('port')
}

async function run(work: () => Promise<void>): Promise<void> {
  await work()
}
