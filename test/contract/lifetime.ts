import { beforeEach, describe, expect, test } from 'vitest'
import type { Change } from '../../src/types.js'
import { codeOf, fixture, SERVER, SERVICE, server, UDP } from './fixture.js'
import type { Subject } from './subject.js'

function many(count: number): Change[] {
  return Array.from({ length: count }, (_, n) => ({
    op: 'ensure-destination',
    service: UDP,
    destination: server(n % 500, n),
  }))
}

export function lifetimeContract(openKernel: () => Promise<Subject>): void {
  describe('deadlines, signals, closing', () => {
    const shared = fixture(openKernel)
    beforeEach(() => shared.ipvs.addService(SERVICE))

    test('a signal that is aborted already sends nothing', async () => {
      const result = await shared.ipvs.apply([{ op: 'remove-service', service: UDP }], {
        signal: AbortSignal.abort(),
      })
      expect(result.outcomes.map(({ status }) => status)).toEqual(['not-sent'])
      expect(result.errors[0]!.error.message).toContain('its signal was aborted')
      expect(await shared.ipvs.service(UDP)).toBeDefined()
    })

    test('a signal takes back what is not sent yet, and nothing else', async () => {
      const abort = new AbortController()
      const count = 20_000
      const all = shared.ipvs.apply(many(count), { priority: 'bulk', signal: abort.signal })
      while ((await shared.ipvs.destinations(UDP)).length === 0);
      abort.abort()
      const { outcomes, applied, failed } = await all
      expect(applied).toBeGreaterThan(0)
      expect(failed).toBeGreaterThan(0)
      expect(new Set(outcomes.slice(0, applied).map(({ status }) => status))).toEqual(
        new Set(['applied']),
      )
      expect(new Set(outcomes.slice(applied).map(({ status }) => status))).toEqual(
        new Set(['not-sent']),
      )
      const weights = (await shared.ipvs.destinations(UDP)).map(({ weight }) => weight)
      expect(Math.max(...weights)).toBe(applied - 1)
    })

    test('what a deadline cuts off has an outcome, and the next call works', async () => {
      const { outcomes } = await shared.ipvs.apply(many(30_000), { deadlineMs: 1 })
      const statuses = new Set(outcomes.map(({ status }) => status))
      expect([...statuses].filter((s) => s !== 'applied' && s !== 'unknown')).toEqual(['not-sent'])
      await shared.ipvs.addDestination(UDP, server(3000, 5))
    })

    test('no changes are no work', async () => {
      expect(await shared.ipvs.apply([])).toMatchObject({ total: 0, applied: 0, failed: 0 })
      expect(shared.ipvs.applySync([])).toMatchObject({ total: 0, applied: 0, failed: 0 })
    })

    test('applySync has happened when it returns, and takes one batch', async () => {
      expect(shared.ipvs.applySync(many(100))).toMatchObject({ total: 100, applied: 100 })
      expect((await shared.ipvs.destinations(UDP)).length).toBe(100)
      expect(() => shared.ipvs.applySync(many(100_000))).toThrow(RangeError)
      const waiting = shared.ipvs.apply(many(10_000))
      expect(() => shared.ipvs.applySync([])).toThrow(
        expect.objectContaining({ code: 'ERR_IPVS_BUSY' }),
      )
      await waiting
    })

    test('closing sends what was accepted, and refuses what comes after', async () => {
      const client = await shared.subject.open()
      const call = client.addDestination(UDP, SERVER)
      const refused = codeOf(client.addDestination(UDP, SERVER))
      const closing = client.close()
      expect(await codeOf(client.services())).toBe('ERR_IPVS_CLOSED')
      await Promise.all([call, closing])
      expect(await refused).toBe('ERR_IPVS_EXISTS')
      expect((await shared.ipvs.destinations(UDP)).length).toBe(1)
      await client.close()
      expect(() => client.applySync([])).toThrow(/closed/)
    })
  })
}
