import { describe, expect, test } from 'vitest'
import { CASES, COMMANDS, HOST_CASES } from './cases.js'
import { planRuns } from './plan.js'
import { summarise } from './summary.js'
import { additions, churn, finalTable, memberFlips, weightFlips } from './workload.js'

describe('workloads', () => {
  test('what is left is what the last change of each object said', () => {
    const setup = [['-A -t 192.0.2.1:53 -s wrr', '-a -t 192.0.2.1:53 -r 10.0.0.1:53 -g -w 1']]
    const operations = [
      ['-e -t 192.0.2.1:53 -r 10.0.0.1:53 -g -w 5'],
      ['-a -t 192.0.2.1:53 -r 10.0.0.2:53 -g -w 1', '-a -t 192.0.2.1:53 -r 10.0.0.3:53 -g -w 1'],
      ['-d -t 192.0.2.1:53 -r 10.0.0.2:53'],
    ]
    expect(finalTable({ setup, operations })).toEqual([
      '-A -t 192.0.2.1:53 -s wrr',
      '-a -t 192.0.2.1:53 -r 10.0.0.1:53 -g -w 5',
      '-a -t 192.0.2.1:53 -r 10.0.0.3:53 -g -w 1',
    ])
  })

  test('a flip is both protocols, and changes something each time', () => {
    for (const { operations } of [weightFlips(50), memberFlips(50)]) {
      expect(operations.every(([tcp, udp]) => tcp!.replace('-t', '-u') === udp)).toBe(true)
    }
    const { operations } = weightFlips(50, 4)
    for (let i = 4; i < 50; i++) expect(operations[i]).not.toEqual(operations[i - 4])
  })

  test('churn is the same every time, and never asks for what cannot be', () => {
    const work = churn(2000, 20, 5)
    expect(churn(2000, 20, 5)).toEqual(work)
    const there = new Set<string>()
    for (const line of [...work.setup, ...work.operations].flat()) {
      const [verb, protocol, vip, , server] = line.split(' ')
      const key = `${protocol} ${vip} ${server}`
      if (verb === '-A') continue
      expect(there.has(key), line).toBe(verb !== '-a')
      if (verb === '-a') there.add(key)
      if (verb === '-d') there.delete(key)
    }
  })

  test('a change left out shows in the table, or nobody could tell a cheat', () => {
    const { setup, operations } = additions(100)
    const table = finalTable({ setup, operations: operations.filter((_, i) => i % 10 !== 9) })
    expect(table).not.toEqual(finalTable({ setup, operations }))
  })
})

test('every driver of every case can be started, the floor among them', () => {
  for (const { name, drivers, floor } of [...CASES, ...HOST_CASES]) {
    expect(drivers, name).toContain(floor)
    for (const driver of drivers) expect(COMMANDS[driver], `${name}: ${driver}`).toBeDefined()
  }
})

test('a round is run backwards after the one before it; the floor beside a driver that is named', () => {
  const names = (runs: ReturnType<typeof planRuns>) => runs.map(({ driver }) => driver)
  const once = names(planRuns(['callers-1000'], undefined, 1))
  expect(names(planRuns(['callers-1000'], undefined, 2))).toEqual([...once, ...once.toReversed()])
  expect(names(planRuns(['callers-1000'], 'pool-1000', 1))).toEqual(['c-floor', 'pool-1000'])
})

test('medians are over all rounds, ratios by the change where a driver had fewer', () => {
  const of = (driver: string, changes: number, ...times: number[]) => ({
    case: 'add-10000',
    driver,
    times,
    changes,
  })
  const { results, problems } = summarise([
    of('c-floor', 10_000, 100_000),
    of('c-floor', 10_000, 120_000),
    of('c-floor', 10_000, 110_000),
    of('ipvsadm', 20, 440_000),
    { ...of('netlink', 0), problem: 'the table is wrong after it' },
  ])
  expect(results).toMatchObject([
    { driver: 'c-floor', n: 3, medianUs: 110_000, perChangeUs: 11, ratioToFloor: 1 },
    { driver: 'ipvsadm', n: 1, medianUs: 440_000, perChangeUs: 22_000, ratioToFloor: 2000 },
  ])
  expect(problems).toEqual(['add-10000, netlink: the table is wrong after it'])
})
