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
} from './mysql-packet.js'
import { show, showText } from './show.js'

export interface MysqlCheckOptions extends CheckEndpointOptions {
  /**
   * A user without a password, and without rights, to log in as; the login must then succeed. Default: a user that is
   * not expected to exist (`ipvs_check`), whose refusal is healthy.
   */
  readonly user?: string | undefined
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
  const fields = checkOptions(options, 'options', [...endpointOptionNames, 'user'])
  const user = readUser(fields.user)
  return dialogueCheck(
    { ...fields, tls: undefined },
    { name: 'mysql', steps: [greet(user)], detail: (said) => said.join(', ') },
  )
}

function readUser(user: unknown): string | undefined {
  if (user === undefined) return undefined
  if (typeof user !== 'string' || !/^[^\0]{1,128}$/.test(user))
    throw typeError('options.user', 'the name of a user', user)
  return user
}

function greet(user: string | undefined): Step {
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
      return {
        used: packet.bytes,
        said: `version ${showText(greeting.version)}`,
        next: [login(greeting, user)],
      }
    },
  }
}

function login(greeting: Greeting, user: string | undefined): Step {
  return {
    send: frame(1, handshakeResponse(user ?? STRANGER, greeting)),
    awaited: 'the answer to a login',
    read: (received) => readLogin(received, 2, user),
  }
}

function readLogin(received: Buffer, sequence: number, user: string | undefined): Progress {
  const packet = readPacket(received, sequence)
  if (packet === 'more') return undefined
  const end = { send: frame(0, quit) }
  const error = packet && readError(packet.payload)
  if (error) {
    const { code, text } = error
    if (user === undefined && REFUSALS.has(code))
      return { used: received.length, said: 'refuses strangers' }
    return { wrong: `answered ${text} to a login` }
  }
  if (packet?.payload[0] === 0x00)
    return { used: packet.bytes, said: `logged in as ${showText(user ?? STRANGER)}`, next: [end] }
  const method = packet && readAuthSwitch(packet.payload)
  if (packet && method !== undefined && sequence === 2) {
    return {
      used: packet.bytes,
      said: `method ${showText(method)}`,
      next: [
        {
          send: frame(sequence + 1, noPassword(method)),
          awaited: 'the answer to a login',
          read: (next) => readLogin(next, sequence + 2, user),
        },
      ],
    }
  }
  return { wrong: `answered ${show(received)} to a login` }
}
