import { describe, expect, it } from 'vitest'
import { checks } from '../../../src/health/checks/index.js'
import { CheckTimeoutError, classify, Inconclusive } from '../../../src/health/outcome.js'
import type { Check } from '../../../src/health/types.js'
import { connected, outOfTime, run, serve } from './loopback.js'
import { failed, member } from './target.js'

const context = { signal: new AbortController().signal }
const good: Check = async () => ({ detail: 'fine' })
const silent: Check = async () => {}
const half: Check = async () => ({ detail: 'busy', weightFactor: 0.5 })
const bad: Check = async () => {
  throw new Error('broken')
}
const unknown: Check = async () => {
  throw new Inconclusive('no idea')
}
const noRoute: Check = async () => {
  throw failed('ENETUNREACH')
}
const { all, any, atLeast, not } = checks

async function outcomeOf(check: Check): Promise<string> {
  try {
    const success = await check(member(1), context)
    return `${success?.detail} ${success?.weightFactor}`
  } catch (error) {
    return `${classify(error)}: ${(error as Error).message}`
  }
}

describe('all, any and atLeast', () => {
  it.each([
    [all(good, half, silent), 'fine; busy; healthy 0.5'],
    [all(good, bad), 'failure: broken'],
    [all(good, unknown), 'unknown: no idea'],
    [all(unknown, bad), 'failure: no idea; broken'],
    [all(good, noRoute), 'unreachable: network is unreachable'],
    [any(bad, half), 'busy 0.5'],
    [any(unknown, good), 'fine 1'],
    [any(bad, unknown), 'unknown: broken; no idea'],
    [any(bad, bad), 'failure: broken; broken'],
    [atLeast(2, good, bad, half), 'fine; busy 0.5'],
    [atLeast(2, good, bad, unknown), 'unknown: broken; no idea'],
    [atLeast(2, bad, unknown, bad), 'failure: broken; no idea; broken'],
    [all(any(bad, good), not(bad)), 'fine; not: broken 1'],
    [all(async () => ({ weightFactor: Number.NaN }), good), /^unknown: .*weightFactor NaN/],
    [
      any(() => {
        throw new Error('threw at once')
      }, good),
      'fine 1',
    ],
  ])('%#: $1', async (check, expected) => {
    const said = await outcomeOf(check as Check)
    if (typeof expected === 'string') expect(said).toBe(expected)
    else expect(said).toMatch(expected)
  })

  it('take many checks without a warning about listeners', async () => {
    const warned: Error[] = []
    const note = (warning: Error) => warned.push(warning)
    process.on('warning', note)
    const { member } = await serve({ tcp: () => {} })
    const many = Array.from({ length: 30 }, () => checks.tcp())
    expect(await run(all(...many), member)).toMatch(/^healthy: connected; connected/)
    await new Promise((resolve) => setImmediate(resolve))
    process.off('warning', note)
    expect(warned).toEqual([])
  })

  it('close what they abort', async () => {
    const { member } = await serve({ tcp: () => {}, udp: () => {} })
    const deaf = checks.udp({ payload: 'x' })
    expect(await run(any(deaf, checks.tcp()), member)).toBe('healthy: connected')
    const { address, port } = (await serve({})).member
    const refused = checks.tcp({ connect: { address, port } })
    expect(await run(all(deaf, refused), member)).toMatch(/^tcp \S+: connection refused$/)
  })

  it('name every check that the time limit ends', async () => {
    const { member } = await serve({ tcp: (socket) => socket.resume(), udp: () => {} })
    const check = all(checks.udp({ payload: 'x' }), checks.http())
    expect(await outOfTime(check, member, connected)).toBe(
      'udp HOST: no answer within 80 ms; http HOST: no answer within 80 ms',
    )
  })

  it.each([
    [() => all(), 'checks'],
    [() => any(), 'checks'],
    [() => all(good, 'tcp' as never), 'checks[1]'],
    [() => atLeast(0, good), 'count'],
    [() => atLeast(3, good, good), 'count'],
    [() => atLeast('1' as never, good), 'count'],
    [() => not(undefined as never), 'checks[0]'],
  ])('refuse %s', (make, option) => {
    expect(make).toThrow(expect.objectContaining({ code: 'ERR_IPVS_ARGUMENT', option }))
  })
})

describe('not', () => {
  it.each([
    [not(bad), 'not: broken undefined'],
    [not(good), 'failure: not: fine'],
    [not(not(good)), 'not: not: fine undefined'],
    [not(unknown), 'unknown: no idea'],
    [not(noRoute), 'unknown: network is unreachable'],
    [not(any(bad, unknown)), 'unknown: broken; no idea'],
    [not(checks.tcp({ localAddress: '::1' })), /^unknown: options\.localAddress/],
  ])('%#: $1', async (check, expected) => {
    const said = await outcomeOf(check)
    if (typeof expected === 'string') expect(said).toBe(expected)
    else expect(said).toMatch(expected)
  })

  it('is not healthy because its time is up', async () => {
    const { member } = await serve({ udp: () => {} })
    const controller = new AbortController()
    const ended = not(checks.udp({ payload: 'x' }))(member, { signal: controller.signal })
    controller.abort(new CheckTimeoutError(5))
    const error = await ended.catch((thrown: unknown) => thrown)
    expect(classify(error)).toBe('unknown')
  })
})
