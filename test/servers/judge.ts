// One check of a real server, and what every kind of check must say when every kind of server fails.
import { expect, it } from 'vitest'
import { CheckTimeoutError } from '../../src/health/outcome.js'
import type { Check, HealthMember } from '../../src/health/types.js'
import { slowly } from './proxy.js'
import type { Server } from './server.js'

export function memberAt(port: number, address = '127.0.0.1'): HealthMember {
  return { key: `${address}:${port}`, address, port }
}

/** As the checker does it: `healthy: detail`, or the reason with HOST for the member. */
export async function judge(check: Check, member: HealthMember, timeoutMs = 2000): Promise<string> {
  const controller = new AbortController()
  const timer = setTimeout(() => controller.abort(new CheckTimeoutError(timeoutMs)), timeoutMs)
  const said = await check(member, { signal: controller.signal }).then(
    (success) => `healthy: ${success?.detail}`,
    (error: Error) => error.message,
  )
  clearTimeout(timer)
  return said.replaceAll(member.key, 'HOST')
}

export interface Subject {
  readonly server: () => Server
  readonly check: Check
  readonly member: HealthMember
  /** How the reasons begin: `smtp HOST`. */
  readonly label: string
  readonly healthy: RegExp
  /** What follows "no answer within 200 ms" when the server is silent, and when it has said a part. */
  readonly silent: string
  readonly partly: RegExp
}

/** Healthy, slow, silent, refused. The server runs again afterwards. */
export function behaves({ server, check, member, label, healthy, silent, partly }: Subject): void {
  it(`${label}: healthy, also when every byte comes by itself`, async () => {
    expect(await judge(check, member)).toMatch(healthy)
    const proxy = await slowly(member, 0, 'byte')
    expect(await judge(check, proxy.member)).toMatch(healthy)
    await proxy.close()
  })

  it(`${label}: healthy a hundred times, without a trace`, async () => {
    for (let i = 0; i < 100; i++) expect(await judge(check, member)).toMatch(healthy)
  })

  it(`${label}: too slow, but healthy with more time`, async () => {
    const late = await slowly(member, 300, 'chunk')
    expect(await judge(check, late.member, 200)).toMatch(
      new RegExp(`^${label}: no answer within 200 ms`),
    )
    expect(await judge(check, late.member, 5000)).toMatch(healthy)
    await late.close()
    const trickle = await slowly(member, 80, 'byte')
    const some = await judge(check, trickle.member, 200)
    expect(some).toMatch(new RegExp(`^${label}: no answer within 200 ms`))
    expect(some).toMatch(partly)
    await trickle.close()
  })

  it(`${label}: silent while it is stopped, healthy when it goes on`, async () => {
    server().freeze()
    expect(await judge(check, member, 200)).toBe(`${label}: no answer within 200 ms${silent}`)
    server().thaw()
    await expect.poll(() => judge(check, member), { timeout: 10_000 }).toMatch(healthy)
  })

  it(`${label}: refused when it has ended, healthy when it is back`, async () => {
    await server().stop()
    expect(await judge(check, member)).toBe(`${label}: connection refused`)
    await server().start()
    await expect.poll(() => judge(check, member), { timeout: 10_000 }).toMatch(healthy)
  })
}
