// Checks as a file spells them: one key that names it, and the schedule beside it.

import { HealthChecker } from '../../health/checker.js'
import type { exec as execCheck } from '../../health/checks/exec.js'
import { checks as builtIn } from '../../health/checks/index.js'
import type { HealthCheckerOptions } from '../../health/options.js'
import type { Check } from '../../health/types.js'
import { didYouMean, quoted } from '../../validate/spelling.js'
import type { EtcdConfig } from './etcd.js'
import type { Path } from './mistakes.js'
import { type Fields, isMap, type Reader, shown } from './reader.js'
import type { Times } from './units.js'
import { digestOf, resolveValues } from './values.js'

/** One question to a server, as part of a check. */
export interface CheckStep {
  /** `tcp`, `dns` */
  readonly name: string
  readonly check: Check
}

/** What is asked of servers, and when. */
export interface CheckConfig {
  /** The name it has in the file, or what it asks: `http`, `all of tcp, http`. */
  readonly name: string
  readonly options: HealthCheckerOptions
  /** The questions that it is made of. */
  readonly steps: readonly CheckStep[]
  /** Two with the same ask the same. */
  readonly digest: string
}

/** Nobody checks: a server counts as up. */
export type NoCheck = 'none'

export interface CheckReader {
  readonly reader: Reader
  /** The only one that may start processes is loaded when a file asks for it. */
  readonly exec: typeof execCheck | undefined
  readonly named: ReadonlyMap<string, CheckConfig | undefined>
  /** Checks ask from there, unless they say otherwise: where the table is, the servers are. */
  readonly netns: string | undefined
  /** Where servers may come from. */
  readonly etcd: EtcdConfig | undefined
}

const COMBINED = ['all', 'any', 'atLeast', 'not'] as const
const SINGLE = Object.keys(builtIn).filter((name) => !COMBINED.some((one) => one === name))
const KINDS: readonly string[] = [...SINGLE, 'exec', ...COMBINED]
const TIMES: Times = {
  interval: 'Ms',
  timeout: 'Ms',
  retryDelay: 'Ms',
  downInterval: 'Ms',
  unknownLimit: 'Ms',
  holdDown: { window: 'Ms', first: 'Ms', max: 'Ms' },
}
const SCHEDULE = [...Object.keys(TIMES), 'rise', 'fall', 'jitter', 'maxInFlight']
const EXAMPLE = '{ tcp: {}, interval: 1s }'

/** The key `check` of a pool or a server: a name, `none`, or a check of its own. Mistakes give `undefined`. */
export function readCheckOf(
  value: unknown,
  path: Path,
  from: CheckReader,
): CheckConfig | NoCheck | undefined {
  if (value === 'none') return 'none'
  if (typeof value !== 'string') return readCheck(value, path, from)
  if (from.named.has(value)) return from.named.get(value)
  const names = [...from.named.keys()]
  const has = names.length === 0 ? '"checks" has none' : `"checks" has ${quoted(names)}`
  const rule = `must be the name of a check, "none", or a map such as ${EXAMPLE}: ${has}`
  from.reader.add(path, `${rule}${didYouMean(value, names)}; received ${shown(value)}`)
  return undefined
}

/** Mistakes give `undefined`. */
export function readCheck(
  value: unknown,
  path: Path,
  from: CheckReader,
  name?: string,
): CheckConfig | undefined {
  const { reader } = from
  const fields = reader.map(value, path, EXAMPLE)
  if (fields === undefined) return undefined
  reader.known(fields, path, [...KINDS, ...SCHEDULE])
  const asked = readQuestion(fields, path, from)
  const schedule = Object.fromEntries(
    Object.entries(fields).filter(([key]) => SCHEDULE.includes(key)),
  )
  const translated = reader.translate(schedule, path, TIMES)
  const settings = reader.check(
    translated,
    'options',
    (place) => [...path, ...place],
    (given) => {
      const options: HealthCheckerOptions = { ...given, check: asked?.check ?? (async () => {}) }
      new HealthChecker([], options)
      return options
    },
  )
  if (asked === undefined || settings === undefined) return undefined
  const digest = digestOf([from.netns, resolveValues(fields, reader, path)])
  return { name: name ?? asked.name, options: settings, steps: asked.steps, digest }
}

interface Question {
  readonly name: string
  readonly check: Check
  readonly steps: readonly CheckStep[]
}

function readQuestion(fields: Fields, path: Path, from: CheckReader): Question | undefined {
  const { reader } = from
  const kinds = Object.keys(fields).filter((key) => KINDS.includes(key))
  const [kind] = kinds
  if (kind === undefined || kinds.length > 1) {
    const many = kinds.length > 1 ? `, not ${kinds.join(' and ')} (all: [ ... ] joins some)` : ''
    reader.add(path, `must have one key that is a check${many}: ${KINDS.join(', ')}`)
    return undefined
  }
  const inner = [...path, kind]
  return COMBINED.some((one) => one === kind)
    ? readCombined(kind as (typeof COMBINED)[number], fields[kind], inner, from)
    : readSingle(kind, fields[kind], inner, from)
}

function readSingle(
  kind: string,
  value: unknown,
  path: Path,
  { reader, exec, netns }: CheckReader,
): Question | undefined {
  // A key without a value: the check with all its defaults.
  const given = value ?? {}
  const fields = reader.map(given, path, '{}')
  if (fields === undefined) return undefined
  const written = resolveValues(fields, reader, path) as Record<string, unknown>
  const options =
    netns === undefined || kind === 'exec' || 'connect' in written
      ? written
      : { ...written, connect: { netns } }
  const make = kind === 'exec' ? exec : (Reflect.get(builtIn, kind) as (options: never) => Check)
  const check = reader.check(
    reader.translate(options, path, {}),
    'options',
    (place) => [...path, ...place],
    (read) => make!(read as never),
  )
  return check && { name: kind, check, steps: [{ name: kind, check }] }
}

function readCombined(
  kind: (typeof COMBINED)[number],
  value: unknown,
  path: Path,
  from: CheckReader,
): Question | undefined {
  const { reader } = from
  if (kind === 'not') {
    const one = readPart(value, path, from)
    return one && { ...one, name: `not ${one.name}`, check: builtIn.not(one.check) }
  }
  const counted =
    kind === 'atLeast' ? reader.map(value, path, '{ count: 2, of: [...] }') : undefined
  if (kind === 'atLeast' && counted === undefined) return undefined
  if (counted !== undefined) reader.known(counted, path, ['count', 'of'])
  const list = counted === undefined ? value : counted.of
  const at = counted === undefined ? path : [...path, 'of']
  if (!Array.isArray(list) || list.length === 0) {
    reader.add(at, `must be a list of checks such as [{ tcp: {} }]; received ${shown(list)}`)
    return undefined
  }
  const parts = list.map((one, index) => readPart(one, [...at, index], from))
  const read = parts.filter((one) => one !== undefined)
  if (read.length < parts.length) return undefined
  const all = read.map(({ check }) => check)
  const count = counted?.count
  if (
    counted !== undefined &&
    !(Number.isInteger(count) && Number(count) >= 1 && Number(count) <= all.length)
  ) {
    reader.add([...path, 'count'], `must be from 1 to ${all.length}; received ${shown(count)}`)
    return undefined
  }
  const check =
    kind === 'atLeast' ? builtIn.atLeast(count as number, ...all) : builtIn[kind](...all)
  const some = kind === 'atLeast' ? `at least ${String(count)}` : kind
  return {
    name: `${some} of ${read.map(({ name }) => name).join(', ')}`,
    check,
    steps: read.flatMap(({ steps }) => steps),
  }
}

/** Of a combined check: its schedule is that of the whole. */
function readPart(value: unknown, path: Path, from: CheckReader): Question | undefined {
  const { reader, named } = from
  if (typeof value === 'string' && named.has(value)) {
    const whole = named.get(value)
    return whole && { name: whole.name, check: whole.options.check, steps: whole.steps }
  }
  if (!isMap(value)) {
    reader.add(path, `must be a check such as { tcp: {} }; received ${shown(value)}`)
    return undefined
  }
  for (const key of Object.keys(value)) {
    if (!SCHEDULE.includes(key)) continue
    reader.add(
      [...path, key],
      'must be left out: it belongs beside the whole, which has one schedule',
    )
  }
  reader.known(value, path, [...KINDS, ...SCHEDULE])
  return readQuestion(value, path, from)
}
