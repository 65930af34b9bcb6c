import { checks } from '../../../src/health/checks/index.js'
import { behavesAsDialogue } from './dialogue.js'

behavesAsDialogue('memcached', {
  check: checks.memcached(),
  healthy: { first: false, turns: ['VERSION 1.6.18\r\n'] },
  detail: 'answered "VERSION 1.6.18"',
  sent: 'version\r\nquit\r\n',
  awaited: 'VERSION',
  wrong: [
    [
      ['ERROR Too many open connections\r\n'],
      'answered "ERROR Too many open connections", expected VERSION',
    ],
    [['ERROR\r\n'], 'answered "ERROR", expected VERSION'],
    [['VERSION\r\n'], 'answered "VERSION", expected VERSION'],
    [['HTTP/1.1 400 Bad Request\r\n'], 'expected VERSION'],
  ],
})
