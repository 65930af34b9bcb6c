import { expect, test } from 'vitest'
import {
  readAnnouncement,
  readLine,
  roleOf,
  type VrrpName,
} from '../../../../src/director/role/words.js'

const VI_1: VrrpName = { type: 'INSTANCE', name: 'VI_1' }

test.each([
  ['active', 'active'],
  ['MASTER', 'active'],
  ['standby', 'standby'],
  ['BACKUP', 'standby'],
  ['FAULT', 'standby'],
  ['STOP', 'standby'],
  ['Deleted', 'standby'],
  ['MASTER_PRIORITY', undefined],
  ['', undefined],
  ['constructor', undefined],
])('%j is %s', (word, role) => {
  expect(roleOf(word)).toBe(role)
})

test.each([
  ['INSTANCE "VI_1" MASTER 100', { role: 'active', word: 'INSTANCE VI_1 MASTER 100' }],
  ['INSTANCE "VI_1" BACKUP 90\r', { role: 'standby', word: 'INSTANCE VI_1 BACKUP 90' }],
  ['INSTANCE "VI_1" FAULT 90', { role: 'standby', word: 'INSTANCE VI_1 FAULT 90' }],
  [
    'INSTANCE "VI_1" MASTER_RX_LOWER_PRI 100',
    { rival: true, word: 'INSTANCE VI_1 MASTER_RX_LOWER_PRI 100' },
  ],
  ['INSTANCE "VI_1" MASTER_PRIORITY 100', undefined],
  ['INSTANCE "VI_2" MASTER 100', undefined],
  ['GROUP "VI_1" MASTER 0', undefined],
  ['VS [192.0.2.53]:tcp:53 UP', undefined],
  ['INSTANCE VI_1 MASTER 100', undefined],
  ['', undefined],
])('the line %j of a FIFO', (line, said) => {
  expect(readLine(line, VI_1)).toEqual(said)
})

test('a group is followed as an instance is, and a notify script may be of any', () => {
  expect(
    readLine('GROUP "all of it" MASTER 0', { type: 'GROUP', name: 'all of it' }),
  ).toMatchObject({ role: 'active' })
  expect(readAnnouncement(['GROUP', 'G1', 'BACKUP', '0'], undefined)).toMatchObject({
    role: 'standby',
  })
  expect(readAnnouncement(['INSTANCE', 'VI_2', 'MASTER', '100'], VI_1)).toBeUndefined()
  expect(readAnnouncement([], undefined)).toBeUndefined()
})
