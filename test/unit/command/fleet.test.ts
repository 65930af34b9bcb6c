import { expect, test } from 'vitest'
import { fleetLines } from '../../../src/command/director/fleet.js'
import type { FleetState } from '../../../src/director/index.js'

const up = { health: 'up', admin: 'ready', weight: 3, serves: true } as const
const plain = (_: string, text: string) => text

test('a column for each director; what differs is marked, who does not answer is said', () => {
  const state: FleetState = {
    time: 0,
    directors: [
      { name: 'lb1', role: 'active', ready: true },
      { name: 'lb2', url: 'http://10.0.0.2:9480', role: 'active', ready: false },
      { name: '10.0.0.3:9480', url: 'http://10.0.0.3:9480', error: 'no answer within 10 s' },
    ],
    rows: [
      { pool: 'dns', server: '10.1.0.1:53', words: [up, up, null], differs: false },
      {
        pool: 'dns',
        server: '10.1.0.2:53',
        words: [
          { ...up, admin: 'drain', weight: 0 },
          { ...up, health: 'down', weight: 0, serves: false },
          null,
        ],
        differs: true,
      },
      {
        pool: 'ldap',
        server: '10.2.0.1:389',
        words: [{ ...up, serves: false }, null, null],
        differs: true,
      },
    ],
  }
  expect(fleetLines(state, plain)).toEqual([
    'lb1            (this one)            active',
    'lb2            http://10.0.0.2:9480  active, not ready yet',
    '10.0.0.3:9480  http://10.0.0.3:9480  does not answer: no answer within 10 s',
    '2 directors are active',
    '3 servers, 2 on which directors differ',
    '',
    '   POOL/SERVER        lb1               lb2     10.0.0.3:9480?',
    '   dns/10.1.0.1:53    up 3              up 3    ?',
    '≠  dns/10.1.0.2:53    up 0 drain        down    ?',
    '≠  ldap/10.2.0.1:389  up 3 not serving  absent  ?',
  ])
})
