// npm run bench -- failover: the old way and ours side by side, on a kernel that has IPVS.
import { mkdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { runInLab } from '../lab/host.js'
import { failures } from './failures.js'
import type { Plan } from './guest.js'
import { systemNames } from './systems.js'

const checkout = fileURLToPath(new URL('../../../', import.meta.url))
const guest = fileURLToPath(new URL('./guest.js', import.meta.url))

export async function failover(args: readonly string[]): Promise<number> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      only: { type: 'string' },
      json: { type: 'boolean', default: false },
      sabotage: { type: 'boolean', default: false },
    },
  })
  const trials = systemNames.flatMap((system) => failures.map(({ name }) => `${system}/${name}`)).filter((t) => !values.only || values.only.split(';').some((o) => t.includes(o)))
  const folder = path.join(checkout, 'build/failover')
  mkdirSync(folder, { recursive: true })
  const file = path.join(folder, 'trials.jsonl')
  const plan: Plan = { trials, file, witness: path.join(checkout, 'build/chaos/witness'), sabotage: values.sabotage }
  const status = await runInLab([process.execPath, guest, JSON.stringify(plan)], { timeout: 3e6, terminal: false })
  const [first, ...lines] = readFileSync(file, 'utf8').trim().split('\n')
  console.log(first, lines.length)
  return status
}
if (process.argv[1] === fileURLToPath(import.meta.url)) process.exitCode = await failover(process.argv.slice(2))
