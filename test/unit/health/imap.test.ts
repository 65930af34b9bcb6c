import { checks } from '../../../src/health/checks/index.js'
import { behavesAsDialogue } from './dialogue.js'

behavesAsDialogue('imap', {
  check: checks.imap(),
  healthy: {
    first: true,
    turns: ['* OK [CAPABILITY IMAP4rev1] ready\r\n', '* 3 EXISTS\r\na1 OK NOOP done\r\n'],
  },
  detail: 'greeting "* OK [CAPABILITY IMAP4rev1] ready"',
  sent: 'a1 NOOP\r\na2 LOGOUT\r\n',
  awaited: '* OK',
  wrong: [
    [
      ['* BYE too many connections\r\n'],
      'answered "* BYE too many connections", expected * OK or * PREAUTH',
    ],
    [['+OK pop\r\n'], 'answered "+OK pop", expected * OK or * PREAUTH'],
    [
      ['* PREAUTH hi\r\n', 'a1 NO disk failed\r\n'],
      'answered "a1 NO disk failed" to NOOP, expected a1 OK',
    ],
    [
      ['* OK hi\r\n', '* 1 EXISTS\r\n* BYE going down\r\n'],
      'answered "* 1 EXISTS\\n* BYE going down" to NOOP, expected a1 OK',
    ],
    [['* OK hi\r\n', 'a2 OK\r\n'], 'answered "a2 OK" to NOOP, expected a1 OK'],
  ],
})
