// checks.mysql: the handshake of a MySQL or MariaDB server, carried to its end.
import { typeError } from '../../errors.js'
import { checkOptions } from '../../validate.js'
import type { Check } from '../types.js'
import type { Progress, Step } from './dialogue.js'
import { dialogueCheck } from './dialogue-check.js'
import { type CheckEndpointOptions, endpointOptionNames } from './endpoint.js'
import {
  frame,
  type Greeting,
  handshakeResponse,
  noPassword,
  quit,
  readAuthSwitch,
  readError,
  readGreeting,
  readPacket,
  responseHead,
} from './mysql-packet.js'
import { QUERY, readFirstRow } from './mysql-result.js'
import { show, showText } from './show.js'
import { type CheckTlsOptions, readTls, type TlsClient } from './tls-client.js'

export interface MysqlCheckOptions extends CheckEndpointOptions {
  /**
   * A user without a password, and without rights, to log in as; the login must then succeed. Default: a user that is
   * not expected to exist (`ipvs_check`), whose refusal is healthy.
   */
  readonly user?: string | undefined
  /**
   * A query to send after the login, with `user`: one statement, at most 4096 bytes, such as `SELECT @@global.read_only`. It must
   * answer with a row. Default: none.
   */
  readonly query?: string | undefined
  /**
   * What the last column of the first row must be, as text: the same, matching, or what a function returns true for (false, or
   * a text that says what is wrong, else). `NULL` is `null`, for a function only. Default: whatever it is.
   */
  readonly value?: string | RegExp | ((value: string | null) => boolean | string) | undefined
  /** TLS, which begins inside this protocol; a server that cannot fails. Default false. */
  readonly tls?: boolean | CheckTlsOptions | undefined
}

const STRANGER = 'ipvs_check'

/**
 * Refusals of a user: access denied, the same for want of a password, for want of TLS, because the account is locked (MySQL,
 * MariaDB), its password has expired, or it has failed too often.
 */
const REFUSALS = new Set([1045, 1698, 3159, 3118, 4151, 1862, 3955])

/**
 * Healthy when the server greets with its handshake (protocol 10) and decides about a login. An error packet, such as
 * `Too many connections` or `Host is blocked`, fails with its text.
 *
 * Servers count handshakes that are not completed, and block the host that does it `max_connect_errors` times in a row:
 * a check that reads the greeting and goes away locks its own host out, clients behind it included. So this one
 * answers. A refused login is not counted (it is written to the server's error log as a warning); a successful one even
 * sets the count to 0 and is not logged: give the check a `user` where you can.
 *
 * @throws ArgumentError
 */
export function mysql(options: MysqlCheckOptions = {}): Check {
  const fields = checkOptions(options, 'options', [
    ...endpointOptionNames,
    'user',
    'query',
    'value',
    'tls',
  ])
  const plan: Plan = {
    user: readUser(fields.user),
    tls: readTls(fields.tls, 'options.tls'),
    end: readQuery(fields.query, fields.value, fields.user),
  }
  return dialogueCheck(
    { ...fields, tls: undefined },
    { name: 'mysql', steps: [greet(plan)], detail: (said) => said.join(', ') },
  )
}

interface Plan {
  readonly user: string | undefined
  readonly tls: TlsClient | undefined
  /** What comes after a login. */
  readonly end: readonly Step[]
}

function readUser(user: unknown): string | undefined {
  if (user === undefined) return undefined
  if (typeof user !== 'string' || !/^[^\0]{1,128}$/.test(user))
    throw typeError('options.user', 'the name of a user', user)
  return user
}

const GOODBYE: Step = { send: frame(0, quit) }

function readQuery(query: unknown, value: unknown, user: unknown): readonly Step[] {
  if (query === undefined) {
    if (value !== undefined) throw typeError('options.value', 'left out without a query', value)
    return [GOODBYE]
  }
  if (user === undefined) throw typeError('options.query', 'left out without a user', query)
  if (typeof query !== 'string' || query === '' || Buffer.byteLength(query) > 4096)
    throw typeError('options.query', 'a statement of at most 4096 bytes', query)
  const judge = readValue(value)
  const ask: Step = {
    send: frame(0, Buffer.concat([Buffer.from([QUERY]), Buffer.from(query)])),
    awaited: 'the answer to a query',
    read: (received) => {
      const result = readFirstRow(received)
      if (result === 'more') return undefined
      if (typeof result === 'string') return { wrong: `answered ${result} to a query` }
      const found = result.at(-1) ?? null
      const shown = found === null ? 'NULL' : showText(found)
      const wrong = judge(found)
      if (wrong !== undefined) return { wrong: `the query gave ${shown}, ${wrong}` }
      return { used: received.length, said: `the query gave ${shown}`, next: [GOODBYE] }
    },
  }
  return [ask]
}

function readValue(value: unknown): (found: string | null) => string | undefined {
  if (value === undefined) return () => undefined
  if (typeof value === 'function') {
    return (found) => {
      const said: unknown = value(found)
      if (said === true) return undefined
      return typeof said === 'string' ? said : 'which is not what is expected'
    }
  }
  if (typeof value === 'string')
    return (found) => (found === value ? undefined : `expected ${showText(value)}`)
  if (!(value instanceof RegExp))
    throw typeError('options.value', 'a text, a regular expression or a function', value)
  // A copy: with flags g or y it remembers where it has been.
  return (found) =>
    found !== null && new RegExp(value).test(found) ? undefined : `expected ${value}`
}

function greet(plan: Plan): Step {
  return {
    awaited: 'a handshake',
    read: (received) => {
      const packet = readPacket(received, 0)
      if (packet === 'more') return undefined
      const error = packet && readError(packet.payload)
      if (error) return { wrong: `answered ${error.text}` }
      const greeting = packet && readGreeting(packet.payload)
      if (!packet || !greeting)
        return { wrong: `answered ${show(received)}, expected the handshake of MySQL` }
      if (greeting.protocol !== 10) {
        return { wrong: `speaks protocol ${greeting.protocol}, expected 10` }
      }
      if (plan.tls !== undefined && !greeting.hasTls)
        return { wrong: `version ${showText(greeting.version)} has no TLS` }
      return {
        used: packet.bytes,
        said: `version ${showText(greeting.version)}`,
        next: login(greeting, plan),
      }
    },
  }
}

function login(greeting: Greeting, plan: Plan): readonly Step[] {
  const { user = STRANGER, tls } = plan
  const isTls = tls !== undefined
  const sequence = isTls ? 2 : 1
  const send = frame(sequence, handshakeResponse(user, greeting, isTls))
  const answer: Step = {
    send,
    awaited: 'the answer to a login',
    read: (received) => readLogin(received, sequence + 1, plan, true),
  }
  if (!isTls) return [answer]
  return [{ send: frame(1, responseHead(greeting, true)) }, { startTls: tls, ...answer }]
}

/** @param mayChange whether another method may still be asked for */
function readLogin(received: Buffer, sequence: number, plan: Plan, mayChange: boolean): Progress {
  const { user } = plan
  const packet = readPacket(received, sequence)
  if (packet === 'more') return undefined
  const error = packet && readError(packet.payload)
  if (error) {
    const { code, text } = error
    if (user === undefined && REFUSALS.has(code))
      return { used: received.length, said: 'refuses strangers' }
    return { wrong: `answered ${text} to a login` }
  }
  if (packet?.payload[0] === 0x00) {
    const said = `logged in as ${showText(user ?? STRANGER)}`
    return { used: packet.bytes, said, next: plan.end }
  }
  const method = packet && readAuthSwitch(packet.payload)
  if (packet && method !== undefined && mayChange) {
    return {
      used: packet.bytes,
      said: `method ${showText(method)}`,
      next: [
        {
          send: frame(sequence + 1, noPassword(method)),
          awaited: 'the answer to a login',
          read: (next) => readLogin(next, sequence + 2, plan, false),
        },
      ],
    }
  }
  return { wrong: `answered ${show(received)} to a login` }
}
