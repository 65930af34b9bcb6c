import { expect, test } from 'vitest'
import { formatOutcome, type Outcome, quantile, type Row } from './verdict.js'

const row = (failure: string, client: string, lost: number, takeoverMs: number | null): Row => ({
  system: 'ipvs',
  failure,
  client,
  asked: 100,
  lost,
  takeoverMs,
})

test('a line for each failure, with what each client has lost', () => {
  const outcome: Outcome = {
    rows: [
      row('etcd stopped', 'bgp', 0, 1234.5),
      row('etcd stopped', 'd1', 2, 1234.5),
      row('director killed', 'bgp', 0, null),
      row('director killed', 'd1', 17, null),
    ],
    changes: { quiet: [30, 10, 20], compacted: [5] },
    maglev: [{ when: 'at first', flows: 10, same: 9 }],
    problems: [],
    fleet: 'lb1',
  }
  expect(formatOutcome(outcome).split('\n')).toEqual([
    'failure          until all is well  asked  lost: bgp  lost: d1',
    'etcd stopped               1235 ms    200          0         2',
    'director killed                  –    200          0        17',
    '',
    'A member change reaches the last of three kernels:',
    '  quiet: median 20 ms, p99 30 ms, of 3',
    '  while etcd is compacted: median 5 ms, p99 5 ms, of 1',
    '',
    'Flows for which three directors choose the same server:',
    '  at first: 9 of 10',
    '',
    'lb1',
  ])
})

test('quantiles are values that were measured', () => {
  const values = Array.from({ length: 100 }, (_, at) => at + 1)
  expect([quantile(values, 0.5), quantile(values, 0.99)]).toEqual([51, 100])
  expect(quantile([], 0.5)).toBeNaN()
})
