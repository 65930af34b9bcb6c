// checks.smtp: a mail server that greets and would take mail.
import { typeError } from '../../errors.js'
import { checkOptions } from '../../validate.js'
import type { Check } from '../types.js'
import type { Step } from './dialogue.js'
import {
  dialogueCheck,
  readStartTls,
  type StartTlsOptions,
  startTlsOptionNames,
} from './dialogue-check.js'
import { readLines } from './reply.js'
import type { TlsClient } from './tls-client.js'

/** Options of `checks.smtp`. */
export interface SmtpCheckOptions extends StartTlsOptions {
  /** The name we say with EHLO. Default our own address, as `[10.1.0.254]`, which needs no name (RFC 5321, 4.1.3). */
  readonly helo?: string | undefined
}

/**
 * Healthy when the server greets with 220 and answers EHLO (or HELO, if it does not know EHLO) with 250. Says QUIT and
 * ends with a reset. Port 465 wants `tls`. For LMTP, or a server that must accept a sender, use `checks.expect`.
 *
 * @throws ArgumentError
 */
export function smtp(options: SmtpCheckOptions = {}): Check {
  const fields = checkOptions(options, 'options', [...startTlsOptionNames, 'helo'])
  const steps = dialogue(readHelo(fields.helo), readStartTls(fields))
  return dialogueCheck(fields, { name: 'smtp', steps, detail: (said) => `greeting ${said[0]}` })
}

function readHelo(helo: unknown): string | undefined {
  if (helo === undefined) return undefined
  // No line ends: they would begin another command.
  if (typeof helo !== 'string' || !/^[\x21-\x7e]{1,255}$/.test(helo))
    throw typeError('options.helo', 'a name such as director.example.org, without spaces', helo)
  return helo
}

function dialogue(helo: string | undefined, startTls: TlsClient | undefined): readonly Step[] {
  const command = (verb: string) => (localAddress: string) =>
    Buffer.from(`${verb} ${helo ?? addressLiteral(localAddress)}\r\n`)
  const hello = {
    send: command('EHLO'),
    ...code('250', ' to EHLO', { send: command('HELO'), ...code('250', ' to HELO') }),
  }
  const secured =
    startTls === undefined
      ? []
      : [
          { send: Buffer.from('STARTTLS\r\n'), ...code('220', ' to STARTTLS') },
          { startTls, ...hello },
        ]
  return [code('220', ''), hello, ...secured, { send: Buffer.from('QUIT\r\n') }]
}

/** A reply of any number of lines: `250-` goes on, everything else ends it. */
function code(
  expected: string,
  to: string,
  withoutIt?: Step,
): Required<Pick<Step, 'read' | 'awaited'>> {
  return {
    awaited: `${expected}${to}`,
    read: (received) =>
      readLines(received, /^(?!\d{3}-)/, (reply) => {
        const last = reply.slice(reply.lastIndexOf('\n') + 1)
        // The first digit decides (RFC 5321, 4.2.1), and the text may be missing (4.2).
        if (/^2\d\d( |$)/.test(last)) return undefined
        // A server of the last century, whatever it says of EHLO (RFC 5321, 3.2); but for "closing the channel" (421) and
        // "takes no mail" (521, RFC 7504).
        if (withoutIt !== undefined && /^[45](?!21)\d\d( |$)/.test(last))
          return { next: [withoutIt] }
        return { wrong: `${to}, expected ${expected}` }
      }),
  }
}

function addressLiteral(address: string): string {
  return address.includes(':') ? `[IPv6:${address}]` : `[${address}]`
}
