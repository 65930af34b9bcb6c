// One check of a real server, and where the known ones are found.
import { CheckTimeoutError } from '../../src/health/outcome.js'
import type { Check, HealthMember } from '../../src/health/types.js'
import { type KnownCheck, servers } from './known-servers.js'

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

/** The known servers, with ten ports for each from `firstPort` on, and who is to be checked there. */
export function place(firstPort: number) {
  return servers.map(({ name, plan, checks }, index) => {
    const port = firstPort + 10 * index
    return { name, plan: plan(port), checks: checks.map((known) => placeCheck(known, port)) }
  })
}

function placeCheck(known: KnownCheck, port: number) {
  const label = known.label ?? known.name
  return { ...known, label, member: memberAt(port + (known.offset ?? 0)) }
}
