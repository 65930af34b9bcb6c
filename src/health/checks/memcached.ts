// checks.memcached: whether a memcached says its version.
import { checkOptions } from '../../validate.js'
import type { Check } from '../types.js'
import { type DialogueOptions, dialogueCheck, dialogueOptionNames } from './dialogue-check.js'
import { readLines } from './reply.js'

/** Options of `checks.memcached`. */
export type MemcachedCheckOptions = DialogueOptions

/**
 * Healthy when the server answers `version`, in the text protocol, with `VERSION` and a number; nothing that is stored is
 * touched. An error fails with its text. Says `quit` and ends with a reset.
 *
 * @throws ArgumentError
 */
export function memcached(options: MemcachedCheckOptions = {}): Check {
  const fields = checkOptions(options, 'options', dialogueOptionNames)
  const version = {
    send: Buffer.from('version\r\n'),
    awaited: 'VERSION',
    read: (received: Buffer) =>
      readLines(received, undefined, (line) =>
        line.startsWith('VERSION ') ? undefined : { wrong: ', expected VERSION' },
      ),
  }
  const steps = [version, { send: Buffer.from('quit\r\n') }]
  return dialogueCheck(fields, {
    name: 'memcached',
    steps,
    detail: (said) => `answered ${said[0]}`,
  })
}
