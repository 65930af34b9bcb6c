import { describe, expect, it } from 'vitest'
import { down, FULL, Run, service, table, up } from './made-up.js'
import { judge, LIMIT_MS } from './verdict.js'

/** A server of the queried pool goes down, and the client's query after it goes to the other one. */
function flipped(run: Run): Run {
  return run
    .want(8000, 900, 'mail', { 1: up, 2: down })
    .seen(8004, table({ dns: { 1: 1, 2: 1 }, mail: { 1: 1 } }))
    .done(8005, 900)
    .delivered(8100, '10.2.0.1:25')
}

/** One server of one pool is missing. */
const without = table({ dns: { 1: 1 }, mail: { 1: 1, 2: 1 } })
const verdict = (run: Run) => judge(flipped(run).logs()).verdict

describe('a run in which all is well', () => {
  it('holds', () => {
    const findings = judge(flipped(new Run()).logs())
    expect(findings.troubles).toEqual([])
    expect(findings.verdict).toEqual({
      ...{ ok: true, outcome: 'held', missing: 0, minutes: 1, actions: 3, kills: 0 },
      ...{ divergences: 0, missingHealthyMs: 0, lostAfterFlip: 0 },
    })
    expect(findings).toMatchObject({ quiets: 1, telling: 1 })
  })

  it('may be in any order in its logs', () => {
    const logs = flipped(new Run()).logs()
    const driver = [...logs.driver].sort((a, b) => a.event.localeCompare(b.event) || a.at - b.at)
    expect(judge({ ...logs, driver }).verdict.ok).toBe(true)
  })
})

describe('divergences', () => {
  const rest = service('tcp', 'mail', { 1: 1 }).concat(service('udp', 'mail', { 1: 1 }))
  const tcp = service('tcp', 'dns', { 1: 1, 2: 1 })
  const udp = service('udp', 'dns', { 1: 1, 2: 1 })

  it.each([
    [
      'a server is missing',
      [...tcp, ...service('udp', 'dns', { 1: 1 })],
      'udp 192.0.2.1:53 10.1.0.2:53: is not there, not Route 1',
    ],
    [
      'a server is too many',
      [...service('tcp', 'dns', { 1: 1, 2: 1, 101: 5 }), ...udp],
      'tcp 192.0.2.1:53 10.1.0.101:53: Route 5, not absent',
    ],
    [
      'a weight is another one',
      [...tcp, ...service('udp', 'dns', { 1: 1, 2: 9 })],
      'udp 192.0.2.1:53 10.1.0.2:53: Route 9, not Route 1',
    ],
    [
      'a method is another one',
      [...tcp, ...udp.map((line) => line.replace('Route', 'Local'))],
      'udp 192.0.2.1:53 10.1.0.1:53: Local 1, not Route 1',
    ],
    ['a service is missing', udp, 'tcp 192.0.2.1:53: is not there'],
    [
      'a scheduler is another one',
      [...service('tcp', 'dns', { 1: 1, 2: 1 }, 'sed'), ...udp],
      'tcp 192.0.2.1:53: sed, not wrr',
    ],
    [
      'one-packet scheduling is gone',
      [...tcp, ...service('udp', 'dns', { 1: 1, 2: 1 }, 'wrr')],
      'udp 192.0.2.1:53: wrr, not wrr ops',
    ],
    ['the table is empty', undefined, 'tcp 192.0.2.1:53: is not there'],
  ])('%s', (_, dns, line) => {
    const seen = dns === undefined ? [] : [...dns, ...rest]
    const findings = judge(flipped(new Run()).seen(9990, seen).logs())
    expect(findings.verdict).toMatchObject({ ok: false, divergences: 1 })
    expect(findings.divergence?.lines).toContain(line)
    expect(findings.divergence?.at).toBe(9999)
  })

  it('what was so before the end of the quiet time does not count, nor do services of others', () => {
    const others = ['TCP  C6336401:0001 rr', 'FWM  00000007 rr']
    const run = new Run().seen(9000, []).seen(9200, [...FULL, ...others])
    run.want(9201, 901, 'mail', { 1: up, 2: up }).done(9202, 901)
    expect(verdict(run)).toMatchObject({ ok: true, divergences: 0, missingHealthyMs: 200 })
  })

  it('a restart after a quiet time must not be seen', () => {
    const run = new Run({ kills: 2 })
      .at(2000, { event: 'still' })
      .at(2100, { event: 'killed' })
      .seen(3000, FULL.slice(0, -1))
      .seen(3020, FULL)
      .at(3030, { event: 'ready', version: 0 })
      .at(3050, { event: 'killed' })
      .seen(4000, [])
      .seen(4020, FULL)
      .at(4030, { event: 'ready', version: 0 })
      .at(4040, { event: 'loud' })
      .seen(5000, [])
      .seen(5020, FULL)
    const findings = judge(flipped(run).logs())
    expect(findings.verdict).toMatchObject({ ok: false, divergences: 1 })
    expect(findings).toMatchObject({
      quiets: 2,
      divergence: { at: 3000, lines: ['udp 192.0.2.2:25 10.2.0.2:25: is not there, not Masq 1'] },
    })
  })

  it('a server that drains has weight 0, one in maintenance is out', () => {
    const run = new Run()
      .want(500, 1, 'dns', { 1: { ...up, weight: 3 }, 2: { ...up, admin: 'drain' } })
      .done(510, 1)
      .seen(511, table({ dns: { 1: 3, 2: 0 }, mail: { 1: 1, 2: 1 } }))
    // As `flipped` has it.
    const logs = run
      .want(8000, 9, 'mail', { 1: up, 2: { ...up, admin: 'maintenance' } })
      .done(8004, 9)
    const { divergences } = judge(
      logs.seen(8003, table({ dns: { 1: 3, 2: 0 }, mail: { 1: 1 } })).logs(),
    ).verdict
    expect(divergences).toBe(0)
  })
})

describe('missingHealthyMs', () => {
  it('is the time from the look at which it is gone to the one at which it is back', () => {
    const findings = judge(flipped(new Run().seen(1000, without).seen(1400, FULL)).logs())
    expect(findings.verdict).toMatchObject({ ok: true, missingHealthyMs: 400 })
    expect(findings.missing).toMatchObject({
      what: 'tcp 192.0.2.1:53 10.1.0.2:53',
      from: 1000,
      to: 1400,
    })
  })

  it('counts one protocol alone, and weight 0', () => {
    const zero = FULL.map((line) => line.replace(/(0A020001:0019 +Masq +)1/, '$10'))
    const run = new Run()
      .seen(1000, [...service('tcp', 'dns', { 1: 1 }), ...FULL.slice(3)])
      .seen(1100, zero)
      .seen(1250, FULL)
    expect(verdict(run).missingHealthyMs).toBe(150)
  })

  it('goes on over looks that show something else', () => {
    const run = new Run()
      .seen(1000, without)
      .seen(1300, service('tcp', 'mail', { 1: 1 }))
      .seen(1600, FULL)
    expect(verdict(run).missingHealthyMs).toBe(600)
  })

  it('has a limit', () => {
    const within = new Run().seen(1000, without).seen(1000 + LIMIT_MS, FULL)
    expect(verdict(within)).toMatchObject({ ok: true, missingHealthyMs: LIMIT_MS })
    const beyond = new Run().seen(1000, without).seen(1001 + LIMIT_MS, FULL)
    expect(verdict(beyond)).toMatchObject({ ok: false, missingHealthyMs: LIMIT_MS + 1 })
  })

  it('leaves out the time that was stolen from the guest, and nothing else', () => {
    const run = new Run()
      .stolen(990, 100)
      .seen(1000, without)
      .stolen(1500, 300)
      .seen(1500, without.toReversed())
      .stolen(1900, 150)
      .seen(1800, FULL)
    expect(verdict(run).missingHealthyMs).toBe(800 - 300 - 50)
  })

  it('is not longer for a look that nobody could make', () => {
    const long = new Run({ end: 20_000 })
    const run = long.seen(1000, without).done(1690, 7).stolen(1700, 690).seen(1700, FULL)
    expect(verdict(run)).toMatchObject({ ok: true, missingHealthyMs: 10 })
  })

  it('counts until the end, when it does not come back', () => {
    const run = new Run().seen(9700, table({ dns: { 1: 1, 2: 1 }, mail: {} }))
    // Flipped before, so that one server is missing and the other one is not wanted.
    expect(verdict(run).missingHealthyMs).toBe(301)
  })

  it('does not count while no controller is there, or none is ready', () => {
    const run = new Run({ kills: 1 })
      .seen(1000, without)
      .at(1100, { event: 'killed' })
      .at(2000, { event: 'started' })
      .at(3000, { event: 'ready', version: 0 })
      .seen(3250, FULL)
    expect(verdict(run)).toMatchObject({ ok: true, kills: 1, missingHealthyMs: 250 })
  })

  it('counts from when the controller has said that it is there', () => {
    const run = new Run()
      .want(1000, 1, 'dns', { 1: up, 2: down })
      .done(1001, 1)
      .seen(1002, without)
      .want(2000, 2, 'dns', { 1: up, 2: up })
      .done(2500, 2)
      .seen(2600, FULL)
    expect(verdict(run).missingHealthyMs).toBe(100)
  })

  it('counts from when the controller has said that it is not there yet', () => {
    const run = new Run()
      .want(1000, 1, 'dns', { 1: up, 2: down })
      .seen(1002, without)
      .want(2000, 2, 'dns', { 1: up, 2: up })
      .at(2500, { event: 'refused', version: 2 })
      .seen(2640, FULL)
    expect(verdict(run).missingHealthyMs).toBe(140)
  })

  it('of a change that a kill has cut off, counts from when the next controller is ready', () => {
    const run = new Run({ kills: 1 })
      .want(1000, 1, 'dns', { 1: up, 2: down })
      .done(1001, 1)
      .seen(1002, without)
      .want(2000, 2, 'dns', { 1: up, 2: up })
      .at(2001, { event: 'killed' })
      .at(4000, { event: 'ready', version: 2 })
      .seen(4030, FULL)
    expect(verdict(run).missingHealthyMs).toBe(30)
  })

  it('does not begin anew when another wish comes, and ends when the server is not wanted any more', () => {
    const run = new Run()
      .seen(1000, without)
      .want(1200, 1, 'dns', { 1: up, 2: { ...up, weight: 5 } })
      .done(1210, 1)
      .want(1500, 2, 'dns', { 1: up, 2: down })
      .done(1900, 2)
      .want(9000, 3, 'dns', { 1: up, 2: up })
      .seen(9000, FULL)
      .done(9001, 3)
    expect(verdict(run).missingHealthyMs).toBe(500)
  })
})

describe('lostAfterFlip', () => {
  const server = '10.2.0.2:25'
  const lost = (run: Run) => judge(run.logs()).verdict.lostAfterFlip

  it('counts queries that were sent to a server after the word that it is out', () => {
    const findings = judge(flipped(new Run()).delivered(8200, server).logs())
    expect(findings.verdict).toMatchObject({ ok: false, lostAfterFlip: 1 })
    expect(findings.lost).toEqual({ sent: 8200, got: 8200, server })
  })

  it('not those that were sent before it', () => {
    expect(lost(flipped(new Run()).delivered(8004, server))).toBe(0)
  })

  it('not those after the meddler has done something', () => {
    expect(lost(flipped(new Run()).meddled(8150).delivered(8200, server))).toBe(0)
  })

  it('not those that were on their way when the meddler did something', () => {
    expect(lost(flipped(new Run()).meddled(8250).delivered(8200, server, 8251))).toBe(0)
    expect(lost(flipped(new Run()).meddled(8250).delivered(8200, server, 8249))).toBe(1)
  })

  it('not if the meddler has done something while it was told', () => {
    const run = flipped(new Run()).meddled(8003).delivered(8200, server)
    expect(judge(run.logs()).verdict).toMatchObject({ ok: false, lostAfterFlip: null })
  })

  it('not those after somebody wants it again', () => {
    const run = flipped(new Run()).want(8150, 901, 'mail', { 1: up, 2: up }).delivered(8160, server)
    expect(lost(run)).toBe(0)
  })

  it('a kill changes nothing: who was out stays out', () => {
    const run = flipped(new Run({ kills: 1 }))
      .at(8150, { event: 'killed' })
      .at(9000, { event: 'opening' })
      .delivered(9020, server)
      .at(9050, { event: 'ready', version: 900 })
    expect(lost(run)).toBe(1)
  })

  it('counts from the opening on for what was wanted while no controller was there', () => {
    const run = new Run({ kills: 1 })
      .at(5000, { event: 'killed' })
      .want(5100, 1, 'mail', { 1: up, 2: down })
      .meddled(5500)
      .at(6000, { event: 'opening' })
      .delivered(6050, server)
      .at(6100, { event: 'ready', version: 1 })
      .delivered(6200, server)
    expect(lost(run)).toBe(1)
  })

  it('counts from the end of a quiet time on', () => {
    const run = flipped(new Run({ kills: 1 }))
      .meddled(8300)
      .delivered(8350, server)
      .at(8400, { event: 'still' })
      .at(8410, { event: 'killed' })
      .delivered(8500, server)
      .at(9000, { event: 'opening' })
      .at(9100, { event: 'ready', version: 900 })
    expect(lost(run)).toBe(1)
  })

  it('not if the meddler has done something during the opening', () => {
    const run = flipped(new Run({ kills: 1 }))
      .at(8200, { event: 'killed' })
      .at(9000, { event: 'opening' })
      .meddled(9050)
      .at(9100, { event: 'ready', version: 900 })
      .delivered(9200, server)
    expect(lost(run)).toBe(0)
  })

  it('is unknown if no query was sent at such a time', () => {
    const { verdict, troubles } = judge(new Run().delivered(100, server).logs())
    expect(verdict).toMatchObject({ ok: false, lostAfterFlip: null })
    expect(troubles).toHaveLength(1)
  })
})

describe('a run that is worth nothing', () => {
  const fine = () => flipped(new Run()).logs()
  const troublesOf = (logs: Parameters<typeof judge>[0]) => {
    const { verdict, troubles } = judge(logs)
    expect(verdict.ok).toBe(false)
    return troubles.join('; ')
  }

  it('did not end', () => {
    const driver = fine().driver.filter(({ event }) => event !== 'end')
    expect(troublesOf({ ...fine(), driver })).toContain('did not end')
  })

  it('has no logs', () => {
    expect(troublesOf({ driver: [], witness: [], deliveries: [] })).toContain('did not end')
  })

  it('had no witness at its end', () => {
    const witness = fine().witness.filter((entry) => 'table' in entry)
    expect(troublesOf({ ...fine(), witness })).toContain('did not stay')
  })

  it('cannot be judged on a machine with too little time for it, when somebody was late', () => {
    const late = new Run().seen(1000, without).seen(1200 + LIMIT_MS, FULL)
    expect(verdict(late)).toMatchObject({ ok: false, outcome: 'failed' })
    expect(verdict(late.stolen(9000, 1200))).toMatchObject({ ok: false, outcome: 'busy' })
  })

  it('holds on such a machine when nobody was late, and fails when nothing is repaired', () => {
    const busy = flipped(new Run().stolen(9000, 1200))
    expect(verdict(busy)).toMatchObject({ ok: true, outcome: 'held', missing: 0.12 })
    const wrong = new Run().stolen(9000, 1200).seen(9990, without)
    expect(verdict(wrong)).toMatchObject({ outcome: 'failed', divergences: 1 })
  })

  it('cannot be judged on such a machine when the table was right after most quiet times', () => {
    const quiet = (run: Run) =>
      run.at(3000, { event: 'still' }).at(3100, { event: 'loud' }).at(5000, { event: 'still' })
    const once = quiet(new Run().seen(2900, without).seen(3500, FULL)).at(5100, { event: 'loud' })
    expect(verdict(once)).toMatchObject({ outcome: 'failed', divergences: 1 })
    expect(verdict(once.stolen(9000, 1200))).toMatchObject({ outcome: 'busy', divergences: 1 })
  })

  it('had no quiet time', () => {
    const driver = fine().driver.filter(({ event }) => event !== 'still')
    expect(troublesOf({ ...fine(), driver })).toContain('no quiet period')
  })

  it('has killed too seldom', () => {
    expect(troublesOf(flipped(new Run({ kills: 2 })).logs())).toContain('only 0 of 2 kills')
  })

  it('has had trouble', () => {
    const run = flipped(new Run().at(2500, { event: 'trouble', what: 'something ended' }))
    expect(troublesOf(run.logs())).toBe('at 2.50 s: something ended')
  })

  it('has lost most queries on their way', () => {
    const driver = fine().driver.map((it) => (it.event === 'end' ? { ...it, queries: 1000 } : it))
    expect(troublesOf({ ...fine(), driver })).toContain('only 1 of 1000 queries')
  })
})
