// Whether a server is up, of what several directors say. Pure.

/** A director's word on a server. */
export type Word = 'up' | 'down'

/** What is known of a server. */
export interface Said {
  /** This director's own word. */
  readonly own: Word
  /** Of the others that are alive and have one, by director. */
  readonly others: ReadonlyMap<string, Word>
  /** A server counts as down when so many say so. */
  readonly down: number
  /** Directors that see nobody while others do: what they say is about themselves. */
  readonly blind: ReadonlySet<string>
  /** Name of this director. */
  readonly me: string
}

/** What counts, and who has said it. */
export interface Judgement {
  readonly word: Word
  /** Those whose word counts; 1: this director's own alone. */
  readonly voters: number
  /** Those of them that say `down`. */
  readonly down: readonly string[]
}

/**
 * A server is down when `down` directors say so, of those that are alive, speak of it and are not blind; where fewer speak,
 * when all of them do. Whoever is blind itself believes the others, and where nobody else speaks, itself.
 */
export function judge({ own, others, down: wanted, blind, me }: Said): Judgement {
  const words = [...others].filter(([director]) => !blind.has(director))
  if (!blind.has(me) || words.length === 0) words.push([me, own])
  const down = words.filter(([, word]) => word === 'down').map(([director]) => director)
  const isDown = down.length >= Math.min(wanted, words.length)
  return { word: isDown ? 'down' : 'up', voters: words.length, down }
}
