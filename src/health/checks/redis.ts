// checks.redis: PING and PONG with Redis, Valkey, KeyDB and whatever else speaks their protocol.
import { typeError } from '../../errors.js'
import { checkOptions } from '../../validate.js'
import type { Check } from '../types.js'
import type { Step } from './dialogue.js'
import { type DialogueOptions, dialogueCheck, dialogueOptionNames } from './dialogue-check.js'
import { readLines } from './reply.js'

/** Options of `checks.redis`. */
export interface RedisCheckOptions extends DialogueOptions {
  /** Sent with AUTH before PING. Never part of a reason. Default: no AUTH. */
  readonly password?: string | undefined
  /** User of an access control list (Redis 6 and later), with `password`. Default: the server's default user. */
  readonly user?: string | undefined
  /**
   * Errors in answer to AUTH or PING that are healthy all the same, by their first word: `NOAUTH` where a password is
   * wanted and we have none, `LOADING` for a server that still reads its data, `MASTERDOWN` for a replica on its own,
   * `ERR` for one that has no password where we send one. Default none.
   */
  readonly accept?: readonly string[] | undefined
}

/**
 * Healthy when the server answers PING with `+PONG`. An error fails with its text:
 * `redis 10.1.0.1:6379: answered "-LOADING Redis is loading the dataset in memory" to PING, expected +PONG`.
 *
 * @throws ArgumentError
 */
export function redis(options: RedisCheckOptions = {}): Check {
  const fields = checkOptions(options, 'options', [
    ...dialogueOptionNames,
    'password',
    'user',
    'accept',
  ])
  const accept = readAccept(fields.accept)
  const steps = [
    ...login(fields.user, fields.password, accept),
    ask('PING', '+PONG', ['PING'], accept),
  ]
  return dialogueCheck(fields, {
    name: 'redis',
    steps,
    detail: (said) => `answered ${said.at(-1)}`,
  })
}

function login(user: unknown, password: unknown, accept: readonly string[]): readonly Step[] {
  if (password === undefined) {
    if (user !== undefined) throw typeError('options.user', 'left out without a password', user)
    return []
  }
  // Not typeError: its message would have the password in it.
  if (typeof password !== 'string' || password === '')
    throw typeError('options.password', 'a text, not empty', typeof password)
  if (user !== undefined && typeof user !== 'string')
    throw typeError('options.user', 'a text', user)
  return [ask('AUTH', '+OK', ['AUTH', ...(user === undefined ? [] : [user]), password], accept)]
}

function readAccept(accept: unknown = []): readonly string[] {
  const words: readonly unknown[] = Array.isArray(accept) ? accept : ['']
  return words.map((word) => {
    if (typeof word !== 'string' || !/^[A-Z]+$/.test(word))
      throw typeError('options.accept', "a list of error words such as 'NOAUTH'", accept)
    return word
  })
}

function ask(
  verb: string,
  expected: string,
  words: readonly string[],
  accept: readonly string[],
): Step {
  const healthy = [expected, ...accept.map((word) => `-${word}`)]
  return {
    send: command(words),
    awaited: `${expected} to ${verb}`,
    read: (received) =>
      // A line, or two with the length first, as some proxies say it: "$4", "PONG".
      readLines(received, /^(?!\$\d)/, (reply) =>
        healthy.includes(reply.replace(/^\$\d+\n/, '+').split(' ', 1)[0] ?? '')
          ? undefined
          : { wrong: ` to ${verb}, expected ${expected}` },
      ),
  }
}

/** An array of bulk strings: no byte of a password can be taken for anything else. */
function command(words: readonly string[]): Buffer {
  const parts = words.map((word) => `$${Buffer.byteLength(word)}\r\n${word}\r\n`)
  return Buffer.from(`*${words.length}\r\n${parts.join('')}`)
}
