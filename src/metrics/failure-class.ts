// Why a check has failed, in a few words for figures: texts are many.

/** `answer`: it did answer, but not as asked; and whatever is none of the others. */
export const FAILURE_CLASSES = [
  'timeout',
  'refused',
  'closed',
  'unreachable',
  'tls',
  'answer',
] as const

export type FailureClass = (typeof FAILURE_CLASSES)[number]

/** By the words of the checks here; of several, the first. */
const WORDS: readonly (readonly [FailureClass, RegExp])[] = [
  ['timeout', /\bno answer\b|\btimed? ?out\b|ETIMEDOUT/i],
  ['refused', /connection refused|ECONNREFUSED/i],
  [
    'closed',
    /connection (?:was )?(?:closed|reset)|closed the connection|socket hang up|broken pipe|ECONNRESET|EPIPE/i,
  ],
  ['unreachable', /unreachable|network is down|host is down|EHOSTDOWN/i],
  ['tls', /\bTLS\b|certificate/],
]

export function failureClass(reason: string): FailureClass {
  return WORDS.find(([, words]) => words.test(reason))?.[0] ?? 'answer'
}
