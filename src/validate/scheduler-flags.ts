// The scheduler flags of a service, by name and by bit (linux/ip_vs.h: IP_VS_SVC_F_SCHED1 to SCHED3).

/** `flag-1` is the bit after this one. */
const BEFORE = 0x4
/** The last bit of a service's flags. */
const LAST = 29

/** The three bits as `sh` and `mh` name them; any other scheduler has the plain names. */
const OWN: ReadonlyMap<string, ReadonlyMap<string, number>> = new Map([
  ['sh', names('sh-fallback', 'sh-port', 'flag-3')],
  ['mh', names('mh-fallback', 'mh-port', 'flag-3')],
])
const PLAIN = names('flag-1', 'flag-2', 'flag-3')
const ALL: ReadonlyMap<string, number> = new Map(
  [PLAIN, ...OWN.values()].flatMap((map) => [...map]),
)
const KNOWN = 0x3f

/** Names of a scheduler's flag bits. */
export function schedulerFlagNames(scheduler: string): ReadonlyMap<string, number> {
  return OWN.get(scheduler) ?? PLAIN
}

/** The bit of a scheduler's flag; one that no kernel known here has a name for keeps its number: `flag-4`. */
export function schedulerFlagBit(scheduler: string, name: unknown): number | undefined {
  return schedulerFlagNames(scheduler).get(name as string) ?? unknownBit(name)
}

/** The bits of flags of any scheduler. */
export function schedulerFlagBits(flags: readonly string[]): number {
  return flags.reduce((bits, flag) => bits | (ALL.get(flag) ?? unknownBit(flag) ?? 0), 0)
}

/** The names of the bits among a service's flags. */
export function schedulerFlagsOf(scheduler: string, flags: number): string[] {
  const seen: string[] = []
  for (const [name, bit] of schedulerFlagNames(scheduler)) if ((flags & bit) !== 0) seen.push(name)
  if ((flags & ~KNOWN) === 0) return seen
  for (let n = PLAIN.size + 1; n <= LAST; n++) {
    if ((flags & (BEFORE << n)) !== 0) seen.push(`flag-${n}`)
  }
  return seen
}

function unknownBit(name: unknown): number | undefined {
  const number = typeof name === 'string' ? /^flag-([1-9]\d?)$/.exec(name)?.[1] : undefined
  const n = Number(number)
  return n > PLAIN.size && n <= LAST ? (BEFORE << n) >>> 0 : undefined
}

function names(...all: string[]): ReadonlyMap<string, number> {
  return new Map(all.map((name, index) => [name, BEFORE << (index + 1)]))
}
