// Every promise of the verdict can be broken: made-up logs in which one thing went wrong are found out.
import { expect, test } from 'vitest'
import type { Query } from '../../lab/traffic/queries.js'
import { Steal } from '../../lab/witness/steal.js'
import type { Client, Stream, UdpClient } from './messages.js'
import type { Evidence, Phase } from './play.js'
import { type Action, type Scenario, scenarios } from './scenarios.js'
import { judge } from './verdict.js'

const named = (name: string): Scenario => scenarios.find((scenario) => scenario.name === name)!

/** Begins at 0; the call is given at 1000 and has resolved at 1100; ends at 3000. */
function phase(action: Action, about: Partial<Phase> = {}): Phase {
  return {
    action,
    server: 's1',
    from: 0,
    startedAt: 1000,
    resolvedAt: 1100,
    to: 3000,
    warnings: [],
    streamsOn: { 'stream 1': 's1', 'stream 2': 's2' },
    note: '',
    ...about,
  }
}

interface Log {
  /** Who answers a query; `undefined`: nobody. */
  readonly server: (query: { client: UdpClient | Stream; at: number }) => string | undefined
  readonly delayMs?: number
}

function queries({ server, delayMs = 2 }: Log): Query<Client>[] {
  const clients = ['UDP, one port', 'UDP, new ports', 'stream 1', 'stream 2'] as const
  return clients.flatMap((client, index) =>
    Array.from({ length: 150 }, (_, n) => {
      const sentAt = n * 20 + index
      const who = server({ client, at: sentAt })
      const number = index * 1000 + n
      if (who === undefined) return { client, number, sentAt, endedAt: sentAt + 4000 }
      return { client, number, sentAt, endedAt: sentAt + delayMs, server: who }
    }),
  )
}

/** As it should be: s1 answers until it dies at 700, s2 from when the call has resolved. */
const good: Log['server'] = ({ at }) => (at < 700 ? 's1' : at < 1100 ? undefined : 's2')
const steady: Log['server'] = ({ client }) => (client === 'UDP, one port' ? 's2' : 's1')

const failure = (log: Log['server'], scenario = named('masquerade'), about: Partial<Phase> = {}) =>
  judge({
    scenario,
    phases: [phase('fail', about)],
    queries: queries({ server: log }),
    breaks: [],
    steal: new Steal(),
  }).problems

const other = (action: Action, about: Partial<Evidence> & { log?: Log['server'] } = {}) =>
  judge({
    scenario: named('masquerade'),
    phases: [phase(action)],
    queries: queries({ server: about.log ?? steady }),
    breaks: [],
    steal: new Steal(),
    ...about,
  }).problems

test('what should be is no problem', () => {
  expect(failure(good)).toEqual([])
  expect(other('recover')).toEqual([])
  expect(other('weight')).toEqual([])
  expect(other('restart', { sent: [] })).toEqual([])
})

test('one query lost after the promise has resolved is one too many', () => {
  const lost = ({ client, at }: Parameters<Log['server']>[0]) =>
    client === 'UDP, one port' && at === 1500
  const log: Log['server'] = (query) => (lost(query) ? undefined : good(query))
  expect(failure(log)).toEqual([
    'masquerade: fail: client "UDP, one port" lost 1 of 95 sent after it (the last after 400 ms); should be none.',
  ])
})

test('with conntrack=1 a tick may be lost, and nothing later', () => {
  const scenario = named('masquerade-conntrack')
  const warnings = ['udp-conntrack']
  const losing =
    (...times: number[]): Log['server'] =>
    (query) =>
      query.client === 'UDP, one port' && times.includes(query.at) ? undefined : good(query)
  expect(failure(losing(1100), scenario, { warnings })).toEqual([])
  expect(failure(losing(1100, 1140), scenario, { warnings })[0]).toMatch(
    /lost 2 of 95.* after 40 ms/,
  )
})

test('an answer after half a second is none', () => {
  const late = {
    scenario: named('masquerade'),
    phases: [phase('recover')],
    breaks: [],
    steal: new Steal(),
  }
  const { problems } = judge({ ...late, queries: queries({ server: steady, delayMs: 501 }) })
  expect(problems.length).toBeGreaterThan(1)
})

test.each<[string, RegExp, readonly string[]]>([
  ['a server that did not fail', /had not really failed/, failure(() => 's2')],
  [
    'a server that answers although it is out',
    /s1 is out/,
    failure(({ at }) => (at < 700 ? 's1' : at < 1100 ? undefined : 's1')),
  ],
  ['a server that does not come back', /has not answered/, other('recover', { log: () => 's2' })],
  ['a loss although nothing has failed', /nothing had failed/, other('re-add', { log: good })],
  [
    'a weight without effect',
    /not even half/,
    other('weight', { log: ({ at }) => (at % 40 < 20 ? 's1' : 's2') }),
  ],
  ['a restart that writes', /commands 6 /, other('restart', { sent: [6] })],
  [
    'a stream that breaks',
    /no reason to/,
    other('weight', { breaks: [{ client: 'stream 2', at: 1200, why: '' }] }),
  ],
  [
    'a stream that stays silent',
    /no answer within/,
    other('weight', {
      log: (query) => (query.client === 'stream 1' && query.at > 900 ? undefined : steady(query)),
    }),
  ],
  [
    'a warning that nobody expects',
    /the pool warns \[udp-quiesce\]/,
    failure(good, named('masquerade'), { warnings: ['udp-quiesce'] }),
  ],
  [
    'a warning that does not come',
    /the pool warns \[\]/,
    failure(good, named('masquerade-conntrack')),
  ],
  [
    'a black hole that is none',
    /should be all/,
    failure(good, named('black-hole'), { warnings: ['udp-black-hole'] }),
  ],
  ['a client that asks nothing', /has not asked/, other('weight', { queries: [] })],
  [
    'a pool that should have been refused',
    /not refused/,
    judge({
      ...{ scenario: named('one-packet-masquerade'), steal: new Steal() },
      ...{ phases: [], queries: [], breaks: [] },
    }).problems,
  ],
  ['a pool that should not', /refused: no/, other('weight', { refused: 'no' })],
])('%s is a problem', (_, text, problems) => {
  expect(problems.join('\n')).toMatch(text)
})

test('one-packet scheduling that spreads under wlc would be news', () => {
  const scenario = named('one-packet-least-connections')
  const warnings = ['one-packet-scheduler']
  const phases = [phase('steady', { server: undefined, warnings })]
  const lopsided = { scenario, phases, breaks: [], steal: new Steal() }
  expect(judge({ ...lopsided, queries: queries({ server: () => 's1' }) }).problems).toEqual([])
  expect(judge({ ...lopsided, queries: queries({ server: steady }) }).problems.length).toBe(1)
})

/** Two servers in turn, 25 queries a second each; s1 none between `full` and `free`. */
const limited =
  (full: number, free: number): Log['server'] =>
  ({ client, at }) =>
    client === 'UDP, new ports' && at % 40 < 20 && (at < full || at >= free) ? 's1' : 's2'

test.each<[string, RegExp | undefined, Log['server']]>([
  ['keeps to it and gets more when its entries are gone', undefined, limited(1200, 2800)],
  ['has more entries than it may', /may have 6 entries, and has got 2\d/, limited(1, 0)],
  ['gets nothing for ever', /nothing more when its entries were gone/, limited(1200, 4000)],
])('a server with a limit that %s', (_, wanted, log) => {
  const scenario = named('thresholds')
  const problems = other('limit', { scenario, log, phases: [phase('limit')] })
  if (wanted === undefined) expect(problems).toEqual([])
  else expect(problems.join('\n')).toMatch(wanted)
})

test('entries of the limited server are counted over any time as long as one lasts', () => {
  const { rows } = judge({
    scenario: named('thresholds'),
    phases: [phase('limit')],
    queries: queries({ server: limited(1200, 2800) }),
    breaks: [],
    steal: new Steal(),
  })
  expect(rows[0]?.limited).toEqual({ atOnce: 5, later: 5 })
})

/** The machine gave the guest no time between these two. */
const stolen = (from: number, to: number) => new Steal([{ from, to }])
const lost = (from: number, to: number): Log['server'] => {
  return (query) => (query.at >= from && query.at < to ? undefined : steady(query))
}

test('what is late while the machine has no time is nobody’s fault', () => {
  const { outcome, rows } = judge({
    ...{ scenario: named('masquerade'), phases: [phase('weight')], breaks: [] },
    queries: queries({ server: lost(2000, 2400) }),
    steal: stolen(1990, 2990),
  })
  // Those that got no time are not counted at all.
  expect(rows[0]?.after['UDP, one port']).toMatchObject({ lost: 0 })
  expect(outcome).not.toBe('failed')
})

test('what is lost in the middle of it, and got time, is lost: more than the half is, however busy', () => {
  const about = { scenario: named('masquerade'), phases: [phase('weight')], breaks: [] }
  const few = { ...about, queries: queries({ server: lost(2000, 2100) }) }
  expect(judge({ ...few, steal: new Steal() }).outcome).toBe('failed')
  expect(judge({ ...few, steal: stolen(200, 600) }).outcome).toBe('busy')
  const most = { ...about, queries: queries({ server: lost(1100, 3000) }) }
  expect(judge({ ...most, steal: stolen(200, 600) }).outcome).toBe('failed')
})

test('a stream that breaks on a busy machine says nothing', () => {
  const breaks = [{ client: 'stream 2' as const, at: 1200, why: '' }]
  const about = { scenario: named('masquerade'), phases: [phase('weight')], breaks }
  const seen = { ...about, queries: queries({ server: steady }) }
  expect(judge({ ...seen, steal: new Steal() }).outcome).toBe('failed')
  expect(judge({ ...seen, steal: stolen(700, 1200) }).outcome).toBe('busy')
})
