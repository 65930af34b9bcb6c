// npm run bench -- pools: how long the event loop stands still when a pool, or a checker, hears bad news of everybody at once.
import { readFileSync, rmSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { built } from '../../lab/checkout.js'
import { exitStatus, flag, printJson, runCommand, runOnIpvs, whole } from '../../lab/command.js'
import { textTable } from '../../lab/page/table.js'
import { timesOf } from './times.js'

const usage = `How long the event loop stands still when a pool hears bad news of all its servers at once.

    npm run bench -- pools [--rounds N] [--json]

Exit status 0: judging servers together, and telling a lost uplink from dead servers, cost at most a few times what judging
each by itself costs. 1: they cost more.
`

/** Of those that are compared, in milliseconds, best and median. */
export interface PoolsRow {
  readonly what: string
  readonly bestMs: number
  readonly medianMs: number
}

/** What is allowed: so many times the row before it, in the best of its rounds. */
const mostTimes = 5

export const benchPools = (args: readonly string[]): Promise<void> =>
  runCommand(
    {
      name: 'pools',
      usage,
      options: { rounds: whole(3, 1, 100), json: flag },
      run: async ({ rounds, json }) => {
        const rows = [...(await verdicts(rounds)), ...uplink(rounds)]
        const head = ['the event loop stands still, in ms', 'best', 'median']
        const cells = rows.map(({ what, bestMs, medianMs }) => [
          what,
          ...[bestMs, medianMs].map((ms) => ms.toFixed(1)),
        ])
        process.stdout.write(`${textTable(head, cells).join('\n')}\n`)
        const slow = [rows.slice(0, 2), rows.slice(2)].flatMap(([plain, judged]) =>
          judged!.bestMs > mostTimes * plain!.bestMs ? [judged!.what] : [],
        )
        for (const what of slow) process.stdout.write(`FAILED ${what}: over ${mostTimes} times.\n`)
        printJson({ rows }, json)
        return slow.length === 0 ? exitStatus.held : exitStatus.failed
      },
    },
    args,
  )

/** On a kernel that has IPVS. */
async function verdicts(rounds: number): Promise<PoolsRow[]> {
  const file = built(`pools-${process.pid}.json`)
  const plan = { file, samples: 2 * rounds }
  const guest = fileURLToPath(new URL('./guest.js', import.meta.url))
  const status = await runOnIpvs({ file: guest, plan, seconds: 60 })
  if (status !== 0) throw new Error(`The guest ended with status ${status}.`)
  const times: Record<string, number[]> = JSON.parse(readFileSync(file, 'utf8'))
  rmSync(file)
  return [
    row('4,000 verdicts in one turn, each by itself', times.each!),
    row('4,000 verdicts in one turn, a quorum over them', times.quorum!),
  ]
}

/** On this machine itself. */
function uplink(rounds: number): PoolsRow[] {
  const of = (code: string) =>
    Array.from({ length: rounds }, () => {
      process.stderr.write(`10,000 members: ${code}\n`)
      return timesOf('uplink.mjs', [code])[0]!
    })
  return [
    row('10,000 members refuse, 99th percentile', of('ECONNREFUSED')),
    row('10,000 members lose their uplink, 99th percentile', of('ENETUNREACH')),
  ]
}

function row(what: string, times: readonly number[]): PoolsRow {
  const sorted = times.map((us) => us / 1000).sort((a, b) => a - b)
  return { what, bestMs: sorted[0]!, medianMs: sorted[sorted.length >> 1]! }
}
