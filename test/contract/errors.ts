import { constants } from 'node:os'
import { beforeEach, describe, expect, test } from 'vitest'
import type { Change, Destination } from '../../src/types.js'
import { applied, codeOf, fixture, MARK, SERVER, STICKY, said, table, UDP } from './fixture.js'
import type { Subject } from './subject.js'

const { EEXIST, EINVAL, ENOENT, ESRCH } = constants.errno

const service = { ...UDP, scheduler: 'wrr' } as const
const absent = { ...UDP, port: 54 } as const
const onAbsent = { ...SERVER, port: 54 } as const
const stranger = { ...SERVER, address: '10.1.0.2' } as const
const linkLocal: Destination = { address: 'fe80::1', port: 53, forwarding: 'tunnel' }
const broadcast: Destination = { ...SERVER, address: '127.255.255.255' }
const unknownScheduler = { ...service, scheduler: 'nosuch' }
const unknownEngine = { ...service, ...STICKY, persistenceEngine: 'nosuch' }

const EXISTS = `failed ERR_IPVS_EXISTS -${EEXIST}`
const NO_SERVICE = `failed ERR_IPVS_NO_SERVICE -${ESRCH}`
const NO_DESTINATION = `failed ERR_IPVS_NO_DESTINATION -${ENOENT}`
const NO_SCHEDULER = `failed ERR_IPVS_NO_SCHEDULER -${ENOENT}`
const NO_ENGINE = `failed ERR_IPVS_NO_ENGINE -${ENOENT}`
const INVALID = `failed ERR_IPVS_INVALID -${EINVAL}`

const cases: readonly [Change, string][] = [
  [{ op: 'add-service', service }, `${EXISTS} NEW_SERVICE`],
  // It exists: nobody looks at the scheduler.
  [{ op: 'add-service', service: unknownScheduler }, `${EXISTS} NEW_SERVICE`],
  [{ op: 'add-destination', service: UDP, destination: SERVER }, `${EXISTS} NEW_DEST`],
  [
    { op: 'add-destination', service: UDP, destination: { ...SERVER, weight: 5 } },
    `${EXISTS} NEW_DEST`,
  ],

  [{ op: 'replace-service', service: { ...service, port: 54 } }, `${NO_SERVICE} SET_SERVICE`],
  [{ op: 'replace-service', service: { ...unknownEngine, port: 54 } }, `${NO_SERVICE} SET_SERVICE`],
  [{ op: 'remove-service', service: absent }, `${NO_SERVICE} DEL_SERVICE`],
  [{ op: 'remove-service', service: MARK }, `${NO_SERVICE} DEL_SERVICE`],
  [{ op: 'add-destination', service: absent, destination: onAbsent }, `${NO_SERVICE} NEW_DEST`],
  [
    { op: 'add-destination', service: absent, destination: { ...linkLocal, port: 54 } },
    `${NO_SERVICE} NEW_DEST`,
  ],
  [{ op: 'ensure-destination', service: absent, destination: onAbsent }, `${NO_SERVICE} NEW_DEST`],
  [{ op: 'replace-destination', service: absent, destination: onAbsent }, `${NO_SERVICE} SET_DEST`],
  [{ op: 'remove-destination', service: absent, destination: SERVER }, `${NO_SERVICE} DEL_DEST`],
  [{ op: 'ensure-no-service', service: absent }, 'applied'],
  [{ op: 'ensure-no-destination', service: absent, destination: SERVER }, 'applied'],

  [
    { op: 'replace-destination', service: UDP, destination: stranger },
    `${NO_DESTINATION} SET_DEST`,
  ],
  [
    { op: 'replace-destination', service: UDP, destination: linkLocal },
    `${NO_DESTINATION} SET_DEST`,
  ],
  [{ op: 'remove-destination', service: UDP, destination: stranger }, `${NO_DESTINATION} DEL_DEST`],
  [
    { op: 'remove-destination', service: UDP, destination: linkLocal },
    `${NO_DESTINATION} DEL_DEST`,
  ],
  [
    { op: 'remove-destination', service: UDP, destination: { ...SERVER, port: 54 } },
    `${NO_DESTINATION} DEL_DEST`,
  ],
  [{ op: 'ensure-no-destination', service: UDP, destination: stranger }, 'applied'],

  [
    { op: 'add-service', service: { ...unknownScheduler, port: 55 } },
    `${NO_SCHEDULER} NEW_SERVICE`,
  ],
  [
    { op: 'ensure-service', service: { ...unknownScheduler, port: 55 } },
    `${NO_SCHEDULER} NEW_SERVICE`,
  ],
  [{ op: 'replace-service', service: unknownScheduler }, `${NO_SCHEDULER} SET_SERVICE`],
  [{ op: 'ensure-service', service: unknownScheduler }, `${NO_SCHEDULER} SET_SERVICE`],
  [{ op: 'add-service', service: { ...unknownEngine, port: 55 } }, `${NO_ENGINE} NEW_SERVICE`],
  [{ op: 'ensure-service', service: { ...unknownEngine, port: 55 } }, `${NO_ENGINE} NEW_SERVICE`],
  [{ op: 'replace-service', service: unknownEngine }, `${NO_ENGINE} SET_SERVICE`],
  [{ op: 'ensure-service', service: unknownEngine }, `${NO_ENGINE} SET_SERVICE`],

  [{ op: 'add-destination', service: UDP, destination: broadcast }, `${INVALID} NEW_DEST`],
  [{ op: 'ensure-destination', service: UDP, destination: broadcast }, `${INVALID} NEW_DEST`],
  [{ op: 'add-destination', service: UDP, destination: linkLocal }, `${INVALID} NEW_DEST`],
  [
    { op: 'replace-destination', service: UDP, destination: broadcast },
    `${NO_DESTINATION} SET_DEST`,
  ],
]

export function errorsContract(openKernel: () => Promise<Subject>): void {
  describe('errors', () => {
    const shared = fixture(openKernel)

    beforeEach(async () => {
      await shared.ipvs.apply([
        { op: 'add-service', service },
        { op: 'add-destination', service: UDP, destination: SERVER },
      ])
    })

    test.each(
      cases.map(([change, expected]) => [JSON.stringify(change), expected, change] as const),
    )('%s: %s', async (_, expected, change) => {
      const before = await table(shared.ipvs)
      expect(await applied(shared.ipvs, [change])).toEqual([expected])
      expect(await table(shared.ipvs)).toEqual(before)
      expect(shared.ipvs.applySync([change]).outcomes.map(said)).toEqual([expected])
      expect(await table(shared.ipvs)).toEqual(before)
    })

    test('a failure does not stop what comes after it', async () => {
      const all = cases.map(([change]) => change)
      const last: Change = { op: 'remove-service', service: UDP }
      expect(await applied(shared.ipvs, [...all, last])).toEqual([
        ...cases.map(([, expected]) => expected),
        'applied',
      ])
    })

    test('what is not there is undefined, or an error where a list was asked for', async () => {
      const { ipvs } = shared
      expect(await ipvs.service(absent)).toBeUndefined()
      expect(await ipvs.service(MARK)).toBeUndefined()
      expect(await codeOf(ipvs.destinations(absent))).toBe('ERR_IPVS_NO_SERVICE')
      expect(await codeOf(ipvs.updateService(absent, {}))).toBe('ERR_IPVS_NO_SERVICE')
      expect(await codeOf(ipvs.updateDestination(UDP, stranger, {}))).toBe(
        'ERR_IPVS_NO_DESTINATION',
      )
    })

    test('a bad change is thrown before anything is sent', async () => {
      const bad = { op: 'add-service', service: { ...UDP, port: 60 } } as Change
      const good: Change = { op: 'remove-service', service: UDP }
      expect(await codeOf(shared.ipvs.apply([good, bad]))).toBe('ERR_IPVS_ARGUMENT')
      expect(() => shared.ipvs.applySync([good, bad])).toThrow(/changes\[1\]/)
      expect(await shared.ipvs.service(UDP)).toBeDefined()
    })
  })
}
