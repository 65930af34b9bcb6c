// Rules to services with their destinations.
import { isArgumentError, rangeError, typeError } from '../errors.js'
import { checkedDestinationKey, checkedServiceKey } from '../identity.js'
import type { Destination, Service, ServiceTree } from '../types.js'
import { checkDestination, checkService, checkServiceId } from '../validate.js'
import { lineError } from './line-error.js'
import { readDestination, readService, readServiceId } from './read.js'
import { type RuleOptions, readOptions, splitWords } from './words.js'

/**
 * Reads the rules that `ipvsadm-save -n` writes: services with their destinations, in the order of the text, every
 * default filled in as `snapshot()` does, all of it checked. Missing options mean what they mean to
 * `ipvsadm --restore`: scheduler `wlc`, weight 1, direct routing, 360 seconds of persistence, the service's port.
 *
 * Short and long options are known, so are blank lines and comments, from `#` to the end of the line, and the words that
 * {@link formatRules} has for what ipvsadm has none for. Refused is
 * what `ipvsadm --restore` carries out in part or otherwise than written: other commands than -A and -a, host and
 * service names, a server before its service, a second definition, a port of a directly routed or tunnelled server
 * that is not the service's.
 *
 * @throws TypeError if `text` is not a string
 * @throws RangeError with code `ERR_IPVS_ARGUMENT` and `option` such as `line 3`
 */
export function parseRules(text: string): ServiceTree[] {
  if (typeof text !== 'string') {
    throw typeError('text', 'the rules that "ipvsadm-save -n" writes, as a string', text)
  }
  const table = new Table()
  for (const [index, line] of text.split('\n').entries()) {
    const words = splitWords(line)
    if (words.length === 0) continue
    try {
      const options = readOptions(words)
      if (options.has('-A')) table.addService(options)
      else table.addDestination(options)
    } catch (error) {
      throw isArgumentError(error) ? lineError(index + 1, error) : error
    }
  }
  return table.trees()
}

interface Entry {
  readonly service: Service
  readonly destinations: Map<string, Destination>
}

/** What the lines so far have made. */
class Table {
  readonly #entries = new Map<string, Entry>()

  addService(options: RuleOptions): void {
    const service = readService(options)
    const key = checkedServiceKey(checkService(service, 'service'))
    if (this.#entries.has(key)) throw rangeError('service', 'added once', key)
    this.#entries.set(key, { service, destinations: new Map() })
  }

  addDestination(options: RuleOptions): void {
    const id = readServiceId(options)
    const service = checkServiceId(id, 'service')
    const key = checkedServiceKey(service)
    const entry = this.#entries.get(key)
    if (entry === undefined) {
      throw rangeError('the service of a server', 'added by an -A line above', key)
    }
    const destination = readDestination(options, id)
    const server = checkedDestinationKey(checkDestination(destination, 'destination', service))
    if (entry.destinations.has(server)) throw rangeError('server', `added once to ${key}`, server)
    entry.destinations.set(server, destination)
  }

  trees(): ServiceTree[] {
    return [...this.#entries.values()].map(({ service, destinations }) => ({
      ...service,
      destinations: [...destinations.values()],
    }))
  }
}
