// What people read of a result.
import { expect, test } from 'vitest'
import { servers } from '../../lab/network/three-servers.js'
import { evidence, overAt, table } from './made-up.js'
import { describe, formatText } from './table.js'
import { judge } from './verdict.js'

const ours = judge(evidence())
const theirs = judge(
  evidence({
    system: 'keepalived',
    cuts: [overAt],
    tables: { lb1: [table(4000, servers), table(overAt + 9, [])], lb2: [table(4100, servers)] },
  }),
)

test('a trial is told in a few lines', () => {
  expect(describe(ours)).toEqual([
    'taken over after 0.60 s; both masters for 0.0 s; 0 connections cut; 0 % of the time missing',
    'changes of the first table afterwards: 0',
    'UDP, new ports       lost 12 of 181',
    'UDP, one port        lost 12 of 181',
    'TCP, new connections lost 12 of 181',
    'TCP, long-lived      lost 12 of 181',
  ])
})

test('the systems stand one below the other', () => {
  const lines = formatText({
    rows: [...theirs.rows, ...ours.rows],
    trials: [theirs.seen, ours.seen],
  }).split('\n')
  expect(lines.slice(1, 3)).toEqual(['', 'active stopped'])
  expect(lines[3]!.trim().split(/ {2,}/)).toEqual([
    'keepalived',
    '0.60 s',
    '12',
    '12',
    '12',
    '12',
    '1',
    '1',
  ])
  expect(lines[4]!.trim().split(/ {2,}/)).toEqual([
    'ipvs run',
    '0.60 s',
    '12',
    '12',
    '12',
    '12',
    '0',
    '0',
  ])
})
