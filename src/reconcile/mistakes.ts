// Every mistake in what is desired, for tools that show all of them at once.
import { type ArgumentError, isArgumentError, rangeError, typeError } from '../errors.js'
import { checkedDestinationKey, checkedServiceKey } from '../identity.js'
import { type CheckedService, checkDestination, checkService } from '../validate.js'

type Fields = Readonly<Record<string, unknown>>

/**
 * Every mistake in a list of services with their destinations, as {@link Ipvs.reconcile} wants them; of those it throws only the first.
 * `option` of each is its place: `services[3].destinations[1].weight`. None: the list can be reconciled.
 */
export function findMistakes(services: unknown): ArgumentError[] {
  if (!Array.isArray(services)) {
    return [typeError('services', 'an array of services with destinations', services)]
  }
  const mistakes: ArgumentError[] = []
  const keys = new Map<string, string>()
  for (const [index, tree] of services.entries()) {
    const option = `services[${index}]`
    const service = examine(mistakes, tree, option, SERVICE, (value) => checkService(value, option))
    if (service !== undefined) once(mistakes, keys, checkedServiceKey(service), option)
    examineDestinations(mistakes, tree, option, service)
  }
  return mistakes
}

function examineDestinations(
  mistakes: ArgumentError[],
  tree: unknown,
  option: string,
  service: CheckedService | undefined,
): void {
  if (typeof tree !== 'object' || tree === null) return
  const { destinations } = tree as { readonly destinations?: unknown }
  if (!Array.isArray(destinations)) {
    const rule = 'an array of destinations, [] for none'
    mistakes.push(typeError(`${option}.destinations`, rule, destinations))
    return
  }
  const keys = new Map<string, string>()
  for (const [index, value] of destinations.entries()) {
    const at = `${option}.destinations[${index}]`
    const right = { ...DESTINATION, ...(service?.port && { port: service.port }) }
    // A service that is not right has no family and no port to compare with: only the form counts then.
    const check = (one: unknown) =>
      checkDestination(one, at, service ?? ANY, service === undefined ? 'seen' : 'given')
    const destination = examine(mistakes, value, at, right, check)
    if (destination !== undefined) once(mistakes, keys, checkedDestinationKey(destination), at)
  }
}

/** Values that are right, in place of what is not, so that the rest of it can be looked at. */
const SERVICE: Fields = {
  protocol: 'tcp',
  address: '192.0.2.1',
  port: 1,
  fwmark: 1,
  scheduler: 'rr',
  'persistence.timeoutSeconds': 1,
}
const DESTINATION: Fields = {
  address: '10.1.0.1',
  port: 1,
  forwarding: 'masquerade',
  'tunnel.type': 'ipip',
}
const ANY = checkService({ fwmark: 1, scheduler: 'rr' }, '')

const IDENTITY = ['protocol', 'address', 'port', 'fwmark', 'family']

/** @returns what the check has made of it, if there is no mistake in its identity */
function examine<T>(
  mistakes: ArgumentError[],
  value: unknown,
  option: string,
  right: Fields,
  check: (value: unknown) => T,
): T | undefined {
  const told = new Set<string>()
  let rest = value
  for (;;) {
    try {
      const checked = check(rest)
      return IDENTITY.some((name) => told.has(name)) ? undefined : checked
    } catch (error) {
      if (!isArgumentError(error)) throw error
      const name = error.option.slice(option.length + 1)
      if (told.has(name)) return undefined
      // A name that was misspelt is missing where it should be: that is one mistake, not two.
      const follows = mistakes.some(
        ({ message, option: at }) =>
          at.startsWith(`${option}.`) &&
          message.includes(`(did you mean "${name.replace(/.*\./, '')}"?)`),
      )
      if (!follows) mistakes.push(error)
      if (name === '') return undefined
      told.add(name)
      rest = mended(rest as Fields, name, right)
    }
  }
}

/** A copy in which this one is right, or gone. */
function mended(fields: Fields, name: string, right: Fields): Fields {
  const { [name]: _, ...others } = fields
  if (name in right && !isExcluded(name, fields)) {
    const [own, part] = name.split('.') as [string, string?]
    if (part === undefined) return { ...others, [own]: right[own] }
    return { ...fields, [own]: { ...(fields[own] as Fields), [part]: right[name] } }
  }
  if (name in fields) return others
  // Of a list or an object inside of it.
  const [, own = '', part = ''] = /^([^.[]+)(?:\.(.*))?/.exec(name) ?? []
  const { [own]: inner, ...rest } = fields
  if (part === '' || typeof inner !== 'object' || inner === null) return rest
  const { [part]: __, ...parts } = inner as Fields
  return { ...rest, [own]: parts }
}

/** A service has either a mark, or protocol, address and port. */
function isExcluded(name: string, { fwmark }: Fields): boolean {
  return fwmark !== undefined && ['protocol', 'address', 'port', 'family'].includes(name)
}

function once(mistakes: ArgumentError[], keys: Map<string, string>, key: string, at: string): void {
  const first = keys.get(key)
  if (first !== undefined) mistakes.push(rangeError(at, `different from ${first}`, key))
  else keys.set(key, at)
}
