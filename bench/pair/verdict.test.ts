// What each figure means, on made-up logs in which it is known.
import { describe, expect, it, test } from 'vitest'
import { servers } from '../../lab/network/three-servers.js'
import { isUntold } from '../trials/trials.js'
import {
  adverts,
  duringTakeover,
  endedAt,
  evidence,
  failedAt,
  overAt,
  queries,
  resigned,
  table,
  takenAt,
} from './made-up.js'
import { judge, type Row, worse } from './verdict.js'

const named = (text: string) => `ipvs run: sigterm: ${text}`

test('a takeover is over when the other director says that it is the master', () => {
  const { rows, seen, problems } = judge(evidence())
  expect(rows).toHaveLength(4)
  expect(rows[0]).toEqual({
    ...{ system: 'ipvs run', failure: 'sigterm', client: 'UDP, new ports' },
    ...{ lost: 12, takeoverMs: 600 },
  })
  expect(seen).toMatchObject({ cut: 0, bothMs: 0, changesAfterwards: 0, heldDeadMs: null })
  expect(seen.asked['TCP, long-lived']).toBe(181)
  expect(problems).toEqual([])
})

test('what is lost when a director comes back is counted, and shown apart', () => {
  const again = queries((client, at) => duringTakeover(client, at) || (at >= 16_000 && at < 16_250))
  const { rows, seen } = judge(evidence({ queries: again }))
  expect(rows[1]!.lost).toBe(17)
  expect(seen.lostAfterwards['UDP, one port']).toBe(5)
})

test('a query without an answer is lost, whatever the machine did, and so is one with a late answer', () => {
  const answers = queries(duringTakeover).map((query) =>
    query.client === 'TCP, long-lived' && query.sentAt >= failedAt && query.sentAt < takenAt
      ? { ...query, endedAt: failedAt + 2200, server: 'dns1' }
      : query,
  )
  const stolen = { at: 12_100, stolenMs: 150 }
  const { rows } = judge(
    evidence({
      queries: answers,
      tables: { lb1: [table(4000, servers), stolen], lb2: [table(4100, servers)] },
    }),
  )
  expect(rows.map(({ lost }) => lost)).toEqual([12, 12, 12, 4])
})

describe('a trial is worth nothing', () => {
  const problemsOf = (about: Parameters<typeof evidence>[0]) => judge(evidence(about)).problems

  it('when something was lost before anything failed', () => {
    expect(problemsOf({ queries: queries((_, at) => at === 7000) })).toEqual([
      named('client "UDP, new ports" lost 1 queries before anything failed.'),
    ])
  })

  it('when a client has not asked', () => {
    const asked = queries(duringTakeover).filter(({ client }) => client !== 'TCP, long-lived')
    expect(problemsOf({ queries: asked })).toEqual([
      named('client "TCP, long-lived" had not asked anything before the failure.'),
    ])
  })

  it('when nobody took over', () => {
    expect(problemsOf({ adverts: adverts('lb1', 4200, failedAt) })).toEqual([
      named('the other director has not taken over.'),
      named('masters at the end: none; there has to be one.'),
    ])
  })

  it('when both are master at the end', () => {
    const both = [...adverts('lb1', 4200, endedAt), ...adverts('lb2', takenAt, endedAt)]
    expect(problemsOf({ adverts: both })).toEqual([
      named('masters at the end: lb1, lb2; there has to be one.'),
    ])
  })

  it('when the other one took over although only the controller had died', () => {
    expect(problemsOf({ failure: 'controller-killed' })).toEqual([
      'ipvs run: controller-killed: the other director took over without need.',
    ])
  })
})

test('two masters are so for as long as both say it', () => {
  const both = [
    ...adverts('lb1', 4200, 14_000),
    resigned('lb1', 14_100),
    ...adverts('lb2', 11_000, endedAt),
  ]
  expect(judge(evidence({ failure: 'two-masters', adverts: both })).seen.bothMs).toBe(3100)
  // One that was killed says nothing any more.
  const silent = [...adverts('lb1', 4200, failedAt), ...adverts('lb2', 11_000, endedAt)]
  expect(judge(evidence({ failure: 'kill-9', adverts: silent })).seen.bothMs).toBe(0)
})

describe('ours has not', () => {
  it('to cut a connection', () => {
    const { seen, problems } = judge(evidence({ cuts: [failedAt + 5, 16_000] }))
    expect(seen.cut).toBe(2)
    expect(problems).toEqual([named('2 connections were cut.')])
    expect(judge(evidence({ cuts: [16_000], system: 'keepalived' })).problems).toEqual([])
  })

  it('to change its table when it comes back', () => {
    const lb1 = [table(4000, servers), table(12_000, []), table(overAt + 9, servers)]
    const tables = { lb1, lb2: [table(4100, servers)] }
    const { seen, problems } = judge(evidence({ tables }))
    expect(seen.changesAfterwards).toBe(1)
    expect(problems).toEqual([named('the first table was changed 1 times.')])
    // Without its cable it sees no server.
    expect(judge(evidence({ tables, failure: 'link-loss' })).seen.changesAfterwards).toBeNull()
  })

  it('to let packets go round', () => {
    expect(judge(evidence({ twice: 2, hopsExceeded: 1 })).problems).toEqual([
      named('3 packets went round.'),
    ])
  })
})

test('where directors are servers, what is lost counts from the first query on', () => {
  const lost = queries((client, at) => at === 7000 || duringTakeover(client, at))
  const { rows, problems } = judge(
    evidence({ failure: 'servers-too', queries: lost, cuts: [failedAt + 5], hopsExceeded: 1 }),
  )
  expect(rows.map((row) => row.lost)).toEqual([13, 12, 12, 12])
  expect(problems).toEqual([])
})

describe('a dead server', () => {
  const dead = { server: 'dns2', from: 7000 } as const
  const others = servers.filter((server) => server !== dead.server)
  const tables = (...lb1: Parameters<typeof table>[]) => ({
    lb1: [table(4000, servers), ...lb1.map((one) => table(...one))],
    lb2: [table(4100, servers), table(9500, others)],
  })
  const judged = (some: ReturnType<typeof tables>) =>
    judge(evidence({ failure: 'server-dead', dead, beganAt: 6900, tables: some }))

  it('is known when both have taken it out, and may not come back then', () => {
    expect(judged(tables([9000, others])).seen.heldDeadMs).toBe(0)
    const { seen, problems } = judged(tables([9000, others], [overAt, servers], [16_700, others]))
    expect(seen.heldDeadMs).toBe(1700)
    expect(problems).toContain(
      'ipvs run: server-dead: a server that both knew to be dead was held for 1700 ms.',
    )
  })

  it('that one of them never took out is a problem too', () => {
    expect(judged(tables()).problems).toContain(
      'ipvs run: server-dead: the dead server was never out on both.',
    )
  })

  it('costs what it costs: only what is lost from the takeover on counts', () => {
    const lost = queries(
      (_, at) => (at >= 7000 && at < 9500) || duringTakeover('TCP, long-lived', at),
    )
    const { rows, problems } = judge(
      evidence({ failure: 'server-dead', dead, tables: tables([9000, others]), queries: lost }),
    )
    expect(rows[0]!.lost).toBe(12)
    expect(problems).toEqual([])
  })
})

test('with much of the time missing, what is wrong is a doubt', () => {
  const stolen = { at: 8000, stolenMs: 3000 }
  const tables = { lb1: [table(4000, servers), stolen], lb2: [table(4100, servers)] }
  const verdict = judge(evidence({ cuts: [failedAt + 5], tables }))
  expect(verdict.problems).toEqual([])
  expect(verdict.doubts).toEqual([named('1 connections were cut.')])
  expect(isUntold(verdict)).toBe(true)
})

test('but not that a dead server came back', () => {
  const stolen = { at: 8000, stolenMs: 3000 }
  const others = servers.filter((server) => server !== 'dns2')
  const { problems, doubts } = judge(
    evidence({
      failure: 'server-dead',
      dead: { server: 'dns2', from: 7000 },
      tables: {
        lb1: [table(4000, servers), stolen, table(9000, others), table(15_100, servers)],
        lb2: [table(4100, servers), table(9000, others)],
      },
    }),
  )
  expect(problems).toEqual([
    'ipvs run: server-dead: a server that both knew to be dead was held for 3900 ms.',
  ])
  expect(doubts).toEqual(['ipvs run: server-dead: the first table was changed 1 times.'])
})

describe('ours is worse', () => {
  const row = (system: Row['system'], about: Partial<Row> = {}): Row => ({
    ...{ system, failure: 'kill-9', client: 'UDP, new ports', lost: 30, takeoverMs: 2800 },
    ...about,
  })
  const seen = (system: Row['system'], cut: number, doubled = 0) => ({
    ...{ system, failure: 'kill-9' as const, cut, doubled },
  })
  const none = [seen('keepalived', 0), seen('ipvs run', 0)]

  it('not where it lost as much, or a little more', () => {
    const rows = [row('keepalived'), row('ipvs run', { lost: 45, takeoverMs: 3100 })]
    expect(worse(rows, none)).toEqual([])
    expect(worse([row('ipvs run', { lost: 500 })], none)).toEqual([])
  })

  it('where it lost more, took over later, or cut more', () => {
    const rows = [row('keepalived'), row('ipvs run', { lost: 46, takeoverMs: 3101 })]
    expect(worse(rows, [seen('keepalived', 0), seen('ipvs run', 1, 2)])).toEqual([
      'kill-9: client "UDP, new ports" lost 46, with keepalived 30.',
      'kill-9: taken over after 3101 ms, with keepalived 2800.',
      'kill-9: 2 packets went round, with keepalived 0.',
      'kill-9: 1 connections cut, with keepalived 0.',
    ])
  })
})
