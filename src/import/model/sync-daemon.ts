// lvs_sync_daemon: which VRRP instance the sync daemons follow, and how they talk.
import type { Statement } from '../language/blocks.js'
import type { Notes, Word } from '../note.js'
import type { SyncDaemon } from './model.js'

const NUMBERS = {
  id: ['syncId', 0, 255],
  maxlen: ['maxLength', 1024, 65_507],
  port: ['port', 1, 65_535],
  ttl: ['ttl', 1, 255],
} as const

/**
 * `lvs_sync_daemon INTERFACE INSTANCE [id N] [maxlen N] [port N] [ttl N] [group ADDRESS]` of global_defs. Without an id, the
 * daemons have the instance's virtual_router_id, as keepalived's.
 *
 * @param statements of the whole file
 */
export function readSyncDaemon(
  [keyword, at, instance, ...more]: readonly Word[],
  statements: readonly Statement[],
  notes: Notes,
): SyncDaemon | undefined {
  if (keyword === undefined) return undefined
  if (at === undefined || instance === undefined) {
    notes.add(
      keyword,
      'an interface and a VRRP instance are missing; the director starts no sync daemon',
      'Write lvs_sync_daemon INTERFACE INSTANCE, or role: { sync: { interface: INTERFACE } } for the director.',
    )
    return undefined
  }
  const vrrp = statements.find(
    ({ keyword: { text }, words: [name] }) =>
      text === 'vrrp_instance' && name?.text === instance.text,
  )
  if (vrrp === undefined) {
    notes.add(
      instance,
      `there is no vrrp_instance ${instance.text}; keepalived does not start with such a file, and the director starts no sync daemon`,
      'Name one that is there.',
    )
    return undefined
  }
  const settings: Record<string, number | string> = {}
  for (let index = 0; index < more.length; index += 2) {
    const [name, value] = [more[index]!, more[index + 1]]
    const wrong = setOne(name, value, settings)
    if (wrong !== undefined) notes.add(value ?? name, wrong, 'Mend it, or remove it.')
  }
  const router = vrrp.lines.find(({ words: [word] }) => word.text === 'virtual_router_id')
  const id = Number(router?.words[1]?.text)
  const syncId = settings.syncId ?? (Number.isInteger(id) ? id : undefined)
  return {
    word: keyword,
    instance: instance.text,
    settings: { interface: at.text, ...(syncId === undefined ? {} : { syncId }), ...settings },
  }
}

/** What is wrong with it, if something is. */
function setOne(
  { text }: Word,
  value: Word | undefined,
  settings: Record<string, number | string>,
): string | undefined {
  if (value === undefined) return `a value is missing behind ${text}`
  if (text === 'group') {
    settings.group = value.text
    return undefined
  }
  if (!Object.hasOwn(NUMBERS, text)) return `lvs_sync_daemon has no ${text}`
  const [key, least, most] = NUMBERS[text as keyof typeof NUMBERS]
  const number = Number(value.text)
  if (!/^\d{1,6}$/.test(value.text) || number < least || number > most)
    return `${text} is a whole number from ${least} to ${most}`
  settings[key] = number
  return undefined
}
