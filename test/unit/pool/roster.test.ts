// Who serves: rules, and properties over random lives with a clock of their own.
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Limiter } from '../../../src/pool/limiter.js'
import { nextStep, rampAt } from '../../../src/pool/ramp.js'
import {
  assign,
  type Candidate,
  type Duty,
  first,
  type Roster,
  type Standing,
} from '../../../src/pool/roster.js'
import type { Rules } from '../../../src/pool/rules.js'
import type { PoolPanic } from '../../../src/pool/types.js'

type Judged = Pick<Rules, 'quorum' | 'panic'>

const FIRST = first(false)

interface Server extends Candidate {
  readonly name: string
}

const up: Omit<Server, 'name'> = {
  admin: 'ready',
  health: 'up',
  decided: true,
  waiting: false,
  weight: 1,
  backup: false,
}
const down = { ...up, health: 'down' } as const
const servers = (...all: Omit<Server, 'name'>[]): Server[] =>
  all.map((one, index) => ({ ...one, name: `${one.backup ? 'b' : 's'}${index + 1}` }))

const quorum = (
  most: Partial<NonNullable<Rules['quorum']>> & { up: number },
): Judged['quorum'] => ({
  down: most.up,
  unit: 'servers',
  onLost: 'keep',
  ...most,
})
const NONE: Judged = { quorum: undefined, panic: undefined }

function duties(roster: Roster<Server>): Record<string, Duty> {
  return Object.fromEntries([...roster.duties].map(([{ name }, duty]) => [name, duty]))
}

function judge(all: Server[], rules: Partial<Judged>, last: Standing<Server> = FIRST) {
  const serving = (last as Roster<Server>).duties ?? new Map()
  return assign(all, { ...NONE, ...rules }, last, serving)
}

describe('without rules', () => {
  it('each server does what its health says', () => {
    const roster = judge(
      servers(up, down, { ...up, health: 'unknown' }, { ...up, waiting: true }),
      {},
    )
    expect(duties(roster)).toEqual({ s1: 'serves', s2: 'down', s3: 'as-is', s4: 'down' })
    expect(roster).toMatchObject({ quorate: true, amount: 1, withdrawn: false })
  })
})

describe('backups', () => {
  const backup = { ...up, backup: true }

  it('serve while nobody else does', () => {
    expect(duties(judge(servers(up, backup), {}))).toEqual({ s1: 'serves', b2: 'down' })
    expect(duties(judge(servers(down, backup), {}))).toEqual({ s1: 'down', b2: 'serves' })
  })

  it.each([
    ['drained', { admin: 'drain' }],
    ['in maintenance', { admin: 'maintenance' }],
    ['without weight', { weight: 0 }],
  ] as const)('serve where the only server is %s', (_, change) => {
    expect(duties(judge(servers({ ...up, ...change }, backup), {})).b2).toBe('serves')
  })

  it('serve beside those that are left when the quorum is lost, or instead of them', () => {
    const all = servers(up, down, backup)
    const keep = judge(all, { quorum: quorum({ up: 2 }) })
    expect(duties(keep)).toEqual({ s1: 'serves', s2: 'down', b3: 'serves' })
    const refuse = judge(all, { quorum: quorum({ up: 2, onLost: 'refuse' }) })
    expect(duties(refuse)).toEqual({ s1: 'down', s2: 'down', b3: 'serves' })
  })

  it('that are sick do not serve, and keep no service from being withdrawn', () => {
    const all = servers(down, { ...down, backup: true })
    const roster = judge(all, { quorum: quorum({ up: 1, onLost: 'withdraw' }) })
    expect(duties(roster)).toEqual({ s1: 'down', b2: 'down' })
    expect(roster.withdrawn).toBe(true)
    const healthy = servers(down, backup)
    expect(judge(healthy, { quorum: quorum({ up: 1, onLost: 'withdraw' }) }).withdrawn).toBe(false)
  })
})

describe('a quorum', () => {
  const rules = { quorum: quorum({ up: 3, down: 2 }) }

  it('is lost below down and regained at up', () => {
    const trail: boolean[] = []
    let last: Standing<Server> = FIRST
    for (const healthy of [2, 3, 2, 1, 2, 3]) {
      const all = servers(...[1, 2, 3].map((n) => (n <= healthy ? up : down)))
      const roster = judge(all, rules, last)
      trail.push(roster.quorate)
      last = roster
    }
    expect(trail).toEqual([false, true, true, false, false, true])
  })

  it('counts weights where it is asked to', () => {
    const all = servers({ ...up, weight: 5 }, { ...down, weight: 10 }, { ...up, weight: 1 })
    const roster = judge(all, { quorum: quorum({ up: 6, unit: 'weight' }) })
    expect(roster).toMatchObject({ amount: 6, quorate: true })
  })

  it.each([
    ['keep', { s1: 'serves', s2: 'down' }, false],
    ['refuse', { s1: 'down', s2: 'down' }, false],
    ['withdraw', { s1: 'down', s2: 'down' }, true],
  ] as const)('onLost: %s', (onLost, expected, withdrawn) => {
    const roster = judge(servers(up, down), { quorum: quorum({ up: 2, onLost }) })
    expect(duties(roster)).toEqual(expected)
    expect(roster.withdrawn).toBe(withdrawn)
  })
})

describe('panic', () => {
  const panic = (action: PoolPanic['action'], minHealthyPercent = 50) => ({
    panic: { minHealthyPercent, action },
  })

  it('begins below the part, not at it', () => {
    expect(judge(servers(up, down), panic('all-up')).panicking).toBe(false)
    expect(judge(servers(up, down, down), panic('all-up')).panicking).toBe(true)
  })

  it('all-up: all serve that are not in maintenance', () => {
    const all = servers(up, down, down, { ...down, admin: 'maintenance' })
    expect(duties(judge(all, panic('all-up')))).toEqual({
      s1: 'serves',
      s2: 'serves',
      s3: 'serves',
      s4: 'down',
    })
  })

  it('freeze: who served when it began goes on, who had failed before does not', () => {
    const all = servers(up, up, up, down)
    const calm = judge(all, panic('freeze', 50))
    const failing = all.map((one, index) => Object.assign(one, index < 3 ? down : {}))
    const roster = judge(failing, panic('freeze', 50), calm)
    expect(roster.panicking).toBe(true)
    expect(duties(roster)).toEqual({ s1: 'serves', s2: 'serves', s3: 'serves', s4: 'down' })
    const again = judge(failing, panic('freeze', 50), roster)
    expect(duties(again)).toEqual(duties(roster))
  })

  it('gives way to a healthy backup', () => {
    const roster = judge(servers(down, down, { ...up, backup: true }), panic('all-up'))
    expect(roster.panicking).toBe(false)
    expect(duties(roster)).toEqual({ s1: 'down', s2: 'down', b3: 'serves' })
  })

  it('does not look at servers nobody has judged', () => {
    const fresh = { ...down, decided: false }
    expect(judge(servers(fresh, fresh, fresh), panic('all-up')).panicking).toBe(false)
  })
})

describe('properties', () => {
  const server = fc.record({
    admin: fc.constantFrom('ready', 'drain', 'maintenance'),
    health: fc.constantFrom('up', 'down', 'unknown'),
    decided: fc.boolean(),
    waiting: fc.constant(false),
    weight: fc.nat({ max: 3 }),
    backup: fc.boolean(),
  }) as fc.Arbitrary<Omit<Server, 'name'>>
  const life = fc.array(fc.array(server, { minLength: 5, maxLength: 5 }), { minLength: 1 })
  const threshold = fc.tuple(fc.integer({ min: 1, max: 6 }), fc.integer({ min: 1, max: 6 }))

  it('the quorum has hysteresis: between the thresholds nothing changes', () => {
    fc.assert(
      fc.property(life, threshold, fc.constantFrom('servers', 'weight'), (steps, pair, unit) => {
        const [low, high] = pair[0] < pair[1] ? pair : [pair[1], pair[0]]
        let last: Standing<Server> = FIRST
        for (const step of steps) {
          const before = last.quorate
          const rules = { quorum: quorum({ up: high, down: low, unit: unit as 'servers' }) }
          const roster = judge(servers(...step), rules, last)
          if (roster.amount >= high) expect(roster.quorate).toBe(true)
          else if (roster.amount < low) expect(roster.quorate).toBe(false)
          else expect(roster.quorate).toBe(before)
          last = roster
        }
      }),
    )
  })

  it('with a healthy backup somebody always serves', () => {
    fc.assert(
      fc.property(
        life,
        fc.constantFrom('keep', 'refuse', 'withdraw'),
        fc.integer({ min: 1, max: 4 }),
        (steps, onLost, most) => {
          let last: Standing<Server> = FIRST
          for (const step of steps) {
            const all = servers(...step, { ...up, backup: true })
            const rules = {
              quorum: quorum({ up: most, onLost: onLost as 'keep' }),
              panic: { minHealthyPercent: 50, action: 'freeze' },
            } as const
            const roster = judge(all, rules, last)
            const serving = all.filter(
              (one) =>
                roster.duties.get(one) === 'serves' && one.admin === 'ready' && one.weight > 0,
            )
            expect(serving.length).toBeGreaterThan(0)
            expect(roster.withdrawn).toBe(false)
            last = roster
          }
        },
      ),
    )
  })

  it('all-up: in a panic, whoever has been judged serves', () => {
    fc.assert(
      fc.property(life, fc.integer({ min: 1, max: 100 }), (steps, minHealthyPercent) => {
        let last: Standing<Server> = FIRST
        for (const step of steps) {
          const all = servers(...step)
          const rules = { panic: { minHealthyPercent, action: 'all-up' } } as const
          const roster = judge(all, rules, last)
          for (const one of all) {
            if (!roster.panicking || one.backup || !one.decided) continue
            if (one.admin === 'maintenance' || one.health === 'unknown') continue
            expect(roster.duties.get(one)).toBe('serves')
          }
          last = roster
        }
      }),
    )
  })
})

describe('slow start', () => {
  const slow = fc.record({
    durationMs: fc.integer({ min: 1, max: 86_400_000 }),
    steps: fc.integer({ min: 1, max: 1000 }),
    from: fc.double({ min: 0.01, max: 0.99, noNaN: true }),
  })

  it('grows step by step from `from` to 1, and no further', () => {
    fc.assert(
      fc.property(slow, fc.array(fc.nat({ max: 90_000_000 })), (rule, times) => {
        let last = 0
        for (const at of times.sort((a, b) => a - b)) {
          const part = rampAt(rule, at)
          expect(part).toBeGreaterThanOrEqual(Math.max(last, rule.from))
          expect(part).toBeLessThanOrEqual(1)
          last = part
        }
        expect(rampAt(rule, -5)).toBe(rule.from)
        expect(rampAt(rule, rule.durationMs)).toBe(1)
      }),
    )
  })

  it('is exact', () => {
    const rule = { durationMs: 1000, steps: 4, from: 0.2 }
    const part = (at: number) => Number(rampAt(rule, at).toFixed(9))
    expect([0, 249, 250, 500, 750, 999, 1000].map(part)).toEqual([0.2, 0.2, 0.4, 0.6, 0.8, 0.8, 1])
    expect([0, 249, 250, 999].map((at) => nextStep(rule, at))).toEqual([250, 250, 500, 1000])
  })
})

it('the limiter lets at most so many through in any minute, and tells when the next may go', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 20 }),
      fc.array(fc.nat({ max: 20_000 }), { maxLength: 200 }),
      (most, pauses) => {
        const limiter = new Limiter(most)
        const made: number[] = []
        let now = 0
        for (const pause of pauses) {
          now += pause
          const wait = limiter.wait(now)
          if (wait > 0) {
            expect(limiter.wait(now + wait - 1)).toBeGreaterThan(0)
            continue
          }
          limiter.note(now)
          made.push(now)
        }
        for (const [index, at] of made.entries()) {
          const after = made[index + most]
          if (after !== undefined) expect(after - at).toBeGreaterThanOrEqual(60_000)
        }
      },
    ),
  )
})
