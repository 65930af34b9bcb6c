// checks.pop3: a mailbox server that greets and answers.
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

/** Options of `checks.pop3`. */
export type Pop3CheckOptions = StartTlsOptions

/**
 * Healthy when the server greets with `+OK` and answers QUIT with `+OK`, the one command that needs no login and that
 * every server has. `-ERR` fails with its text. Ends with a reset.
 * Port 995 wants `tls`.
 *
 * @throws ArgumentError
 */
export function pop3(options: Pop3CheckOptions = {}): Check {
  const fields = checkOptions(options, 'options', startTlsOptionNames)
  const startTls = readStartTls(fields)
  const goodbye = { send: Buffer.from('QUIT\r\n'), ...ok(' to QUIT') }
  const steps =
    startTls === undefined
      ? [ok(''), goodbye]
      : [ok(''), { send: Buffer.from('STLS\r\n'), ...ok(' to STLS') }, { startTls, ...goodbye }]
  return dialogueCheck(fields, { name: 'pop3', steps, detail: (said) => `greeting ${said[0]}` })
}

const ok = (to: string): Step => ({
  awaited: `+OK${to}`,
  read: (received) =>
    readLines(received, undefined, (line) =>
      // As clients do: some write "+OK<1.2@host>".
      /^\+OK(?![a-z])/i.test(line) ? undefined : { wrong: `${to}, expected +OK` },
    ),
})
