// Pools with a fault put back, of each kind that pools have had: their tests must find every one of them.
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'

export interface Mutation {
  /** What holds without it. */
  readonly rule: string
  /** Anywhere in `src/pool`, once. */
  readonly from: string
  readonly to: string
  /** Who finds it: the random lives, within some hundreds; or one of the files in `kinds/`. */
  readonly by: 'lives' | Kind
}

type Kind =
  | 'arguments'
  | 'clock'
  | 'continuations'
  | 'events'
  | 'judged-once'
  | 'limits'
  | 'refusal'
  | 'replacement'
  | 'reported'
  | 'retries'
  | 'smaller'
  | 'undeclared'

export const MUTATIONS: Readonly<Record<string, readonly Mutation[]>> = {
  'a removal waits for the success of what replaces it': [
    {
      rule: 'nothing is taken away before what replaces it is there',
      from: 'if (first !== undefined) blocked.set(loserOf(step)!, first)',
      to: '',
      by: 'lives',
    },
    {
      rule: 'who replaces it is there when the kernel says so',
      from: 'if (entry.takesConnections) serves ||= !going.has(entry)',
      to: "if (typeof entry.known === 'object') serves ||= !going.has(entry)",
      by: 'replacement',
    },
  ],
  'one refused server does not silence the others': [
    {
      rule: 'an event waits for its own servers',
      from: 'isSettled: (servers) => this.#reconciler.isSettled(servers)',
      to: 'isSettled: () => this.#reconciler.isConfirmed',
      by: 'lives',
    },
    {
      rule: 'who is refused counts for no quorum',
      from: "return admin === 'ready' && weight > 0 && !refused\n}\n\n/** Its health",
      to: "return admin === 'ready' && weight > 0\n}\n\n/** Its health",
      by: 'lives',
    },
    {
      rule: 'a call waits for its own servers',
      from: 'if (!isInSync(server) || hasFailedAndWaits(server)) return false',
      to: 'if (this.#failures.size > 0 || !isInSync(server) || hasFailedAndWaits(server)) return false',
      by: 'lives',
    },
  ],
  'what is not declared is part of the book': [
    {
      rule: 'a removal of what is not declared counts from its submission on',
      from: 'this.#known = value\n    this.#last = value',
      to: `const it = this as { owner?: symbol; isAbandoned?: boolean }
    if (it.owner !== undefined || it.isAbandoned !== false) this.#known = value
    this.#last = value`,
      by: 'undeclared',
    },
    {
      rule: 'what goes with a service is not forgotten before that is away for sure',
      from: 'if (this.entry.pending) return\n',
      to: '',
      by: 'undeclared',
    },
    {
      rule: 'who leaves with a service has not left before that is away for sure',
      from: 'isInSync(server) && !server.places.some(({ front }) => front.entry.pending)',
      to: 'isInSync(server)',
      by: 'undeclared',
    },
    {
      rule: 'a read says nothing of what has been changed meanwhile',
      from: 'if (entry.changedSince(since)) continue',
      to: '',
      by: 'undeclared',
    },
  ],
  'one clock for retries': [
    {
      rule: 'pauses follow what is refused again and again',
      from: 'const pause = tries <= PROMPT_TRIES ? 0 : this.#backoff.next()',
      to: 'const pause = 0',
      by: 'lives',
    },
    {
      rule: 'passes in vain are some a second',
      from: 'Math.max(due - now, (1 - this.#passes) * PASS_MS)',
      to: 'due - now',
      by: 'retries',
    },
    {
      rule: 'a verdict that is repeated does not repeat what was refused',
      from: "const skip = cause === 'health' ? hasFailed : undefined",
      to: 'const skip = undefined',
      by: 'retries',
    },
    {
      rule: 'the same refusal is told once',
      from: 'if (this.#told.has(about)) continue',
      to: '',
      by: 'lives',
    },
  ],
  'no continuation hangs on a promise that may reject': [
    {
      rule: 'an adopting pool goes on although the last verdict is refused',
      from: 'done.finally(() => this.#endKeeping(cause))',
      to: 'done.then(() => this.#endKeeping(cause))',
      by: 'continuations',
    },
    {
      rule: 'a drain whose last step is refused at first is told',
      from: 'void this.#pool.whenSettled(server).then(publish)',
      to: '',
      by: 'continuations',
    },
    {
      rule: 'a drain gives back what there was before all of them',
      from: 'this.#all.get(server)?.before ?? server.admin',
      to: 'server.admin',
      by: 'continuations',
    },
  ],
  'judging costs per turn': [
    {
      rule: 'verdicts of one turn are judged together',
      from: 'return this.#settle([server], round)',
      to: 'this.flush()\n      return this.#settle([server], round)',
      by: 'judged-once',
    },
  ],
  'limits count what moves traffic, and forget': [
    {
      rule: 'what moves nothing is not counted',
      from: "if ((served.get(server.key) === 'serves') !== (server.serving === 'serves')) {",
      to: '{',
      by: 'limits',
    },
    {
      rule: 'who takes no new connections is not counted',
      from: 'if (server.urgent || !takesNew(server)) continue',
      to: 'if (server.urgent) continue',
      by: 'limits',
    },
    {
      rule: 'a minute later it is forgotten',
      from: 'const MINUTE_MS = 60_000',
      to: 'const MINUTE_MS = 3_600_000',
      by: 'lives',
    },
  ],
  'every public entry checks its arguments': [
    {
      rule: 'a weight factor is a number from 0 to 1',
      from: 'if (!(factor >= 0 && factor <= 1)) {',
      to: 'if (factor < 0 || factor > 1) {',
      by: 'arguments',
    },
    {
      rule: 'a verdict says healthy or not',
      from: "if (typeof healthy !== 'boolean') throw typeError('verdict.healthy', 'true or false', healthy)",
      to: '',
      by: 'arguments',
    },
  ],
  'time is monotonic wherever it decides': [
    {
      rule: 'who has waited longest comes first, whatever the clock says',
      from: '.sort((a, b) => a.assigned.turn! - b.assigned.turn!)',
      to: '.sort((a, b) => a.since - b.since)',
      by: 'clock',
    },
    {
      rule: 'the minute of a limit is no minute of the wall clock',
      from: 'const now = performance.now()\n    const all =',
      to: 'const now = Date.now()\n    const all =',
      by: 'clock',
    },
  ],
  'events ascend': [
    {
      rule: 'what a listener causes waits until everybody has heard',
      from: 'this.#queue.push(() => this.#tell(name, event))\n    this.#tellAll()',
      to: 'this.#tell(name, event)',
      by: 'lives',
    },
    {
      rule: 'nothing is told twice',
      from: 'if (this.#told.get(server.key) === name) return',
      to: '',
      by: 'lives',
    },
    {
      rule: 'news of the quorum is told in order',
      from: 'if (news.turn < this.#newestQuorum) return',
      to: '',
      by: 'events',
    },
  ],
  "drift: 'report' with the service gone": [
    {
      rule: 'servers of a service that is gone are not tried',
      from: 'if (entry !== undefined && gone.has(front)) {',
      to: 'if (false) {',
      by: 'reported',
    },
    {
      rule: 'what has no place is not due',
      from: 'if (isHopeless(failed)) continue',
      to: '',
      by: 'reported',
    },
    {
      rule: 'what others have put back, and is wanted again, is not left when it has failed',
      from: 'if (isPlaceInSync(server, place)) entry.agree()',
      to: '',
      by: 'reported',
    },
  ],
  'smaller ones': [
    {
      rule: 'a drain that is aborted already writes nothing',
      from: 'if (settings.signal?.aborted) {',
      to: 'if (false) {',
      by: 'smaller',
    },
    {
      rule: 'the first look of a drain is not believed alone',
      from: 'if (look?.idle && !isFirst)',
      to: 'if (look?.idle)',
      by: 'smaller',
    },
    {
      rule: 'who serves in a panic is known by its name, whatever its second address',
      from: 'if (known !== undefined && !known.hasPlacesOf(made)) made.inherit(known)',
      to: '',
      by: 'smaller',
    },
  ],
}

/** For the counter-check. */
export const UNBROKEN: Mutation = {
  rule: 'none',
  from: 'const PASS_MS = 400',
  to: 'const PASS_MS = 400',
  by: 'lives',
}

const checkout = fileURLToPath(new URL('../../..', import.meta.url))
const pool = path.join(checkout, 'src/pool')

/** Makes a copy of the pools with a fault put back: a folder, to be removed afterwards. */
export function mutated({ rule, from, to }: Mutation): Disposable & { readonly index: string } {
  const files = readdirSync(pool, { recursive: true, encoding: 'utf8' }).filter((file) =>
    file.endsWith('.ts'),
  )
  const texts = files.map((file) => [file, readFileSync(path.join(pool, file), 'utf8')] as const)
  const count = texts.reduce((sum, [, text]) => sum + text.split(from).length - 1, 0)
  if (count !== 1) throw new Error(`${rule}: src/pool has this ${count} times: ${from}`)
  const folder = path.join(checkout, `build/mutants/pool-${process.pid}-${++made}`)
  for (const [file, text] of texts) {
    const outside = file.includes('/') ? "from '../../" : "from '../"
    const copy = path.join(folder, file)
    mkdirSync(path.dirname(copy), { recursive: true })
    writeFileSync(copy, text.replace(from, () => to).replaceAll(outside, `from '${checkout}src/`))
  }
  return {
    index: path.join(folder, 'index.ts'),
    [Symbol.dispose]: () => rmSync(folder, { recursive: true }),
  }
}

let made = 0
