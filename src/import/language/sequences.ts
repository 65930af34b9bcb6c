// ~SEQ(NAME,start,step,end) REST and ~LST(NAME,value,…) REST: the rest of the line, once for each value.

/** The values of one repetition. */
export type Setting = readonly (readonly [name: string, value: string])[]

export interface Sequence {
  readonly settings: Iterable<Setting>
  readonly rest: string
}

/** @returns `undefined` if it is no sequence that can be understood */
export function readSequence(
  text: string,
  replace: (text: string) => string,
): Sequence | undefined {
  return text.startsWith('~LST') ? readList(text) : readNumbers(text, replace)
}

function readNumbers(text: string, replace: (text: string) => string): Sequence | undefined {
  const match = /^~SEQ(x?)[ \t]*\([ \t]*([^ \t,){]+)[ \t]*,([^)]*)\)[ \t]*(.*)$/s.exec(text)
  if (match === null) return undefined
  const [, hex, name, list, rest] = match
  const numbers = replace(list!).split(',').map(readNumber)
  if (numbers.length > 3 || numbers.includes(undefined)) return undefined
  const [one, two, three] = numbers as [number, number?, number?]
  const [start, step, end] =
    two === undefined
      ? [one < 0 ? -1 : 1, one < 1 ? -1 : 1, one]
      : three === undefined
        ? [one, one <= two ? 1 : -1, two]
        : [one, two, three]
  const wrongWay = (start < end && step < 0) || (start > end && step > 0)
  if (step === 0 || wrongWay || (hex === 'x' && (start < 0 || end < 0))) return undefined
  return { settings: count(name!, start, step, end, hex === 'x' ? 16 : 10), rest: rest! }
}

function* count(name: string, start: number, step: number, end: number, base: number) {
  for (let value = start; step > 0 ? value <= end : value >= end; value += step) {
    yield [[name, value.toString(base)]] as const
  }
}

/** As C's strtol: decimal, 0x or octal. */
function readNumber(text: string): number | undefined {
  const match = /^\s*([+-]?)(0[xX][0-9A-Fa-f]+|\d+)\s*$/.exec(text)
  if (match === null) return undefined
  const digits = match[2]!
  const octal = /^0[0-7]+$/.test(digits)
  const value = octal ? Number.parseInt(digits, 8) : Number(digits)
  if (!Number.isSafeInteger(value)) return undefined
  return match[1] === '-' ? -value : value
}

function readList(text: string): Sequence | undefined {
  const open = /^~LST[ \t]*\(/.exec(text)
  if (open === null) return undefined
  // One item of the list: {a,b} or a.
  const item = /[ \t]*(?:\{([^{}]*)\}|([^{},)]*))[ \t]*([,)])/y
  item.lastIndex = open[0].length
  const items: string[][] = []
  for (;;) {
    const match = item.exec(text)
    if (match === null) return undefined
    const [, several, single, end] = match
    items.push(
      several === undefined ? [single!.trim()] : several.split(',').map((one) => one.trim()),
    )
    if (end === ')') break
  }
  const [names, ...values] = items
  if (
    values.length === 0 ||
    names!.includes('') ||
    values.some((set) => set.length > names!.length)
  )
    return undefined
  return {
    settings: values.map((set) => names!.map((name, index) => [name, set[index] ?? ''] as const)),
    rest: text.slice(item.lastIndex).trimStart(),
  }
}
