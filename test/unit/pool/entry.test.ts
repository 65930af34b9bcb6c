// What is known of a destination: the table of its phases, walked.
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { IpvsError } from '../../../src/errors.js'
import {
  DestinationEntry,
  type Move,
  type Phase,
  TRANSITIONS,
} from '../../../src/pool/state/entry.js'
import type { Destination } from '../../../src/types.js'

const ID = { address: '10.1.0.1', port: 53 }
const here: Destination = { ...ID, forwarding: 'direct', weight: 1 }
const REFUSED = new IpvsError('ERR_IPVS_MEMORY', 'ENOMEM')
const GONE = new IpvsError('ERR_IPVS_NO_DESTINATION', 'ENOENT')

const MOVES: Record<Move, (entry: DestinationEntry, ticket: number) => void> = {
  submit: (entry, ticket) => entry.submit(here, ticket, ticket, false),
  accept: (entry, ticket) => entry.answer(ticket, ticket, false, undefined, true),
  refuse: (entry, ticket) => entry.answer(ticket, ticket, false, REFUSED, true),
  contradict: (entry, ticket) => entry.answer(ticket, ticket, false, GONE, true),
  read: (entry) => entry.read(here),
  agree: (entry) => entry.agree(),
  ignore: (entry) => entry.ignore('absent'),
  owe: (entry) => entry.owe(),
}

/** How each phase comes about. */
const PATHS: Record<Phase, readonly Move[]> = {
  unread: [],
  confirmed: ['read'],
  sent: ['submit'],
  refused: ['submit', 'refuse'],
  contradicted: ['submit', 'contradict'],
  owed: ['submit', 'refuse', 'read'],
  ignored: ['read', 'ignore'],
}

function walk(moves: readonly Move[]): DestinationEntry {
  const entry = new DestinationEntry('10.1.0.1:53', ID)
  for (const move of moves) MOVES[move](entry, 1)
  return entry
}

describe('the table of phases', () => {
  it.each(Object.entries(PATHS))('%s comes about by %j', (phase, path) => {
    expect(walk(path).phase).toBe(phase)
  })

  const answers: readonly Move[] = ['accept', 'refuse', 'contradict']
  const cells = (Object.keys(PATHS) as Phase[]).flatMap((phase) =>
    (Object.keys(MOVES) as Move[])
      // An answer needs something that was sent.
      .filter((move) => phase === 'sent' || !answers.includes(move))
      .map((move) => [phase, move, TRANSITIONS[phase][move] ?? phase] as const),
  )

  it.each(cells)('%s, %s: %s', (phase, move, next) => {
    expect(walk([...PATHS[phase], move]).phase).toBe(next)
  })
})

describe('an entry', () => {
  it('knows what was sent at once, and is sure of it only when it is confirmed', () => {
    const entry = walk(['read'])
    entry.submit('absent', 2, 2, false)
    expect([entry.known, entry.sure, entry.takesConnections]).toEqual(['absent', here, true])
    entry.answer(2, 3, false, undefined, true)
    expect([entry.known, entry.sure, entry.takesConnections]).toEqual(['absent', 'absent', false])
  })

  it('believes only the answer to what was sent last', () => {
    const entry = walk(['read'])
    entry.submit('absent', 2, 2, false)
    entry.submit(here, 3, 3, false)
    entry.answer(2, 4, false, REFUSED, true)
    expect([entry.phase, entry.known]).toEqual(['sent', here])
    entry.answer(3, 5, false, undefined, true)
    expect([entry.phase, entry.sure, entry.failure]).toEqual(['confirmed', here, undefined])
  })

  it('stays sure of what was there when a change is refused', () => {
    const entry = walk(['read'])
    entry.submit('absent', 2, 2, false)
    entry.answer(2, 3, false, REFUSED, true)
    expect([entry.known, entry.sure]).toEqual(['unknown', here])
  })

  it('is tried at once three times, and then after pauses that grow to half a minute', () => {
    const entry = walk([])
    const pauses: number[] = []
    for (let n = 1; n <= 12; n++) {
      entry.submit(here, n, n, false)
      const from = performance.now()
      entry.answer(n, n, false, REFUSED, true)
      pauses.push(entry.failure!.retryAt - from)
    }
    for (const pause of pauses.slice(0, 3)) expect(pause).toBeLessThan(100)
    for (const [n, pause] of pauses.slice(3).entries()) {
      const most = Math.min(30_000, 1000 * 2 ** n)
      expect(pause).toBeGreaterThan(0.89 * most)
      expect(pause).toBeLessThan(1.11 * most + 100)
    }
    entry.agree()
    expect(entry.failure).toBeUndefined()
  })

  it('has one owner, and goes when that has left, unless another one has come', () => {
    const [first, second] = [Symbol('first'), Symbol('second')]
    const entry = walk(['read'])
    entry.claim(first)
    entry.release(first)
    expect([entry.owner, entry.isAbandoned]).toEqual([undefined, true])
    entry.claim(second)
    entry.release(first)
    expect([entry.owner, entry.isAbandoned]).toEqual([second, false])
  })

  it('with all answers in, nothing is pending, whatever their order', () => {
    fc.assert(
      fc.property(
        fc.array(fc.record({ bulk: fc.boolean(), fails: fc.boolean() }), { maxLength: 12 }),
        fc.infiniteStream(fc.nat()),
        (sent, picks) => {
          const entry = walk([])
          for (const [n, { bulk }] of sent.entries()) entry.submit(here, n + 1, n, bulk)
          const open = sent.map((one, n) => ({ ...one, ticket: n + 1 }))
          for (let n = 100; open.length > 0; n++) {
            const [one] = open.splice(picks.next().value! % open.length, 1)
            entry.answer(one!.ticket, n, one!.bulk, one!.fails ? REFUSED : undefined, true)
          }
          expect([entry.pending, entry.pendingBulk]).toEqual([false, false])
          const last = sent.at(-1)
          if (last !== undefined) expect(entry.phase).toBe(last.fails ? 'refused' : 'confirmed')
        },
      ),
    )
  })
})
