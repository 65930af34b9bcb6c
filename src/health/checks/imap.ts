// checks.imap: a mailbox server that greets and carries out a command.
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

/** Options of `checks.imap`. */
export type ImapCheckOptions = StartTlsOptions

/**
 * Healthy when the server greets with `* OK` or `* PREAUTH` and completes NOOP, untagged lines before it or not. A
 * server that says `* BYE` fails with its text. Says LOGOUT and ends with a reset. Port 993 wants `tls`.
 *
 * @throws ArgumentError
 */
export function imap(options: ImapCheckOptions = {}): Check {
  const fields = checkOptions(options, 'options', startTlsOptionNames)
  const startTls = readStartTls(fields)
  const steps =
    startTls === undefined
      ? [GREETING, command('a1', 'NOOP'), GOODBYE]
      : [GREETING, command('a0', 'STARTTLS'), { startTls, ...command('a1', 'NOOP') }, GOODBYE]
  return dialogueCheck(fields, { name: 'imap', steps, detail: (said) => `greeting ${said[0]}` })
}

const GREETING: Step = {
  awaited: '* OK',
  read: (received) =>
    readLines(received, undefined, (line) =>
      /^\* (OK|PREAUTH)( |$)/i.test(line) ? undefined : { wrong: ', expected * OK or * PREAUTH' },
    ),
}

const GOODBYE: Step = { send: Buffer.from('a2 LOGOUT\r\n') }

function command(tag: string, verb: string): Step {
  const fine = new RegExp(`(^|\\n)${tag} OK( [^\\n]*)?$`, 'i')
  return {
    send: Buffer.from(`${tag} ${verb}\r\n`),
    awaited: `${tag} OK to ${verb}`,
    read: (received) =>
      // Untagged lines may come first; a farewell is the last that comes.
      readLines(received, /^(?!\* )|^\* BYE( |$)/i, (reply) =>
        fine.test(reply) ? undefined : { wrong: ` to ${verb}, expected ${tag} OK` },
      ),
  }
}
