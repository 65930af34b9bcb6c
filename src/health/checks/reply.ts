// Answers in lines of text, as most protocols for people's mail have them: when one is complete, and whether it is right.
import type { Progress } from './dialogue.js'
import { showText } from './show.js'

/**
 * Reads lines up to the first that matches `last` (the first one of all, without it), and judges them.
 *
 * @param judge is given the lines without their ends, joined with `\n`; returns what is wrong, `undefined` if nothing,
 *   or a whole result. Without a subject: `expected 220`.
 */
export function readLines(
  received: Buffer,
  last: RegExp | undefined,
  judge: (reply: string) => Verdict,
): Progress {
  const lines: string[] = []
  for (let from = 0; ; ) {
    const end = received.indexOf(0x0a, from)
    if (end === -1) return undefined
    const line = received.toString('utf8', from, end).replace(/\r$/, '')
    lines.push(line)
    from = end + 1
    if (last !== undefined && !last.test(line)) continue
    const reply = lines.join('\n')
    const verdict = judge(reply)
    if (verdict === undefined) return { used: from, said: showText(reply) }
    if ('next' in verdict) return { used: from, said: showText(reply), next: verdict.next }
    return { wrong: `answered ${showText(reply)}${verdict.wrong}` }
  }
}

/** What a judge says: nothing is wrong; wrong, in words that follow what was answered; or there is more to do. */
export type Verdict =
  | undefined
  | { readonly wrong: string }
  | { readonly next: NonNullable<Extract<Progress, { used: number }>['next']> }
