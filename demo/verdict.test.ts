// What the demo's verdict makes of made-up plays: it finds what is wrong, and does not blame the library for a busy machine.
import { describe, expect, test } from 'vitest'
import { Steal } from '../lab/witness/steal.js'
import { begin, both, downAt, evidence, good, queries, table, upAt } from './made-up.js'
import { paceOf } from './pace.js'
import { judge } from './verdict.js'

/** So much was stolen, in pieces of 10 ms, evenly over the time between. */
function stolen(from: number, to: number, share: number): Steal {
  const steal = new Steal()
  for (let at = from; at < to; at += 10 / share) steal.add({ from: at, to: at + 10 })
  return steal
}

const half = stolen(begin(0), begin(4), 0.5)

test('a play in which all is well is held, on a quiet machine and on a busy one', () => {
  expect(judge(evidence())).toMatchObject({ outcome: 'held', problems: [], doubts: [], missing: 0 })
  const busy = judge(evidence({ steal: half }))
  expect(busy).toMatchObject({ outcome: 'held', problems: [], doubts: [] })
  expect(busy.missing).toBeCloseTo(0.5, 1)
})

describe('the UDP half of a flip that does not come', () => {
  const tcpOnly = [
    good[0]!,
    table(downAt, { tcp: ['dns1', 'dns3'], udp: ['dns1', 'dns2', 'dns3'] }),
    table(upAt, both(['dns1', 'dns2', 'dns3'])),
  ]

  test.each([
    ['quiet', new Steal()],
    ['busy', half],
    ['busiest', stolen(begin(0), begin(4), 0.9)],
  ])('is found on a %s machine', (_, steal) => {
    const { outcome, mismatches, problems } = judge(evidence({ tables: tcpOnly, steal }))
    expect(outcome).toBe('failed')
    expect(mismatches).toBeGreaterThan(0)
    expect(problems.join()).toMatch(/looks had different servers/)
  })
})

test('a moment between TCP and UDP is the middle of a flip, however long the machine stood still in it', () => {
  const split = [
    good[0]!,
    table(downAt, { tcp: ['dns1', 'dns3'], udp: ['dns1', 'dns2', 'dns3'] }),
    table(downAt + 500, both(['dns1', 'dns3'])),
    good[2]!,
  ]
  const still = new Steal([{ from: downAt + 1, to: downAt + 499 }])
  expect(judge(evidence({ tables: split, steal: still }))).toMatchObject({ mismatches: 0 })
  expect(judge(evidence({ tables: split })).mismatches).toBeGreaterThan(0)
})

test('a query that was on its way when the server was killed belongs to the failure', () => {
  const last = queries((client, sentAt) => client === 'TCP' && sentAt === begin(1) - 48)
  const { outcome, phases } = judge(evidence({ queries: last }))
  expect(outcome).toBe('held')
  expect(phases[0]?.count.lost).toBe(0)
  const earlier = queries((client, sentAt) => client === 'TCP' && sentAt === begin(1) - 498)
  expect(judge(evidence({ queries: earlier })).problems).toEqual([
    'steady: client "TCP" lost 1 queries, and nothing had failed.',
  ])
})

test('what is lost after the flip is a problem; on a busy machine some may be late, but not every second', () => {
  const after = (most: number) =>
    queries((client, at) => client !== 'TCP' && at >= downAt && at < downAt + most)
  expect(judge(evidence({ queries: after(200) })).outcome).toBe('failed')
  expect(judge(evidence({ queries: after(3000) })).outcome).toBe('failed')
  // Of the time in which these were asked a part was missing, but not while they were on their way.
  const before = stolen(begin(1), downAt, 0.9)
  expect(judge(evidence({ queries: after(200), steal: before })).outcome).toBe('busy')
  expect(judge(evidence({ queries: after(3000), steal: before })).outcome).toBe('failed')
})

test('queries that the machine gave no time are taken out, but enough must be left to tell', () => {
  const some = queries((_, at) => at >= begin(3) + 100 && at < begin(3) + 400)
  expect(judge(evidence({ queries: some, steal: half }))).toMatchObject({ outcome: 'held' })
  const most = queries((_, at) => at >= begin(3) + 100 && at < begin(3) + 3000)
  expect(judge(evidence({ queries: most, steal: half }))).toMatchObject({ outcome: 'busy' })
  expect(judge(evidence({ queries: most })).outcome).toBe('failed')
})

test('a server that goes without a cause is a problem, unless its checks got no time', () => {
  const gone = [
    ...good,
    table(begin(3) + 1000, both(['dns1', 'dns2'])),
    table(begin(3) + 2000, both(['dns1', 'dns2', 'dns3'])),
  ]
  expect(judge(evidence({ tables: gone })).problems).toEqual([
    'end: dns3 went down without a cause.',
    'end: dns3 went up without a cause.',
  ])
  expect(judge(evidence({ tables: gone, steal: half })).outcome).toBe('busy')
})

test('a flip that does not come is a problem when there was time for it', () => {
  const never = evidence({ tables: [good[0]!], pace: { ...paceOf(1000), flipLimitMs: 3000 } })
  expect(judge(never).problems.join()).toMatch(/dns2 never went down on TCP/)
  const { problems, doubts } = judge({ ...never, steal: half })
  expect(problems).toEqual([])
  expect(doubts.join()).toMatch(/dns2 never went down on TCP/)
})

test('a pool that says it has diverged is a problem', () => {
  const diverged = { type: 'controller', at: 15_000, event: 'diverged', text: 'x' } as const
  expect(judge(evidence({ controller: [diverged] })).problems).toEqual(['pool: diverged: x'])
})

test('the table at the end is what ipvsadm shows', () => {
  const ipvsadm = 'TCP  192.0.2.53:53 rr\n  -> 192.0.2.11:53  Route   1      0          0'
  expect(judge(evidence({ ipvsadm })).problems).toHaveLength(2)
})

test('limits follow the machine: as they are on a quick one, longer on a slow one, and never without end', () => {
  expect(paceOf(5000)).toMatchObject({ slowness: 1, intervalMs: 500, timeoutMs: 500 })
  expect(paceOf(225)).toMatchObject({ slowness: 2, intervalMs: 1000, timeoutMs: 1000 })
  expect(paceOf(1)).toMatchObject({ slowness: 8, intervalMs: 4000 })
})
