// From statements to the model.
import type { Statement } from '../language/blocks.js'
import type { ssl as sslTable } from '../language/grammar.js'
import type { Text } from '../language/lines.js'
import type { Notes } from '../note.js'
import { noted, type Readers, readBlock } from './block.js'
import { set } from './checker.js'
import { readGroup } from './group.js'
import type { Model, Ssl } from './model.js'
import { readSyncDaemon } from './sync-daemon.js'
import { readVirtualServer } from './virtual-server.js'
import { Words } from './words.js'

const ssl: Readers<typeof sslTable, Ssl> = {
  password: noted(
    'a key that wants a password cannot be used here',
    'Write it without one, readable by the director only: openssl pkey.',
  ),
  ca: (words, target) => set(target, 'ca', words.text('a file')?.text),
  certificate: (words, target) => set(target, 'certificate', words.text('a file')?.text),
  key: (words, target) => set(target, 'key', words.text('a file')?.text),
}

/** Where the director hears of the roles: what is written to a FIFO reaches one reader only, so it has its own. */
export const FIFO = '/run/keepalived/ipvs'

/** What global_defs says of IPVS and its checks; the rest is of VRRP and of keepalived itself, and kept as text. */
const globals: Readonly<Record<string, readonly [message: string, advice: string]>> = {
  lvs_timeouts: [
    "the director sets none of the kernel's timeouts but that of UDP, where a pool says udpTimeout with sysctls: apply",
    'Set them by "ipvsadm --set TCP TCPFIN UDP" at boot.',
  ],
  lvs_flush: [
    'the director takes over what it finds, and removes what its pools do not have',
    'Nothing; services of nobody are shown by "ipvs list".',
  ],
  lvs_flush_on_stop: [
    'what happens at the end is up to onStop',
    'Write onStop: withdraw, if the table is to be emptied.',
  ],
  nftables_ipvs: [
    'the director makes a service for each address, without firewall marks of its own',
    'Nothing, unless the groups have thousands of addresses.',
  ],
  lvs_notify_fifo: ['there is no FIFO', 'Write hooks, or read "ipvs events --json".'],
  lvs_notify_fifo_script: ['there is no FIFO', 'Write hooks with exec.'],
  notification_email: [
    'the director sends no mail',
    'Have a hook send it: hooks: [{ on: [up, down, quorum], exec: [PROGRAM, ADDRESS] }] gets the event as JSON on its stdin.',
  ],
  checker_log_all_failures: [
    'the director does not log each failure of a check by itself',
    'See them with "ipvs events".',
  ],
  script_user: [
    'the director runs scripts as the user that it runs as itself',
    'Put "runuser -u USER --" before their commands, if it has to be another one.',
  ],
}

export function readModel(
  statements: readonly Statement[],
  { sources }: Text,
  notes: Notes,
): Model {
  const vrrp: string[] = []
  const fifo = freeFifo(statements)
  const model: Omit<Model, 'vrrp'> = { groups: new Map(), virtualServers: [] }
  for (const statement of statements) {
    const { keyword } = statement
    switch (keyword.text) {
      case 'virtual_server': {
        const server = readVirtualServer(statement, notes)
        if (server !== undefined) model.virtualServers.push(server)
        break
      }
      case 'virtual_server_group': {
        const group = readGroup(statement, notes)
        if (group === undefined) break
        if (model.groups.has(group.name))
          notes.add(
            keyword,
            `there is a group ${group.name} before it, which is the one that counts`,
            'Remove one of the two.',
          )
        else model.groups.set(group.name, group)
        break
      }
      case 'SSL': {
        const words = new Words(statement, notes)
        model.ssl = readBlock(statement.block, ssl, {}, notes)
        words.done()
        break
      }
      default:
        vrrp.push(verbatim(statement, sources, fifo))
        readOther(statement, statements, model, notes)
    }
  }
  return { ...model, ...(fifo === undefined ? {} : { fifo }), vrrp: vrrp.join('\n') }
}

function readOther(
  { keyword, words, lines }: Statement,
  statements: readonly Statement[],
  model: Omit<Model, 'vrrp'>,
  notes: Notes,
): void {
  if (keyword.text === 'net_namespace_ipvs' || keyword.text === 'net_namespace') {
    // The one of IPVS counts, wherever it stands.
    const [name] = words
    if (name !== undefined && (keyword.text === 'net_namespace_ipvs' || model.netns === undefined))
      model.netns = name.text
    if (name === undefined || keyword.text === 'net_namespace') return
    notes.add(
      keyword,
      'the director makes its checks in the namespace of IPVS too, unless they say another one',
      'Write connect: { netns: PATH } in the checks, if they have to be made elsewhere.',
    )
    return
  }
  if (keyword.text !== 'global_defs') return
  for (const { words: line } of lines) {
    const [word] = line
    if (word.text === 'lvs_sync_daemon') {
      const sync = readSyncDaemon(line, statements, notes)
      if (sync !== undefined) model.sync = sync
      if (sync !== undefined && freeFifo(statements) === undefined) {
        notes.add(
          word,
          'vrrp_notify_fifo and notify_fifo have readers of their own, so that the director has none to hear of the roles by',
          'Have keepalived call it: notify "/usr/bin/ipvs role" in the vrrp_instance.',
        )
      }
    }
    const known = Object.hasOwn(globals, word.text) ? globals[word.text] : undefined
    if (known !== undefined) notes.add(word, ...known)
  }
}

/** The keyword of a FIFO that nobody else reads. */
export function freeFifo(statements: readonly Statement[]): string | undefined {
  const used = new Set(
    statements.flatMap(({ lines }) => lines.map(({ words: [word] }) => word.text)),
  )
  return ['vrrp_notify_fifo', 'notify_fifo'].find((keyword) => !used.has(keyword))
}

/**
 * As it stands in the file, with its comments; what comes from several places as keepalived saw it. Without the sync daemons,
 * which are the director's, who has to hear of the roles instead.
 */
function verbatim(
  { keyword, words, lines, end }: Statement,
  sources: Text['sources'],
  fifo: string | undefined,
): string {
  const source = sources.get(keyword.file)
  const isGlobal = keyword.text === 'global_defs'
  const ours = lines.filter(({ words: [word] }) => isGlobal && word.text === 'lvs_sync_daemon')
  const added = ours.length > 0 && fifo !== undefined ? [`    ${fifo} ${FIFO}`] : []
  const whole =
    source !== undefined &&
    end.file === keyword.file &&
    end.line >= keyword.line &&
    lines.every(
      ({ words: [{ file, line }] }) =>
        file === keyword.file && line >= keyword.line && line <= end.line,
    )
  if (whole) {
    const left = new Set(ours.map(({ words: [{ line }] }) => line))
    const kept = source
      .slice(keyword.line - 1, end.line)
      .filter((_, index) => !left.has(keyword.line + index))
    return [...kept.slice(0, -1), ...added, ...kept.slice(-1)].join('\n')
  }
  const first = [keyword, ...words].map(({ text }) => text).join(' ')
  const rest = lines.filter((line) => !ours.includes(line)).map(({ text }) => text)
  return [first, '{', ...rest, ...added, '}'].join('\n')
}
