// The model as the director's document, and the same as YAML with comments.
import type { Model, SyncDaemon } from '../model/model.js'
import { FIFO } from '../model/read.js'
import type { Notes } from '../note.js'
import { Comments, type JsonMap } from './document.js'
import { type Claims, claimOf } from './hooks.js'
import { namesOf } from './names.js'
import { makePool, mirrored, type Pool, type PoolCheck } from './pool.js'
import { resolveService } from './service.js'
import { writeYaml } from './yaml.js'

export function convert(
  model: Model,
  file: string,
  notes: Notes,
): { document: JsonMap; text: string } {
  const comments = new Comments()
  const services = model.virtualServers.flatMap(
    (server) => resolveService(server, model, notes) ?? [],
  )
  const groups = mirrored(services, notes)
  const claims: Claims = new Map(
    groups.flatMap((group) =>
      group.flatMap(({ places, protocol }) =>
        places.map((place) => [claimOf(protocol, place), group] as const),
      ),
    ),
  )
  const pools = groups.map((group) => makePool(group, claims, model, comments, notes))
  for (const [name, group] of model.groups) {
    if (model.virtualServers.every((server) => server.group !== name)) {
      notes.add(
        group.word,
        `no virtual server has group ${name}`,
        'Remove it, or write virtual_server group with its name.',
      )
    }
  }
  const names = namesOf(
    pools.map(({ services: [first] }) => ({
      given: first!.source.name ?? first!.source.group,
      protocol: first!.protocol,
      port: first!.places[0]?.port,
      address: first!.places[0]?.address,
      fwmark: first!.marks[0]?.fwmark,
    })),
  )
  const checks = shareChecks(pools, comments)
  const document: JsonMap = {
    ...(model.netns === undefined ? undefined : { netns: model.netns }),
    ...(Object.keys(checks).length === 0 ? undefined : { checks }),
    ...(model.sync === undefined ? undefined : { role: roleOf(model.sync, model, comments) }),
    pools: Object.fromEntries(pools.map(({ pool }, index) => [names[index]!, pool])),
  }
  return { document, text: writeYaml(document, comments, headOf(model, file)) }
}

/** The director does what keepalived does with lvs_sync_daemon, when keepalived says so. */
function roleOf({ instance, settings }: SyncDaemon, { fifo }: Model, comments: Comments): JsonMap {
  const role: JsonMap = {
    ...(fifo === undefined ? undefined : { follow: { fifo: FIFO, instance } }),
    sync: { ...settings },
  }
  if (fifo !== undefined) {
    comments.add(
      role,
      'follow',
      `${fifo} has to be in global_defs of the keepalived that runs VRRP`,
    )
  }
  comments.add(role, 'sync', 'lvs_sync_daemon, which that keepalived must not have')
  return role
}

function headOf({ vrrp }: Model, file: string): string[] {
  return [
    `The director's configuration, made by "ipvs import" from ${file}. Comments say what a value was there.`,
    ...(vrrp.trim() === ''
      ? []
      : [
          'What is of VRRP stays with keepalived: "ipvs import --vrrp" prints that part, for a "keepalived --vrrp" that runs it alone.',
        ]),
    'keepalived empties the table when it ends: end it first, and then start the director.',
    '',
  ]
}

/** Checks that several use get a name; the others stand where they are used. */
function shareChecks(pools: readonly Pool[], comments: Comments): JsonMap {
  const uses = new Map<string, { readonly holders: JsonMap[]; readonly check: PoolCheck }>()
  const use = (holder: JsonMap, check: PoolCheck | 'none') => {
    holder.check = 'none'
    if (check === 'none') return
    const key = JSON.stringify(check.check)
    const entry = uses.get(key) ?? { holders: [], check }
    entry.holders.push(holder)
    uses.set(key, entry)
  }
  for (const { pool, check, others } of pools) {
    use(pool, check)
    for (const { entry, check } of others) use(entry, check)
  }
  const checks: JsonMap = {}
  const numbers = new Map<string, number>()
  for (const { holders, check } of uses.values()) {
    if (holders.length === 1) {
      holders[0]!.check = check.check
      comments.add(holders[0]!, 'check', ...check.comments)
      continue
    }
    const kind = Object.keys(check.check)[0]!
    const base = kind === 'all' ? 'several' : kind
    const number = (numbers.get(base) ?? 0) + 1
    numbers.set(base, number)
    const name = number === 1 ? base : `${base}-${number}`
    checks[name] = check.check
    comments.add(checks, name, ...check.comments)
    for (const holder of holders) holder.check = name
  }
  return checks
}
