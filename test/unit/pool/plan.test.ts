import { describe, expect, it } from 'vitest'
import { Member } from '../../../src/pool/member.js'
import { readOptions } from '../../../src/pool/options.js'
import { memberSteps, plan } from '../../../src/pool/plan.js'
import type { Destination } from '../../../src/types.js'
import { checkChange } from '../../../src/validate.js'
import { show } from './stand-in.js'

/** A pool of three servers of which the kernel holds everything. */
function settled() {
  const settings = readOptions({
    address: '192.0.2.1',
    port: 53,
    scheduler: 'wrr',
    forwarding: 'direct',
    servers: ['10.1.0.1', '10.1.0.2', '10.1.0.3'],
  })
  const { fronts } = settings
  const members = settings.servers.map((spec) => new Member(spec, 'server', settings, 'up'))
  for (const front of fronts) front.known = front.service
  for (const member of members) {
    for (const seat of member.seats) {
      seat.front.seats.set(seat.key, seat)
      seat.known = member.wanted(seat) as Destination
    }
  }
  const [first, second, third] = members as [Member, Member, Member]
  const run = (options = { opening: false, hold: false }) => plan(fronts, members, options)
  return { fronts, first, second, third, run }
}

const at = (member: Member, front: 0 | 1) => member.seats[front]!

describe('plan', () => {
  it('is empty when nothing differs', () => {
    expect(settled().run()).toEqual([])
  })

  it('services first, gains before losses, undeclared ones last, each server in one piece', () => {
    const { fronts, first, second, third, run } = settled()
    fronts[1]!.known = { ...fronts[1]!.service, scheduler: 'rr' }
    first.duty = 'down'
    second.admin = 'drain'
    at(third, 0).known = 'absent'
    at(third, 1).known = { ...at(third, 1).id, forwarding: 'direct', weight: 3 }
    const foreign = (address: string): [string, Destination] => [
      `${address}:53`,
      { address, port: 53, forwarding: 'direct' },
    ]
    fronts[0]!.undeclared = new Map([foreign('10.9.9.8'), foreign('10.9.9.9')])
    fronts[1]!.undeclared = new Map([foreign('10.9.9.9'), foreign('10.9.9.8')])
    expect(run().map(({ change }) => show(change))).toEqual([
      'replace-service udp 192.0.2.1:53',
      'ensure-destination tcp 192.0.2.1:53 -> 10.1.0.3:53 1',
      'replace-destination udp 192.0.2.1:53 -> 10.1.0.3:53 1',
      'ensure-no-destination tcp 192.0.2.1:53 -> 10.1.0.1:53',
      'ensure-no-destination udp 192.0.2.1:53 -> 10.1.0.1:53',
      'replace-destination tcp 192.0.2.1:53 -> 10.1.0.2:53 0',
      'replace-destination udp 192.0.2.1:53 -> 10.1.0.2:53 0',
      'ensure-no-destination tcp 192.0.2.1:53 -> 10.9.9.8:53',
      'ensure-no-destination udp 192.0.2.1:53 -> 10.9.9.8:53',
      'ensure-no-destination tcp 192.0.2.1:53 -> 10.9.9.9:53',
      'ensure-no-destination udp 192.0.2.1:53 -> 10.9.9.9:53',
    ])
    expect(run({ opening: false, hold: true })).toHaveLength(7)
  })

  it('calls what is missing drift, unless the pool is opening', () => {
    const { first, run } = settled()
    at(first, 0).known = 'absent'
    expect(run().map(({ drift }) => drift?.found)).toEqual(['missing'])
    expect(run({ opening: true, hold: false }).map(({ drift }) => drift)).toEqual([undefined])
  })

  it('calls nothing drift that may be its own doing', () => {
    const { fronts, first, second, run } = settled()
    at(first, 0).known = 'absent'
    at(first, 0).doubt = true
    at(second, 0).known = 'unknown'
    fronts[1]!.known = 'absent'
    fronts[1]!.doubt = true
    expect(run().map(({ drift }) => drift)).toEqual([undefined, undefined, undefined])
  })

  it('tells of a missing service only, not of all that was in it', () => {
    const { fronts, first, second, third, run } = settled()
    fronts[1]!.known = 'absent'
    for (const member of [first, second, third]) at(member, 1).known = 'absent'
    const steps = run()
    expect(steps).toHaveLength(4)
    expect(steps.flatMap(({ drift }) => drift ?? [])).toMatchObject([
      { found: 'missing', service: 'udp 192.0.2.1:53' },
    ])
  })

  it('leaves the undecided as they are', () => {
    const { first, second, run } = settled()
    first.duty = 'as-is'
    second.duty = 'as-is'
    at(first, 0).known = 'absent'
    at(second, 1).known = { ...at(second, 1).id, forwarding: 'masquerade', weight: 0 }
    expect(run()).toEqual([])
  })
})

describe('a flip', () => {
  it.each<[string, (member: Member) => void, string[]]>([
    ['down', (member) => (member.duty = 'down'), ['remove-destination', 'remove-destination']],
    ['weight', (member) => (member.weight = 2), ['replace-destination', 'replace-destination']],
    ['not there', (member) => (at(member, 1).known = 'absent'), ['add-destination']],
    ['not known', (member) => (at(member, 1).known = 'unknown'), ['ensure-destination']],
    [
      'not known, down',
      (member) => {
        member.duty = 'down'
        at(member, 1).known = 'unknown'
      },
      ['remove-destination', 'ensure-no-destination'],
    ],
    [
      'past a bulk change',
      (member) => {
        member.weight = 2
        at(member, 1).overtakable = 1
      },
      ['replace-destination', 'ensure-destination'],
    ],
    [
      'of a destination that has gone to another server',
      (member) => {
        member.duty = 'down'
        at(member, 1).taken = true
      },
      ['remove-destination'],
    ],
    ['nothing', () => {}, []],
  ])('%s', (_, change, ops) => {
    const { first } = settled()
    change(first)
    expect(memberSteps(first, true).map((step) => step.change.op)).toEqual(ops)
  })
})

describe('memberSteps', () => {
  it('gives each change as checking it would', () => {
    const { first } = settled()
    const checked = () =>
      memberSteps(first, true).map((step) => {
        expect(step.checked).toMatchObject(checkChange(step.change, ''))
        return step.change.op
      })
    first.weight = 7
    expect(checked()).toEqual(['replace-destination', 'replace-destination'])
    at(first, 0).known = 'unknown'
    at(first, 1).known = 'absent'
    expect(checked()).toEqual(['ensure-destination', 'add-destination'])
    first.duty = 'down'
    at(first, 1).known = 'unknown'
    expect(checked()).toEqual(['ensure-no-destination', 'ensure-no-destination'])
  })
})
