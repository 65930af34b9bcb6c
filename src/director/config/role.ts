// Who says whether a director is the active one, and what that means here.
import { checkDaemons } from '../../system/ensure-sync-daemons.js'
import type { SyncDaemon } from '../../system/sync-daemon.js'
import type { VrrpName } from '../role/words.js'
import type { Path } from './mistakes.js'
import { type Fields, isMap, type Reader, shown } from './reader.js'
import { digestOf } from './values.js'

/** Who says what the role is. */
export type RoleSource =
  /** keepalived's notify FIFO. */
  | { readonly fifo: string; readonly of: VrrpName }
  /** A file with a word in it. */
  | { readonly file: string; readonly intervalMs: number }
  /** A program that prints a word. */
  | { readonly command: readonly string[]; readonly intervalMs: number }

/** What a role means for the kernel. */
export interface RoleConfig {
  /** Default: nobody but who calls `become`. */
  readonly follow?: RoleSource | undefined
  /** The sync daemons of each role. Default: those that run are left alone. */
  readonly sync?:
    | { readonly active: readonly SyncDaemon[]; readonly standby: readonly SyncDaemon[] }
    | undefined
  /** What a standby does with its services. */
  readonly standby: 'keep' | 'withdraw'
  /** The setting `backup_only` is 1 in a standby, and 0 in an active one; false: 0 in both. Default: it is left alone. */
  readonly backupOnly?: boolean | undefined
  readonly digest: string
}

const KEYS = ['follow', 'sync', 'standby', 'backupOnly']
const SYNC_KEYS = ['interface', 'syncId', 'daemons', 'group', 'port', 'ttl', 'maxLength']
const FOLLOW =
  '{ fifo: /run/keepalived/ipvs, instance: VI_1 }, { file: PATH } or { command: [PROGRAM] }'

/** Mistakes give none. */
export function readRole(value: unknown, path: Path, reader: Reader): RoleConfig | undefined {
  const fields = reader.map(value, path, `{ follow: { fifo: PATH, instance: VI_1 } }`)
  if (fields === undefined) return undefined
  reader.known(fields, path, KEYS)
  const { follow, sync, standby = 'keep', backupOnly } = fields
  const followed =
    follow === undefined ? undefined : readFollow(follow, [...path, 'follow'], reader)
  const daemons = sync === undefined ? undefined : readSync(sync, [...path, 'sync'], reader)
  if (backupOnly !== undefined && typeof backupOnly !== 'boolean') {
    reader.add([...path, 'backupOnly'], `must be true or false; received ${shown(backupOnly)}`)
  }
  if (backupOnly === true && sync === undefined) {
    reader.add(
      [...path, 'backupOnly'],
      'must be left out without "sync": it does nothing unless a backup daemon runs',
    )
  }
  return {
    ...(followed === undefined ? {} : { follow: followed }),
    ...(daemons === undefined ? {} : { sync: daemons }),
    standby: reader.oneOf(standby, [...path, 'standby'], ['keep', 'withdraw']) ?? 'keep',
    ...(backupOnly === undefined ? {} : { backupOnly: backupOnly === true }),
    digest: digestOf(fields),
  }
}

function readFollow(value: unknown, path: Path, reader: Reader): RoleSource | undefined {
  const fields = reader.map(value, path, FOLLOW)
  if (fields === undefined) return undefined
  const kinds = ['fifo', 'file', 'command'].filter((kind) => kind in fields)
  if (kinds.length !== 1) {
    reader.add(path, `must be ${FOLLOW}`)
    return undefined
  }
  if (kinds[0] === 'fifo') return readFifo(fields, path, reader)
  reader.known(fields, path, [kinds[0]!, 'interval'])
  const { interval } = fields
  const ms =
    interval === undefined
      ? undefined
      : reader.duration(interval, [...path, 'interval'], 100, 3_600_000)
  if (kinds[0] === 'file') {
    const file = reader.text(fields.file, [...path, 'file'], 'the path of a file')
    return file === undefined ? undefined : { file, intervalMs: ms ?? 200 }
  }
  const what = 'a list: a program and its arguments'
  const command = reader.texts(fields.command, [...path, 'command'], what)
  return command === undefined ? undefined : { command, intervalMs: ms ?? 1000 }
}

function readFifo(fields: Fields, path: Path, reader: Reader): RoleSource | undefined {
  reader.known(fields, path, ['fifo', 'instance', 'group'])
  const fifo = reader.text(fields.fifo, [...path, 'fifo'], 'the path of a FIFO')
  const { instance, group } = fields
  if ((instance === undefined) === (group === undefined)) {
    reader.add(path, 'must have either "instance" or "group", as keepalived.conf names it')
    return undefined
  }
  const [key, type] =
    instance === undefined ? (['group', 'GROUP'] as const) : (['instance', 'INSTANCE'] as const)
  const name = reader.text(fields[key], [...path, key], 'a name of keepalived.conf')
  return fifo === undefined || name === undefined ? undefined : { fifo, of: { type, name } }
}

function readSync(value: unknown, path: Path, reader: Reader): RoleConfig['sync'] {
  const example = '{ interface: eth1, syncId: 51 }'
  if (!isMap(value)) {
    reader.add(path, `must be a map such as ${example}; received ${shown(value)}`)
    return undefined
  }
  const { daemons = 'follow', ...daemon } = value
  reader.known(value, path, SYNC_KEYS)
  const settings = Object.fromEntries(
    Object.entries(daemon).filter(([key]) => SYNC_KEYS.includes(key)),
  )
  const word = reader.oneOf(daemons, [...path, 'daemons'], ['follow', 'both'])
  const translated = reader.translate(settings, path, {})
  const made = reader.check(
    translated,
    'daemons[0]',
    (place) => [...path, ...place],
    (options) => {
      const backup = { ...options, role: 'backup' } as SyncDaemon
      // What a backup takes, a master takes as well.
      checkDaemons([backup])
      return { master: { ...backup, role: 'master' } as SyncDaemon, backup }
    },
    { interface: 'eth1' },
  )
  if (made === undefined || word === undefined) return undefined
  const { master, backup } = made
  if (word === 'both') return { active: [master, backup], standby: [master, backup] }
  return { active: [master], standby: [backup] }
}
