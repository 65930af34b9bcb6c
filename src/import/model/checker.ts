// The checks of a real server.
import type { Statement } from '../language/blocks.js'
import type { checkers, url as urlTable } from '../language/grammar.js'
import type { Notes, Word } from '../note.js'
import { noted, type Readers, readBlock } from './block.js'
import type { Checker, CheckerKind, Schedule, Url } from './model.js'
import { textOf, type Words } from './words.js'

/** Sets what could be read, and leaves the rest as it is. */
export function set<Target, Name extends keyof Target>(
  target: Target,
  name: Name,
  value: Target[Name] | undefined,
): void {
  if (value !== undefined) target[name] = value
}

export const schedule = {
  retry: (words: Words, target: Schedule) => set(target, 'retry', words.number(0)),
  delay_before_retry: (words: Words, target: Schedule) =>
    set(target, 'delayBeforeRetry', words.time(0)),
  delay_loop: (words: Words, target: Schedule) => set(target, 'delayLoop', words.time(1)),
  warmup: (words: Words, target: Schedule) => set(target, 'warmup', words.time(0)),
  alpha: (words: Words, target: Schedule) => set(target, 'alpha', words.flag()),
}

const logAll = noted<Checker>(
  'the director does not log each failure of a check by itself',
  'See them with "ipvs events", or in what "ipvs check" explains.',
)

const common: Readers<typeof checkers.TCP_CHECK, Checker> = {
  ...schedule,
  connect_timeout: (words, checker) => set(checker, 'connectTimeout', words.time(1)),
  connect_ip: (words, checker) => set(checker, 'connectAddress', words.address()),
  connect_port: (words, checker) => set(checker, 'connectPort', words.number(1, 65535)),
  bindto: (words, checker) => set(checker, 'localAddress', words.address()),
  bind_port: noted(
    'the port that a check comes from cannot be chosen here',
    'Let the packet filter allow any port of the director.',
  ),
  bind_if: (words, checker) => set(checker, 'device', words.text('an interface')?.text),
  fwmark: (words, checker) => set(checker, 'mark', words.number(0)),
  log_all_failures: logAll,
}

const regexFlags: Readonly<Record<string, string>> = {
  caseless: 'i',
  multiline: 'm',
  dotall: 's',
  utf: 'u',
  ucp: 'u',
}

const url: Readers<typeof urlTable, Url> = {
  path: (words, target) => set(target, 'path', words.text('a path')?.text),
  digest: (words, target) => set(target, 'digest', words.text('a digest')),
  status_code: (words, target) => {
    for (const word of words.rest()) {
      const [, from, to = from] = /^(\d{3})(?:-(\d{3}))?$/.exec(word.text) ?? []
      const [low, high] = [Number(from), Number(to)]
      if (low >= 100 && high <= 599 && low <= high) target.status.push(word.text)
      else words.refuse(word, 'statuses from 100 to 599, such as 200 or 200-299')
    }
  },
  virtualhost: (words, target) => set(target, 'virtualhost', words.text('a name')?.text),
  regex: (words, target) => set(target, 'regex', words.text('a regular expression')),
  regex_no_match: (_, target) => {
    target.regexNot = true
  },
  regex_options: (words, target) => {
    for (const word of words.rest()) {
      const flag = regexFlags[word.text]
      if (flag !== undefined)
        target.regexFlags = [...new Set(`${target.regexFlags ?? ''}${flag}`)].join('')
      else
        words.notes.add(
          word,
          'JavaScript has no such option of regular expressions',
          'See whether the expression means the same without it.',
        )
    }
  },
  regex_min_offset: (words, target) => set(target, 'regexFrom', words.number(0)),
  regex_max_offset: (words, target) => set(target, 'regexTo', words.number(0)),
  regex_stack: noted('regular expressions of JavaScript have no stack of their own', 'Remove it.'),
  tls_compliant: readAlways,
}

/** Of words that say what is done here in any case. */
function readAlways(words: Words): void {
  if (words.flag() === false) {
    words.notes.add(words.keyword, 'it cannot be turned off here', 'Remove the line.')
  }
}

function readVersion(words: Words): void {
  const word = words.text('1.0, 1.0C or 1.1')
  if (word === undefined || word.text === '1.1') return
  if (!/^1\.0[cC]?$/.test(word.text)) words.refuse(word, '1.0, 1.0C or 1.1')
  else
    words.notes.add(
      word,
      'the check here speaks HTTP/1.1',
      'Try whether the server understands that; hardly any does not.',
    )
}

const http: Readers<typeof checkers.HTTP_GET, Checker> = {
  ...common,
  nb_get_retry: schedule.retry,
  virtualhost: (words, checker) => set(checker, 'virtualhost', words.text('a name')?.text),
  http_protocol: readVersion,
  enable_sni: (words) => {
    if (words.flag() === false) {
      words.notes.add(
        words.keyword,
        'a virtualhost is always sent as the name in TLS here',
        'Remove the line.',
      )
    }
  },
  sni_name: (words, checker) => set(checker, 'serverName', words.next()?.text),
  fast_recovery: readAlways,
  tls_compliant: readAlways,
  url: (words, checker, { block }) => {
    const target = readBlock(block, url, { word: words.keyword, status: [] } as Url, words.notes)
    if (target.path !== undefined) checker.urls.push(target)
    else
      words.notes.add(
        words.keyword,
        'it has no path, so that keepalived ignores it',
        'Write one: path /',
      )
  },
}

const replyLength = noted<Checker>(
  'the length of the reply is not looked at here',
  'Write reply: with bytes that it must have.',
)

const readers: { readonly [kind in CheckerKind]: Readers<(typeof checkers)[kind], Checker> } = {
  TCP_CHECK: common,
  PING_CHECK: common,
  HTTP_GET: http,
  SSL_GET: http,
  SMTP_CHECK: {
    ...common,
    helo_name: (words, checker) => set(checker, 'helo', words.text('a name')?.text),
    host: (words, checker, { block }) => {
      checker.hosts.push(
        readBlock(block, common, emptyChecker('SMTP_CHECK', words.keyword), words.notes),
      )
    },
  },
  DNS_CHECK: {
    ...common,
    type: (words, checker) => set(checker, 'type', words.text('a record type')?.text),
    name: (words, checker) => set(checker, 'name', words.text('a name')?.text),
  },
  MISC_CHECK: {
    ...schedule,
    log_all_failures: logAll,
    misc_path: (words, checker) => set(checker, 'script', words.script()),
    misc_timeout: (words, checker) => {
      const seconds = words.number(0)
      if (seconds !== undefined) checker.scriptTimeout = seconds * 1000
    },
    misc_dynamic: (_, checker) => {
      checker.dynamic = true
    },
    user: (words) => {
      const names = words.rest()
      words.notes.add(
        { ...words.keyword, text: textOf([words.keyword, ...names]) },
        'the director runs scripts as the user that it runs as itself',
        `Put "runuser -u ${names[0]?.text ?? 'USER'} --" before the command, if it has to be another one.`,
      )
    },
  },
  UDP_CHECK: {
    ...common,
    payload: (words, checker) => set(checker, 'payload', readHex(words, false)),
    require_reply: (words, checker) => {
      checker.requireReply = true
      if (words.peek() !== undefined) set(checker, 'reply', readHex(words, true))
    },
    min_reply_length: replyLength,
    max_reply_length: replyLength,
  },
  BFD_CHECK: {
    name: noted(
      'the director does not speak BFD',
      'Check the server by ping: {} or by its service, or write a check with exec that asks the BFD daemon.',
    ),
    alpha: schedule.alpha,
  },
  FILE_CHECK: {
    track_file: noted(
      'the director reads no file for weight or health',
      'Write a check with exec that reads it, or have the server say its weight over HTTP.',
    ),
    weight: noted('without the file it means nothing', 'See track_file.'),
  },
}

/** Digits, two for each byte: `Ab12f 3` is AB 12 0F 03. With `any`, x stands for a digit that is not looked at. */
function readHex(words: Words, any: boolean): string | undefined {
  const parts = words.rest()
  const bytes: string[] = []
  for (const { text } of parts) {
    if (!(any ? /^[0-9A-Fa-fxX]+$/ : /^[0-9A-Fa-f]+$/).test(text))
      return words.refuse(parts[0], 'hexadecimal digits')
    for (const pair of text.match(/..?/g)!)
      bytes.push(pair.padStart(2, '0').toLowerCase().replaceAll('x', '.'))
  }
  return bytes.length > 0 ? bytes.join('') : words.refuse(undefined, 'hexadecimal digits')
}

function emptyChecker(kind: CheckerKind, word: Word): Checker {
  return { kind, word, urls: [], hosts: [] }
}

/** `undefined` if keepalived does not take it. */
export function readChecker(
  kind: CheckerKind,
  { keyword, block }: Statement,
  notes: Notes,
): Checker | undefined {
  const table: Readonly<
    Record<string, (words: Words, target: Checker, statement: Statement) => void>
  > = readers[kind]
  const checker = readBlock(block, table, emptyChecker(kind, keyword), notes)
  const ignored = (why: string, advice: string) => {
    notes.add(keyword, `${why}, so that keepalived ignores the check`, advice)
    return undefined
  }
  if ((kind === 'HTTP_GET' || kind === 'SSL_GET') && checker.urls.length === 0)
    return ignored('it has no url with a path', 'Write one: url { path / }')
  if (kind === 'MISC_CHECK' && checker.script === undefined)
    return ignored('it has no misc_path', 'Write one.')
  const names: Partial<Record<CheckerKind, string>> = {
    BFD_CHECK: 'name',
    FILE_CHECK: 'track_file',
  }
  const name = names[kind]
  if (name !== undefined && !block.some((statement) => statement.keyword.text === name))
    return ignored(`it has no ${name}`, 'Write one, or remove the check.')
  return checker
}
