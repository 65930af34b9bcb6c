// ipvs role: whether a director is the active one of several.
import type { RoleState } from '../../director/index.js'
import { CommandError, usageError } from '../errors.js'
import { print, printJson } from '../output.js'
import { seeHelp } from '../parse.js'
import { exitStatuses, type Run } from '../spec.js'
import { ago, columns } from './columns.js'
import { ask } from './control.js'

export const role: Run = async (call) => {
  const said = readWords(call.words)
  const state = (await ask(call, { do: 'role', ...said })) as Partial<RoleState>
  if (!isRole(state)) {
    throw new CommandError(
      'this director has no role: its file has no key "role".',
      exitStatuses.failed,
    )
  }
  if (call.options.json) printJson(state)
  else print(showRole(state))
  return exitStatuses.done
}

/** @throws CommandError */
function readWords(words: readonly string[]) {
  const [word, ...more] = words
  if (word === undefined) return {}
  const isKeepalived = word === 'INSTANCE' || word === 'GROUP'
  if (isKeepalived && more.length >= 2) return { notify: words }
  if (!isKeepalived && more.length === 0) return { become: word }
  const rule = isKeepalived
    ? 'keepalived says its name and its state too: INSTANCE VI_1 MASTER 100'
    : `nothing comes behind "${word}"`
  throw usageError(`${rule}. ${seeHelp('role')}`)
}

function isRole(state: Partial<RoleState>): state is RoleState {
  return state.role !== undefined
}

function showRole({ role, reached, from, since, sync, backupOnly, trouble }: RoleState): string {
  const daemons = sync.map(
    ({ role: name, interface: at, syncId }) => `${name} on ${at}, id ${syncId}`,
  )
  const rows = [
    ['role', reached ? role : `${role}, not complete yet`],
    ['since', `${ago(Date.now() - since)} ago, ${from}`],
    ['sync daemons', daemons.length === 0 ? 'none' : daemons.join('; ')],
    ['backup_only', backupOnly ? '1: nothing is forwarded while a backup daemon runs' : '0'],
    ...(trouble === undefined ? [] : [['trouble', trouble]]),
  ]
  return `${columns(rows).join('\n')}\n`
}
