// What each figure means, on made-up logs in which it is known.
import { describe, expect, it, test } from 'vitest'
import { servers } from '../../lab/network/three-servers.js'
import { deadOn, evidence, failedAt, others, queries, restoredAt, table } from './made-up.js'
import { judge } from './verdict.js'

const row = (about: Parameters<typeof evidence>[0], client = 'UDP, one port') =>
  judge(evidence(about)).rows.find((one) => one.client === client)!

describe('a server that fails', () => {
  it('is found when it has left both at once, and nothing is lost afterwards', () => {
    const { rows, timeline, problems } = judge(evidence())
    expect(problems).toEqual([])
    expect(rows.map(({ client }) => client)).toEqual(['UDP, new ports', 'UDP, one port', 'TCP'])
    for (const one of rows) {
      expect(one).toMatchObject({ detectMs: 1000, skewMs: 0, lostBefore: 20, lostAfter: 0 })
    }
    expect(timeline).toMatchObject({ flips: 2, splitFlips: 0 })
    expect(timeline.inTable.udp).toEqual([
      [-1050, 1000],
      [9000, 10_000],
    ])
    expect(timeline.dead.tcp).toEqual([[0, 7995]])
    expect(timeline.lost.TCP.reduce((sum, n) => sum + n)).toBe(20)
  })

  it('is found with the first protocol that it has left; the other one follows apart', () => {
    const held = [
      { at: 11_000, tcp: others, udp: servers },
      { at: 11_250, tcp: others, udp: others },
      { at: 19_000, tcp: servers, udp: others },
      { at: 19_100, tcp: servers, udp: servers },
    ]
    const about = {
      held,
      system: 'keepalived, notify script' as const,
      queries: queries((client, at) => at >= failedAt && at < (client === 'TCP' ? 11_000 : 11_250)),
    }
    expect(row(about)).toMatchObject({ detectMs: 1000, skewMs: 348, lostBefore: 25, lostAfter: 0 })
    expect(row(about, 'TCP')).toMatchObject({ lostBefore: 20, lostAfter: 0 })
    const { timeline, problems } = judge(evidence(about))
    expect(timeline).toMatchObject({ flips: 2, splitFlips: 2 })
    expect(problems).toEqual([])
    expect(judge(evidence({ ...about, system: 'ipvs' })).problems).toEqual([
      'ipvs: process-death: TCP and UDP had different servers for 348 ms.',
    ])
  })

  it('has left both at once, too, if one look came between the two halves, but not if two did', () => {
    const flip = (ms: number) => [
      { at: 11_000, tcp: others, udp: servers },
      { at: 11_000 + ms, tcp: others, udp: others },
      { at: 19_000, tcp: servers, udp: servers },
    ]
    const one = judge(evidence({ held: flip(1) }))
    expect(one.problems).toEqual([])
    expect(one.timeline).toMatchObject({ flips: 2, splitFlips: 1 })
    expect(judge(evidence({ held: flip(2) })).problems).toEqual([
      'ipvs: process-death: TCP and UDP had different servers for 1 ms.',
    ])
  })

  it('is never found if it stays: then there is no after', () => {
    const about = { held: [], queries: queries((_, at) => at >= failedAt && at < restoredAt) }
    expect(row(about)).toMatchObject({
      detectMs: null,
      skewMs: 0,
      lostBefore: 160,
      lostAfter: null,
    })
    expect(judge(evidence(about)).problems).toEqual([
      'ipvs: process-death: the dead server stayed.',
    ])
  })

  it('counts what is lost although it has left', () => {
    const about = { queries: queries((_, at) => at >= failedAt && at < 14_000) }
    expect(row(about)).toMatchObject({ lostBefore: 20, lostAfter: 60 })
    expect(judge(evidence(about)).problems).toHaveLength(3)
  })

  it('that is dead on one protocol costs nothing on the other, whatever holds it', () => {
    const about = {
      dead: deadOn('udp'),
      held: [],
      system: 'keepalived, notify script' as const,
      queries: queries((client, at) => client !== 'TCP' && at >= failedAt && at < restoredAt),
    }
    expect(row(about)).toMatchObject({ detectMs: null, lostBefore: 160, lostAfter: null })
    expect(row(about, 'TCP')).toMatchObject({ lostBefore: 0, lostAfter: 0 })
  })

  it('counts as out with weight 0', () => {
    const entry = table({ at: 11_000, tcp: servers, udp: servers }, 0)
    const { tables, ...rest } = evidence()
    const { rows } = judge({ ...rest, tables: [tables[1]!, entry] })
    expect(rows[0]).toMatchObject({ detectMs: 1000 })
  })
})

test('a flapping server is found at its first death, and every flip counts', () => {
  const spells = [10_000, 16_000].map((from) => ({ from, to: from + 3000 }))
  const held = spells.flatMap(({ from, to }) => [
    { at: from + 1000, tcp: others, udp: servers },
    { at: from + 1100, tcp: others, udp: others },
    { at: to + 500, tcp: servers, udp: servers },
  ])
  const dead = spells.flatMap((spell) =>
    (['tcp', 'udp'] as const).map((protocol) => ({ protocol, ...spell })),
  )
  const lost = queries((_, at) => spells.some(({ from, to }) => at >= from && at < to - 1500))
  const { rows, timeline } = judge(
    evidence({ failure: 'flapping', system: 'keepalived, native udp', held, dead, queries: lost }),
  )
  expect(timeline).toMatchObject({ flips: 4, splitFlips: 2 })
  // 1100 and 400 ms of each death.
  expect(rows[1]).toMatchObject({ detectMs: 1000, skewMs: 198, lostBefore: 44, lostAfter: 16 })
})

describe('a table or its controller', () => {
  const controller = { failure: 'restart', dead: [] } as const
  const none = queries(() => false)

  it('was never wrong', () => {
    const about = { ...controller, held: [], queries: none }
    expect(row(about)).toMatchObject({ detectMs: 0, skewMs: 0, lostBefore: 0, lostAfter: 0 })
  })

  it('was wrong for a while, and what was lost then was lost before', () => {
    const held = [
      { at: 10_200, tcp: undefined, udp: servers },
      { at: 10_900, tcp: servers, udp: servers },
    ]
    const lost = queries((client, at) => client === 'TCP' && at >= 10_200 && at < 10_900)
    const about = { ...controller, held, queries: lost }
    expect(row(about)).toMatchObject({ detectMs: 700, skewMs: 699, lostBefore: 0, lostAfter: 0 })
    expect(row(about, 'TCP')).toMatchObject({ lostBefore: 14, lostAfter: 0 })
    expect(judge(evidence(about)).problems).toEqual([])
  })

  it('is never right again', () => {
    const held = [{ at: 10_200, tcp: servers, udp: undefined }]
    const lost = queries((client, at) => client !== 'TCP' && at >= 10_200)
    const about = { ...controller, held, queries: lost }
    expect(row(about)).toMatchObject({ detectMs: null, lostAfter: null })
    expect(row(about).lostBefore).toBeGreaterThan(190)
    expect(row(about, 'TCP')).toMatchObject({ lostBefore: 0, lostAfter: 0 })
    expect(judge(evidence(about)).problems).toEqual(['ipvs: restart: the table was not put right.'])
  })

  it('is right without a server that is dead', () => {
    const dead = deadOn('tcp', 'udp').map((one) => ({ ...one, from: 6000 }))
    const held = [
      { at: 7000, tcp: others, udp: others },
      { at: 10_100, tcp: servers, udp: servers },
      { at: 11_600, tcp: others, udp: others },
      { at: 19_000, tcp: servers, udp: servers },
    ]
    const lost = queries((_, at) => (at >= 6000 && at < 7000) || (at >= 10_100 && at < 11_600))
    const about = { failure: 'restart-while-down', dead, held, queries: lost } as const
    // What was lost before the controller was restarted is not its restart's.
    expect(row(about)).toMatchObject({ detectMs: 1500, lostBefore: 30, lostAfter: 0 })
    expect(judge(evidence(about)).problems).toEqual([])
  })
})

describe('a trial is worth nothing', () => {
  /** Eight seconds are waited for an answer, of which 1.3 are missing; of the whole trial that is no tenth. */
  const starved = (lost: (at: number) => boolean) => {
    const stolen = { at: 12_300, stolenMs: 1300 }
    return judge(
      evidence({
        tables: [...evidence().tables, stolen],
        queries: queries((_, at) => lost(at)),
      }),
    )
  }

  it('not when what the dead server was asked got no time to be answered in: that was lost', () => {
    const { rows, problems, doubts } = starved((at) => at >= failedAt && at < 11_000)
    expect(rows[1]).toMatchObject({ client: 'UDP, one port', lostBefore: 20, lostAfter: 0 })
    expect([...problems, ...doubts]).toEqual([])
  })

  it('when what was asked after the flip got no time to be answered in', () => {
    const { problems, doubts } = starved((at) => at >= failedAt && at < 11_400)
    expect(problems).toEqual([])
    expect(doubts).toContain(
      'ipvs: process-death: client "UDP, one port": of 8 queries nobody knows what became of them.',
    )
  })

  it('when something was lost before anything failed', () => {
    const { problems } = judge(evidence({ queries: queries((_, at) => at === 7001) }))
    expect(problems).toEqual([
      'ipvs: process-death: client "UDP, one port" lost 1 queries before anything failed.',
    ])
  })

  it('when a client has not asked', () => {
    const asked = queries(() => false).filter(({ client }) => client !== 'TCP')
    expect(judge(evidence({ queries: asked })).problems).toEqual([
      'ipvs: process-death: client "TCP" has not asked anything.',
    ])
  })

  it('when the table was not full', () => {
    const held = [
      { at: 9000, tcp: others, udp: servers },
      { at: 11_000, tcp: others, udp: others },
    ]
    expect(judge(evidence({ held })).problems).toContain(
      'ipvs: process-death: TCP had not all servers before anything failed.',
    )
  })
})
