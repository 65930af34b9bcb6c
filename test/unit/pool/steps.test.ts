import { describe, expect, it } from 'vitest'
import { readOptions } from '../../../src/pool/config/options.js'
import { Server } from '../../../src/pool/policy/server.js'
import { plan, serverSteps } from '../../../src/pool/reconciler/steps.js'
import type { Entry } from '../../../src/pool/state/entry.js'
import { Front } from '../../../src/pool/state/front.js'
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
  const fronts = settings.fronts.map((spec) => new Front(spec))
  const servers = settings.servers.map((spec) => new Server(spec, 'server', settings, fronts, 'up'))
  for (const front of fronts) front.entry.read(front.service)
  for (const server of servers) {
    for (const place of server.places) {
      place.entry = place.front.destination(place.key, place.id)
      place.entry.claim(server.instance)
      place.entry.read(server.wanted(place) as Destination)
    }
  }
  const [first, second, third] = servers as [Server, Server, Server]
  const ours = new Set<Entry<never>>()
  const run = (options = { opening: false, keepUndeclared: false }) =>
    plan(fronts, servers, { ...options, ours: ours as never })
  return { fronts, first, second, third, run, ours }
}

const at = (server: Server, front: 0 | 1) => server.places[front]!
const holds = (server: Server, front: 0 | 1, known: Destination | 'absent') =>
  at(server, front).entry.read(known)

/** The last change of the destination has failed. */
function unknown(server: Server, front: 0 | 1) {
  const { entry } = at(server, front)
  entry.submit('absent', 9, 9, false)
  entry.answer(9, 10, false, new Error('no memory'), true)
}

describe('plan', () => {
  it('is empty when nothing differs', () => {
    expect(settled().run()).toEqual([])
  })

  it('services first, gains before losses, undeclared ones last, each server in one piece', () => {
    const { fronts, first, second, third, run } = settled()
    fronts[1]!.entry.read({ ...fronts[1]!.service, scheduler: 'rr' })
    first.assigned.serving = 'down'
    second.setAdmin('drain')
    holds(third, 0, 'absent')
    holds(third, 1, { ...at(third, 1).id, forwarding: 'direct', weight: 3 })
    const foreign = (front: Front, address: string) =>
      front
        .destination(`${address}:53`, { address, port: 53 })
        .read({ address, port: 53, forwarding: 'direct' })
    for (const end of [8, 9]) foreign(fronts[0]!, `10.9.9.${end}`)
    for (const end of [9, 8]) foreign(fronts[1]!, `10.9.9.${end}`)
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
    expect(run({ opening: false, keepUndeclared: true })).toHaveLength(7)
  })

  it('calls what is missing drift, unless the pool is opening', () => {
    const { first, run } = settled()
    holds(first, 0, 'absent')
    expect(run().map(({ drift }) => drift?.found)).toEqual(['missing'])
    expect(run({ opening: true, keepUndeclared: false }).map(({ drift }) => drift)).toEqual([
      undefined,
    ])
  })

  it('calls nothing drift that may be its own doing', () => {
    const { fronts, first, second, run, ours } = settled()
    holds(first, 0, 'absent')
    ours.add(at(first, 0).entry as never)
    unknown(second, 0)
    fronts[1]!.entry.read('absent')
    ours.add(fronts[1]!.entry as never)
    expect(run().map(({ drift }) => drift)).toEqual([undefined, undefined, undefined])
  })

  it('tells of a missing service only, not of all that was in it', () => {
    const { fronts, first, second, third, run } = settled()
    fronts[1]!.entry.read('absent')
    for (const server of [first, second, third]) holds(server, 1, 'absent')
    const steps = run()
    expect(steps).toHaveLength(4)
    expect(steps.flatMap(({ drift }) => drift ?? [])).toMatchObject([
      { found: 'missing', service: 'udp 192.0.2.1:53' },
    ])
  })

  it('leaves the undecided as they are', () => {
    const { first, second, run } = settled()
    first.assigned.serving = 'as-is'
    second.assigned.serving = 'as-is'
    holds(first, 0, 'absent')
    holds(second, 1, { ...at(second, 1).id, forwarding: 'masquerade', weight: 0 })
    expect(run()).toEqual([])
  })
})

describe('a flip', () => {
  it.each<[string, (server: Server) => void, string[]]>([
    [
      'down',
      (server) => (server.assigned.serving = 'down'),
      ['remove-destination', 'remove-destination'],
    ],
    ['weight', (server) => server.setWeight(2), ['replace-destination', 'replace-destination']],
    ['not there', (server) => holds(server, 1, 'absent'), ['add-destination']],
    ['not known', (server) => unknown(server, 1), ['ensure-destination']],
    [
      'not known, down',
      (server) => {
        server.assigned.serving = 'down'
        unknown(server, 1)
      },
      ['remove-destination', 'ensure-no-destination'],
    ],
    [
      'past a bulk change',
      (server) => {
        server.setWeight(2)
        const { entry } = at(server, 1)
        entry.submit(entry.known as Destination, 1, 1, true)
      },
      ['replace-destination', 'ensure-destination'],
    ],
    [
      'of a destination that has gone to another server',
      (server) => {
        server.assigned.serving = 'down'
        at(server, 1).entry.claim(Symbol('another'))
      },
      ['remove-destination'],
    ],
    ['nothing', () => {}, []],
  ])('%s', (_, change, ops) => {
    const { first } = settled()
    change(first)
    expect(serverSteps(first, true).map((step) => step.change.op)).toEqual(ops)
  })
})

describe('serverSteps', () => {
  it('gives each change as checking it would', () => {
    const { first } = settled()
    const checked = () =>
      serverSteps(first, true).map((step) => {
        expect(step.checked).toMatchObject(checkChange(step.change, ''))
        return step.change.op
      })
    first.setWeight(7)
    expect(checked()).toEqual(['replace-destination', 'replace-destination'])
    unknown(first, 0)
    holds(first, 1, 'absent')
    expect(checked()).toEqual(['ensure-destination', 'add-destination'])
    first.assigned.serving = 'down'
    unknown(first, 1)
    expect(checked()).toEqual(['ensure-no-destination', 'ensure-no-destination'])
  })
})
