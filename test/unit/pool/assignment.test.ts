// Who serves: rules, and properties over random lives with a clock of their own.
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { PoolPanic } from '../../../src/pool/api.js'
import type { Rules } from '../../../src/pool/config/rules.js'
import {
  type Assignment,
  assign,
  type Candidate,
  first,
  type ServingState,
  type Standing,
} from '../../../src/pool/policy/assignment.js'
import { Limiter } from '../../../src/pool/policy/limiter.js'
import { nextStep, slowStartFactorAt } from '../../../src/pool/policy/slow-start.js'

type Judged = Pick<Rules, 'quorum' | 'panic'>

const FIRST = first(false)

type Server = Candidate

const up: Omit<Server, 'key'> = {
  admin: 'ready',
  health: 'up',
  decided: true,
  waiting: false,
  weight: 1,
  backup: false,
  refused: false,
}
const down = { ...up, health: 'down' } as const
const servers = (...all: Omit<Server, 'key'>[]): Server[] =>
  all.map((one, index) => ({ ...one, key: `${one.backup ? 'b' : 's'}${index + 1}` }))

const quorum = (
  most: Partial<NonNullable<Rules['quorum']>> & { up: number },
): Judged['quorum'] => ({
  down: most.up,
  unit: 'servers',
  onLost: 'keep',
  ...most,
})
const NONE: Judged = { quorum: undefined, panic: undefined }

function states(assignment: Assignment<Server>): Record<string, ServingState> {
  return Object.fromEntries([...assignment.serving].map(([{ key }, state]) => [key, state]))
}

function judge(all: Server[], rules: Partial<Judged>, last: Standing = FIRST) {
  const served = (last as Partial<Assignment<Server>>).serving ?? new Map<Server, ServingState>()
  const byKey = new Map([...served].map(([{ key }, state]) => [key, state]))
  return assign(all, { ...NONE, ...rules }, last, byKey)
}

describe('without rules', () => {
  it('each server does what its health says', () => {
    const assignment = judge(
      servers(up, down, { ...up, health: 'unknown' }, { ...up, waiting: true }),
      {},
    )
    expect(states(assignment)).toEqual({ s1: 'serves', s2: 'down', s3: 'as-is', s4: 'down' })
    expect(assignment).toMatchObject({ quorate: true, amount: 1, withdrawn: false })
  })
})

describe('backups', () => {
  const backup = { ...up, backup: true }

  it('serve while nobody else does', () => {
    expect(states(judge(servers(up, backup), {}))).toEqual({ s1: 'serves', b2: 'down' })
    expect(states(judge(servers(down, backup), {}))).toEqual({ s1: 'down', b2: 'serves' })
  })

  it.each([
    ['drained', { admin: 'drain' }],
    ['in maintenance', { admin: 'maintenance' }],
    ['without weight', { weight: 0 }],
  ] as const)('serve where the only server is %s', (_, change) => {
    expect(states(judge(servers({ ...up, ...change }, backup), {})).b2).toBe('serves')
  })

  it('serve beside those that are left when the quorum is lost, or instead of them', () => {
    const all = servers(up, down, backup)
    const keep = judge(all, { quorum: quorum({ up: 2 }) })
    expect(states(keep)).toEqual({ s1: 'serves', s2: 'down', b3: 'serves' })
    const refuse = judge(all, { quorum: quorum({ up: 2, onLost: 'refuse' }) })
    expect(states(refuse)).toEqual({ s1: 'down', s2: 'down', b3: 'serves' })
  })

  it('that are sick do not serve, and keep no service from being withdrawn', () => {
    const all = servers(down, { ...down, backup: true })
    const assignment = judge(all, { quorum: quorum({ up: 1, onLost: 'withdraw' }) })
    expect(states(assignment)).toEqual({ s1: 'down', b2: 'down' })
    expect(assignment.withdrawn).toBe(true)
    const healthy = servers(down, backup)
    expect(judge(healthy, { quorum: quorum({ up: 1, onLost: 'withdraw' }) }).withdrawn).toBe(false)
  })
})

describe('a server that the kernel refuses', () => {
  const refused = { ...up, refused: true }
  const backup = { ...up, backup: true }

  it('counts for no quorum, and is tried all the same', () => {
    const assignment = judge(servers(up, refused), { quorum: quorum({ up: 2 }) })
    expect(assignment).toMatchObject({ amount: 1, quorate: false })
    expect(states(assignment)).toEqual({ s1: 'serves', s2: 'serves' })
  })

  it('has a backup serve', () => {
    expect(states(judge(servers(refused, backup), {}))).toEqual({ s1: 'serves', b2: 'serves' })
  })

  it('is tried where the others are refused to clients: it may be what is missing', () => {
    const rules = { quorum: quorum({ up: 2, onLost: 'refuse' }) }
    expect(states(judge(servers(up, refused), rules))).toEqual({ s1: 'down', s2: 'tried' })
  })

  it('replaces nobody as a backup: the service is withdrawn as without it', () => {
    const all = servers(down, { ...refused, backup: true })
    const assignment = judge(all, { quorum: quorum({ up: 1, onLost: 'withdraw' }) })
    expect(assignment.withdrawn).toBe(true)
    expect(states(assignment).b2).toBe('serves')
    expect(states(judge(servers(up, { ...refused, backup: true }), {})).b2).toBe('down')
  })
})

describe('a quorum', () => {
  const rules = { quorum: quorum({ up: 3, down: 2 }) }

  it('is lost below down and regained at up', () => {
    const trail: boolean[] = []
    let last: Standing = FIRST
    for (const healthy of [2, 3, 2, 1, 2, 3]) {
      const all = servers(...[1, 2, 3].map((n) => (n <= healthy ? up : down)))
      const assignment = judge(all, rules, last)
      trail.push(assignment.quorate)
      last = assignment
    }
    expect(trail).toEqual([false, true, true, false, false, true])
  })

  it('counts weights where it is asked to', () => {
    const all = servers({ ...up, weight: 5 }, { ...down, weight: 10 }, { ...up, weight: 1 })
    const assignment = judge(all, { quorum: quorum({ up: 6, unit: 'weight' }) })
    expect(assignment).toMatchObject({ amount: 6, quorate: true })
  })

  it.each([
    ['keep', { s1: 'serves', s2: 'down' }, false],
    ['refuse', { s1: 'down', s2: 'down' }, false],
    ['withdraw', { s1: 'down', s2: 'down' }, true],
  ] as const)('onLost: %s', (onLost, expected, withdrawn) => {
    const assignment = judge(servers(up, down), { quorum: quorum({ up: 2, onLost }) })
    expect(states(assignment)).toEqual(expected)
    expect(assignment.withdrawn).toBe(withdrawn)
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
    expect(states(judge(all, panic('all-up')))).toEqual({
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
    const assignment = judge(failing, panic('freeze', 50), calm)
    expect(assignment.panicking).toBe(true)
    expect(states(assignment)).toEqual({ s1: 'serves', s2: 'serves', s3: 'serves', s4: 'down' })
    const again = judge(failing, panic('freeze', 50), assignment)
    expect(states(again)).toEqual(states(assignment))
  })

  it('gives way to a healthy backup', () => {
    const assignment = judge(servers(down, down, { ...up, backup: true }), panic('all-up'))
    expect(assignment.panicking).toBe(false)
    expect(states(assignment)).toEqual({ s1: 'down', s2: 'down', b3: 'serves' })
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
    refused: fc.boolean(),
  }) as fc.Arbitrary<Omit<Server, 'key'>>
  const life = fc.array(fc.array(server, { minLength: 5, maxLength: 5 }), { minLength: 1 })
  const threshold = fc.tuple(fc.integer({ min: 1, max: 6 }), fc.integer({ min: 1, max: 6 }))

  it('the quorum has hysteresis: between the thresholds nothing changes', () => {
    fc.assert(
      fc.property(life, threshold, fc.constantFrom('servers', 'weight'), (steps, pair, unit) => {
        const [low, high] = pair[0] < pair[1] ? pair : [pair[1], pair[0]]
        let last: Standing = FIRST
        for (const step of steps) {
          const before = last.quorate
          const rules = { quorum: quorum({ up: high, down: low, unit: unit as 'servers' }) }
          const assignment = judge(servers(...step), rules, last)
          if (assignment.amount >= high) expect(assignment.quorate).toBe(true)
          else if (assignment.amount < low) expect(assignment.quorate).toBe(false)
          else expect(assignment.quorate).toBe(before)
          last = assignment
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
          let last: Standing = FIRST
          for (const step of steps) {
            const all = servers(...step, { ...up, backup: true })
            const rules = {
              quorum: quorum({ up: most, onLost: onLost as 'keep' }),
              panic: { minHealthyPercent: 50, action: 'freeze' },
            } as const
            const assignment = judge(all, rules, last)
            const serving = all.filter(
              (one) =>
                assignment.serving.get(one) === 'serves' &&
                one.admin === 'ready' &&
                one.weight > 0 &&
                !one.refused,
            )
            expect(serving.length).toBeGreaterThan(0)
            expect(assignment.withdrawn).toBe(false)
            last = assignment
          }
        },
      ),
    )
  })

  it('all-up: in a panic, whoever has been judged serves', () => {
    fc.assert(
      fc.property(life, fc.integer({ min: 1, max: 100 }), (steps, minHealthyPercent) => {
        let last: Standing = FIRST
        for (const step of steps) {
          const all = servers(...step)
          const rules = { panic: { minHealthyPercent, action: 'all-up' } } as const
          const assignment = judge(all, rules, last)
          for (const one of all) {
            if (!assignment.panicking || one.backup || !one.decided) continue
            if (one.admin === 'maintenance' || one.health === 'unknown') continue
            expect(assignment.serving.get(one)).toBe('serves')
          }
          last = assignment
        }
      }),
    )
  })
})

it('the limiter forgets: however much is noted, it remembers no more than it needs', () => {
  const limiter = new Limiter(3)
  for (let n = 0; n < 100_000; n++) limiter.note(n)
  // The last three count, and no more.
  expect(limiter.wait(100_000)).toBe(99_997 + 60_000 - 100_000)
  expect(limiter.wait(99_997 + 60_000)).toBe(0)
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
          const part = slowStartFactorAt(rule, at)
          expect(part).toBeGreaterThanOrEqual(Math.max(last, rule.from))
          expect(part).toBeLessThanOrEqual(1)
          last = part
        }
        expect(slowStartFactorAt(rule, -5)).toBe(rule.from)
        expect(slowStartFactorAt(rule, rule.durationMs)).toBe(1)
      }),
    )
  })

  it('is exact', () => {
    const rule = { durationMs: 1000, steps: 4, from: 0.2 }
    const part = (at: number) => Number(slowStartFactorAt(rule, at).toFixed(9))
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
