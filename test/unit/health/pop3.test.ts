import { expect, it } from 'vitest'
import { checks } from '../../../src/health/checks/index.js'
import { behavesAsDialogue } from './dialogue.js'
import { run } from './loopback.js'
import { scripted } from './script.js'

behavesAsDialogue('pop3', {
  check: checks.pop3(),
  healthy: { first: true, turns: ['+OK <1.2@host>\r\n', '+OK bye\r\n'] },
  detail: 'greeting "+OK <1.2@host>"',
  sent: 'QUIT\r\n',
  awaited: '+OK',
  wrong: [
    [['-ERR too many\r\n'], 'answered "-ERR too many", expected +OK'],
    [['+OKAY\r\n'], 'answered "+OKAY", expected +OK'],
    [['+OK\r\n', '-ERR no\r\n'], 'answered "-ERR no" to QUIT, expected +OK'],
    [['220 smtp\r\n'], 'answered "220 smtp", expected +OK'],
  ],
})

it.each(['+OK<1.2@host>', '+OK', '+ok hi', '+OK\thi'])('checks.pop3 takes %j', async (greeting) => {
  const { member } = await scripted({ first: true, turns: [`${greeting}\n`, '+OK\n'] })
  expect(await run(checks.pop3(), member)).toMatch(/^healthy/)
})
