// From statements to the model.
import type { Statement } from '../language/blocks.js'
import type { ssl as sslTable } from '../language/grammar.js'
import type { Text } from '../language/lines.js'
import type { Notes } from '../note.js'
import { noted, type Readers, readBlock } from './block.js'
import { set } from './checker.js'
import { readGroup } from './group.js'
import type { Model, Ssl } from './model.js'
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

/** What global_defs says of IPVS and its checks; the rest is of VRRP and of keepalived itself, and kept as text. */
const globals: Readonly<Record<string, readonly [message: string, advice: string]>> = {
  lvs_sync_daemon: [
    'the director starts no sync daemon of IPVS',
    'Start it by "ipvsadm --start-daemon", or from a program: ipvs.startSyncDaemon().',
  ],
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
        vrrp.push(verbatim(statement, sources))
        readOther(statement, model, notes)
    }
  }
  return { ...model, vrrp: vrrp.join('\n') }
}

function readOther(
  { keyword, words, lines }: Statement,
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
  for (const {
    words: [word],
  } of lines) {
    const known = Object.hasOwn(globals, word.text) ? globals[word.text] : undefined
    if (known !== undefined) notes.add(word, ...known)
  }
}

/** As it stands in the file, with its comments; what comes from several places as keepalived saw it. */
function verbatim({ keyword, words, lines, end }: Statement, sources: Text['sources']): string {
  const source = sources.get(keyword.file)
  const whole =
    source !== undefined &&
    end.file === keyword.file &&
    end.line >= keyword.line &&
    lines.every(
      ({ words: [{ file, line }] }) =>
        file === keyword.file && line >= keyword.line && line <= end.line,
    )
  if (whole) return source.slice(keyword.line - 1, end.line).join('\n')
  const first = [keyword, ...words].map(({ text }) => text).join(' ')
  return [first, '{', ...lines.map(({ text }) => text), '}'].join('\n')
}
