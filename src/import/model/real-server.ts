// real_server: a block in a virtual server.
import type { Statement } from '../language/blocks.js'
import { checkers, type realServer as table } from '../language/grammar.js'
import type { Notes } from '../note.js'
import { noted, type Reader, type Readers, readBlock } from './block.js'
import { readChecker, schedule, set } from './checker.js'
import { readForwarding } from './forwarding.js'
import type { CheckerKind, RealServer } from './model.js'
import { Words } from './words.js'

export const HEAVIEST = 2147483647

const checkerReaders = Object.fromEntries(
  (Object.keys(checkers) as CheckerKind[]).map((kind): [CheckerKind, Reader<RealServer>] => [
    kind,
    (words, server, statement) => {
      const checker = readChecker(kind, statement, words.notes)
      if (checker !== undefined) server.checkers.push(checker)
    },
  ]),
) as Record<CheckerKind, Reader<RealServer>>

export const noMail = noted<unknown>(
  'the director sends no mail',
  'Have a hook send it: hooks: [{ on: [up, down], exec: [PROGRAM, ADDRESS] }] gets the event as JSON on its stdin.',
)

const readers: Readers<typeof table, RealServer> = {
  ...schedule,
  ...checkerReaders,
  connect_timeout: (words, server) => set(server, 'connectTimeout', words.time(1)),
  weight: (words, server) => set(server, 'weight', words.number(0, HEAVIEST)),
  lvs_method: (words, server) => set(server, 'forwarding', readForwarding(words)),
  uthreshold: (words, server) => set(server, 'upperThreshold', words.number(0)),
  lthreshold: (words, server) => set(server, 'lowerThreshold', words.number(0)),
  inhibit_on_failure: (words, server) => set(server, 'inhibit', words.flag()),
  notify_up: (words, server) => readOnce(words, server, 'notifyUp'),
  notify_down: (words, server) => readOnce(words, server, 'notifyDown'),
  smtp_alert: (words, server, statement) => {
    if (words.flag() === true) noMail(words, server, statement)
  },
  virtualhost: (words, server) => set(server, 'virtualhost', words.text('a name')?.text),
  snmp_name: noted(
    'there is no SNMP here',
    'Metrics of the director have the name of the pool and the address of the server.',
  ),
}

/** Of scripts the first one counts. */
export function readOnce<Name extends string>(
  words: Words,
  target: { [name in Name]?: RealServer['notifyUp'] },
  name: Name,
): void {
  const script = words.script()
  if (script === undefined) return
  if (target[name] === undefined) target[name] = script as (typeof target)[Name]
  else
    words.notes.add(
      words.keyword,
      'there was one before, which is the one that keepalived runs',
      'Remove one of the two.',
    )
}

/** `undefined` if keepalived skips it. */
export function readRealServer(statement: Statement, notes: Notes): RealServer | undefined {
  const words = new Words(statement, notes)
  const endpoint = words.endpoint('keepalived skips the real server with all of its block')
  words.done()
  if (endpoint === undefined) return undefined
  return readBlock<RealServer>(
    statement.block,
    readers,
    { ...endpoint, word: statement.keyword, checkers: [] },
    notes,
  )
}
