// A check of keepalived as a check of the director: its options, and its schedule.
import type { Checker, Script, Ssl, Url, VirtualServer } from '../model/model.js'
import type { Notes } from '../note.js'
import { refusal } from './accepted.js'
import type { Json, JsonMap } from './document.js'
import type { Server } from './service.js'
import { duration } from './time.js'

/** One check of one server. Times are milliseconds. */
export interface ServerCheck {
  /** `{ tcp: {} }`; of a block with several parts, each of them. */
  readonly checks: readonly JsonMap[]
  readonly interval: number
  readonly timeout: number
  readonly fall: number
  readonly retryDelay: number
  /** Where the schedule comes from. */
  readonly comments: readonly string[]
}

const DEFAULTS = { delayLoop: 60_000, connectTimeout: 5000, retry: 1, delayBeforeRetry: 1000 }
/** The library's own limits. */
const SHORTEST_INTERVAL = 10
const LONGEST = 86_400_000
const MOST_FAILURES = 1000

export interface CheckContext {
  readonly source: VirtualServer
  readonly server: Server
  readonly ssl: Ssl | undefined
  readonly notes: Notes
  /** That of all fronts; 0 where they have none or several. */
  readonly frontPort: number
}

/** `undefined` where there is no such check here, which has been noted. */
export function convertCheck(checker: Checker, context: CheckContext): ServerCheck | undefined {
  const checks = optionsOf(checker, context).filter((check) => {
    const why = refusal(check)
    if (why !== undefined) {
      context.notes.add(
        checker.word,
        `the check here does not take what it says, and was left out: ${why}`,
        'Mend that, and import again.',
      )
    }
    return why === undefined
  })
  return checks.length === 0 ? undefined : { checks, ...scheduleOf(checker, context) }
}

function scheduleOf(
  checker: Checker,
  { source, server }: CheckContext,
): Omit<ServerCheck, 'checks'> {
  const pick = (name: 'delayLoop' | 'connectTimeout' | 'retry' | 'delayBeforeRetry') =>
    checker[name] ?? server.real[name] ?? source[name]
  const script = checker.kind === 'MISC_CHECK'
  const delayLoop = pick('delayLoop') ?? DEFAULTS.delayLoop
  const retry = pick('retry') ?? (checker.kind === 'DNS_CHECK' ? 3 : script ? 0 : DEFAULTS.retry)
  const http = checker.kind === 'HTTP_GET' || checker.kind === 'SSL_GET'
  const ownDelay =
    checker.kind === 'DNS_CHECK' ? delayLoop : http ? 3000 : DEFAULTS.delayBeforeRetry
  const pause = pick('delayBeforeRetry') ?? ownDelay
  const limit = script
    ? checker.scriptTimeout || (source.delayLoop ?? DEFAULTS.delayLoop)
    : (pick('connectTimeout') ?? DEFAULTS.connectTimeout)
  const interval = within(delayLoop, SHORTEST_INTERVAL)
  const said = (name: string, value: string, given: boolean) =>
    `${name} ${value}${given ? '' : ' (default)'}`
  const first = [
    `${said('delay_loop', duration(delayLoop), pick('delayLoop') !== undefined)}: interval`,
    script
      ? `${said('misc_timeout', duration(limit), !!checker.scriptTimeout)}: timeout`
      : `${said('connect_timeout', duration(limit), pick('connectTimeout') !== undefined)}: timeout, of the whole check`,
    `${said('retry', String(retry), pick('retry') !== undefined)}: fall ${retry + 1}`,
    ...(retry === 0
      ? []
      : [
          `${said('delay_before_retry', duration(pause), pick('delayBeforeRetry') !== undefined)}: retryDelay`,
        ]),
  ]
  const warmup = checker.warmup ?? server.real.warmup ?? source.warmup
  return {
    interval,
    timeout: within(limit, 1),
    fall: Math.min(retry + 1, MOST_FAILURES),
    retryDelay: Math.min(within(pause, 1), interval),
    comments: [
      `${first.join('; ')}.`,
      ...(warmup === undefined
        ? []
        : [
            `warmup ${duration(warmup)}: the first check is made at once here, and the others are spread over the interval.`,
          ]),
    ],
  }
}

function within(ms: number, least: number): number {
  return Math.max(least, Math.min(LONGEST, ms))
}

function optionsOf(checker: Checker, context: CheckContext): JsonMap[] {
  switch (checker.kind) {
    case 'TCP_CHECK':
      return withEndpoint('tcp', {}, checker, context)
    case 'PING_CHECK':
      return [{ ping: endpointOf(checker, context, false) ?? {} }]
    case 'SMTP_CHECK': {
      const helo: JsonMap = checker.helo === undefined ? {} : { helo: checker.helo }
      const own =
        Object.keys(endpointOf(checker, context, true) ?? {}).length > 0 ||
        checker.connectTimeout !== undefined
      const all = checker.hosts.length === 0 || own ? [checker, ...checker.hosts] : checker.hosts
      return all.flatMap((one) => withEndpoint('smtp', helo, one, context))
    }
    case 'DNS_CHECK':
      return withEndpoint(
        'dns',
        { name: checker.name ?? '.', type: checker.type ?? 'SOA', protocols: ['udp'] },
        checker,
        context,
      )
    case 'HTTP_GET':
    case 'SSL_GET':
      return checker.urls.flatMap((url) =>
        withEndpoint('http', httpOf(url, checker, context), checker, context),
      )
    case 'MISC_CHECK':
      return [{ exec: execOf(checker, checker.script!, context) }]
    case 'UDP_CHECK':
      return withEndpoint('udp', udpOf(checker, context), checker, context)
    default:
      return []
  }
}

function withEndpoint(
  name: string,
  options: JsonMap,
  checker: Checker,
  context: CheckContext,
): JsonMap[] {
  const endpoint = endpointOf(checker, context, true)
  return endpoint === undefined ? [] : [{ [name]: { ...options, ...endpoint } }]
}

/** Where it asks, and from where; `undefined` if there is no port, which is noted. */
function endpointOf(
  checker: Checker,
  { server, frontPort, notes }: CheckContext,
  wantsPort: boolean,
): JsonMap | undefined {
  const own = server.port || frontPort
  const port = checker.connectPort ?? (server.declaredPort || own)
  if (wantsPort && port === 0) {
    notes.add(
      checker.word,
      'there is no port that it could ask: the server has none, and the check neither',
      'Write connect_port, and import again.',
    )
    return undefined
  }
  if (wantsPort && checker.connectPort === undefined && server.declaredPort === 0) {
    notes.add(
      checker.word,
      `the real server has no port, so that keepalived asks port 0, where nobody answers, and never has it up; here port ${port} is asked`,
      'Write the port behind the address of the real server.',
    )
  }
  const connect: JsonMap = {
    ...(checker.connectAddress === undefined ? undefined : { address: checker.connectAddress }),
    ...(checker.mark ? { mark: checker.mark } : undefined),
    ...(checker.device === undefined ? undefined : { device: checker.device }),
  }
  return {
    ...(wantsPort && port !== own ? { port } : undefined),
    ...(Object.keys(connect).length === 0 ? undefined : { connect }),
    ...(checker.localAddress === undefined ? undefined : { localAddress: checker.localAddress }),
  }
}

function httpOf(url: Url, checker: Checker, { source, server, ssl, notes }: CheckContext): JsonMap {
  const host =
    url.virtualhost ?? checker.virtualhost ?? server.real.virtualhost ?? source.virtualhost
  const status = url.status.length === 0 ? ['200-299'] : url.status
  const statuses = status.map((one): Json => (one.includes('-') ? one : Number(one)))
  if (url.digest !== undefined) {
    notes.add(
      url.digest,
      'the check here compares no digest of the body; it looks at the status only',
      'Write body: with a text that the page must have, or a regular expression.',
    )
  }
  const body = regexOf(url, notes)
  return {
    // As it goes over the wire.
    path: url.path!.replaceAll(/[^\x21-\x7e]/gu, percent),
    ...(host === undefined ? undefined : { host }),
    status: statuses.length === 1 ? statuses[0]! : statuses,
    ...(body === undefined ? undefined : { body }),
    ...(checker.kind === 'SSL_GET' ? { tls: tlsOf(checker, ssl) } : undefined),
  }
}

function percent(char: string): string {
  return Buffer.from(char).toString('hex').replaceAll(/../g, '%$&')
}

/** keepalived loads its authorities, and does not compare with them. */
function tlsOf({ serverName }: Checker, ssl: Ssl | undefined): Json {
  const tls: JsonMap = {
    ...(serverName === undefined ? undefined : { serverName }),
    ...(ssl?.ca === undefined ? undefined : { verify: false, ca: { file: ssl.ca } }),
    ...(ssl?.certificate === undefined ? undefined : { cert: { file: ssl.certificate } }),
    ...(ssl?.key === undefined ? undefined : { key: { file: ssl.key } }),
  }
  return Object.keys(tls).length === 0 ? true : tls
}

function regexOf(url: Url, notes: Notes): Json | undefined {
  if (url.regex === undefined) return undefined
  const { regex, regexNot, regexFrom = 0, regexTo } = url
  // Only before the first character there is none: unlike ^, with every flag.
  const start = '(?<![\\s\\S])'
  const offset =
    regexFrom > 0 || regexTo !== undefined ? `[\\s\\S]{${regexFrom},${regexTo ?? ''}}?` : undefined
  const regexp = regexNot
    ? `${start}(?!${offset ?? '[\\s\\S]*?'}(?:${regex.text}))`
    : offset === undefined
      ? regex.text
      : `${start}${offset}(?:${regex.text})`
  const flags = url.regexFlags ?? ''
  try {
    new RegExp(regexp, flags)
  } catch {
    notes.add(
      regex,
      'it is no regular expression of JavaScript',
      'Write body: { regexp: … } in those words; without it the check looks at the status only.',
    )
    return undefined
  }
  return flags === '' ? { regexp } : { regexp, flags }
}

function execOf(
  checker: Checker,
  { command: [command, ...args] }: Script,
  { notes }: CheckContext,
): JsonMap {
  const exec: JsonMap = { command: command!, ...(args.length === 0 ? undefined : { args }) }
  if (!checker.dynamic) return exec
  notes.add(
    checker.word,
    'with misc_dynamic the exit code is a weight; here a server whose script exits with anything but 1 has all of its weight',
    'Have the server say its weight over HTTP (weight: { header: … }), or use the library, where weightFactor is a function of the exit code.',
  )
  return {
    ...exec,
    exitCodes: {
      healthy: Array.from({ length: 256 }, (_, code) => code).filter((code) => code !== 1),
    },
  }
}

function udpOf(checker: Checker, { notes }: CheckContext): JsonMap {
  const payload: JsonMap = { hex: checker.payload ?? '00' }
  if (!checker.requireReply) {
    notes.add(
      checker.word,
      'keepalived takes silence for health, unless the port is refused; here the host has to answer pings too',
      'Allow pings from the director, or write what the server has to reply.',
    )
    return { payload, silence: 'ping' }
  }
  if (checker.reply === undefined) return { payload }
  // Two digits are a byte; one with a digit that does not count cannot be compared.
  const runs = checker.reply.replaceAll(/../g, (byte) => (byte.includes('.') ? ' ' : byte))
  const [longest] = runs
    .trim()
    .split(/ +/)
    .toSorted((one, other) => other.length - one.length)
  if (checker.reply.includes('.')) {
    notes.add(
      checker.word,
      `digits that do not count cannot be written here: ${longest ? `of the reply only ${longest} is looked at` : 'any reply will do'}`,
      'See whether that is enough.',
    )
  }
  return longest ? { payload, reply: { hex: longest } } : { payload }
}
