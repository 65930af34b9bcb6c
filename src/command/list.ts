// ipvs list: the table, as the kernel has it or as somebody saved it.
import type { ListedService } from '../rules/listed.js'
import type { Connection } from '../system/connections.js'
import { readKernel, withKernel } from './kernel.js'
import { print } from './output.js'
import { painter } from './paint.js'
import { type Call, exitStatuses, type Run } from './spec.js'
import { hasFlags, listingFile, ofWholeListing } from './table/proc.js'
import { endpoint, KERNEL, noSuchService, type SeenTable, selector } from './table/seen.js'
import { type Column, jsonTable, type Replacer, type Shown, showTable } from './table/show.js'

const COLUMNS: readonly Column[] = ['thresholds', 'stats', 'rates']

export const list: Run = async (call) => {
  const { words, options } = call
  const [word] = words
  if (options.connections) return listConnections(call)
  const isMeant = word === undefined ? undefined : selector(word)
  const columns = columnsOf(call)
  const paint = painter(call)

  /** Service by service, each as it is read. */
  const show = ({ source, services, lacks }: Shown, replacer?: Replacer): string => {
    let count = 0
    let meant = 0
    function* chosen(): Generator<ListedService> {
      for (const service of services) {
        count++
        if (isMeant && !isMeant(service)) continue
        meant++
        yield service
      }
    }
    const text = options.json
      ? jsonTable({ source, services: chosen(), lacks }, replacer)
      : showTable(chosen(), columns, paint)
    if (isMeant && meant === 0) throw noSuchService(word!, count)
    return text
  }

  const file =
    columns.length === 0 && options.from === undefined ? listingFile(options.netns) : undefined
  const whole =
    file && ofWholeListing(file, (services) => show({ source: KERNEL, services, lacks: [] }))
  print(whole ?? show(await read(call), jsonOf(call)))
  return exitStatuses.done
}

async function read(call: Call): Promise<SeenTable> {
  const { from } = call.options
  if (from !== undefined) {
    const { loadSeen } = await import('./table/load.js')
    return loadSeen(String(from))
  }
  const table = await readKernel('ipvs list', call)
  return { ...table, services: table.services.map(withoutIgnoredFlags) }
}

/** The kernel's own listing does not have them either. */
function withoutIgnoredFlags(service: ListedService): ListedService {
  if (service.schedulerFlags === undefined || hasFlags(service)) return service
  const { schedulerFlags: _, ...rest } = service
  return rest
}

function columnsOf({ options }: Call): Column[] {
  return COLUMNS.filter((name) => options[name])
}

/** What columns show. */
const FIELDS: Readonly<Record<Column, readonly string[]>> = {
  thresholds: ['upperThreshold', 'lowerThreshold'],
  stats: ['stats', 'persistentConnections'],
  rates: ['stats', 'persistentConnections'],
}

/** JSON has what is shown; of what somebody saved, all. */
function jsonOf(call: Call): Replacer {
  const shown = call.options.from === undefined ? columnsOf(call) : COLUMNS
  const fields = shown.flatMap((column) => FIELDS[column])
  const hidden = new Set(
    Object.values(FIELDS)
      .flat()
      .filter((field) => !fields.includes(field)),
  )
  return (key, value) => {
    if (hidden.has(key)) return undefined
    return typeof value === 'bigint' ? String(value) : value
  }
}

/** One by one as they are read: they may be millions. */
function listConnections(call: Call): Promise<number> {
  const { words, options } = call
  const [word] = words
  const isMeant = word === undefined ? undefined : selector(word)
  const lineOf = options.json ? JSON.stringify : connectionLine
  return withKernel(call, async (ipvs) => {
    let text = options.json ? '' : CONNECTION_HEAD
    for await (const connection of ipvs.connections()) {
      const { protocol, service } = connection
      if (isMeant && !isMeant({ protocol: protocol as 'tcp', ...service })) {
        continue
      }
      text += `${lineOf(connection)}\n`
      if (text.length < CHUNK) continue
      if (!print(text)) return exitStatuses.done
      text = ''
    }
    print(text)
    return exitStatuses.done
  })
}

const CHUNK = 65_536
const CONNECTION_HEAD = `${cells('PROTO', 'EXPIRES', 'STATE', 'CLIENT', 'SERVICE', 'DESTINATION')}\n`

function connectionLine({
  protocol,
  expiresSeconds,
  state,
  client,
  service,
  destination,
}: Connection): string {
  const ends = [client, service, destination].map(endpoint)
  return cells(protocol, `${expiresSeconds}s`, state, ...ends)
}

function cells(...[protocol, expires, state, client, service, destination]: string[]): string {
  const first = `${protocol!.padEnd(5)}  ${expires!.padStart(7)}  ${state!.padEnd(11)}`
  return `${first}  ${client!.padEnd(21)}  ${service!.padEnd(21)}  ${destination}`
}
