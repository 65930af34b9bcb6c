// npm run soak: a director to which everything happens that happens to one, for as long as you like.
import { mkdirSync, rmSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { built, checkout } from '../../lab/checkout.js'
import {
  decimal,
  exitStatus,
  flag,
  printJson,
  runCommand,
  runOnIpvs,
  whole,
} from '../../lab/command.js'
import type { Plan, Result } from './driver.js'

const usage = `A director, and all that happens to one: its file is changed every two seconds, each third time for a bad one; servers fail and
recover; people say things of them by hand; it is killed, its state file damaged, its socket removed, its disk full, the clock
set. It has to come back to what file, servers and people say, forget nothing and keep no memory.

    npm run soak -- [--minutes N] [--seed S] [--sabotage] [--json]

    --minutes N   how long (2)
    --seed S      repeats what an earlier run has drawn
    --sabotage    both copies of the state are lost at each kill: has to be noticed, and to fail
    --json        the last line of stdout is the result as one JSON object; the rest goes to stderr

Exit status 0: all held. 1: something did not, and the last lines say what.
`

const driver = fileURLToPath(new URL('./driver.js', import.meta.url))

await runCommand({
  name: 'soak',
  usage,
  options: {
    minutes: decimal(2, 0.2, 1440),
    seed: whole(Math.floor(Math.random() * 1e9), 0, 2 ** 31 - 1),
    sabotage: flag,
    json: flag,
  },
  run: async ({ json, ...options }) => {
    const folder = built('soak')
    rmSync(folder, { recursive: true, force: true })
    mkdirSync(folder, { recursive: true })
    const plan: Plan = { ...options, folder, bin: path.join(checkout, 'dist/bin/ipvs.cjs') }
    process.stderr.write(`soak: seed ${plan.seed}\n`)
    const seconds = options.minutes * 60
    const status = await runOnIpvs({ file: driver, plan, seconds, stdout: process.stderr })
    if (status !== 0) throw new Error(`the driver ended with status ${status}; see ${folder}`)
    const result = JSON.parse(await readFile(path.join(folder, 'result.json'), 'utf8')) as Result
    const people = json ? process.stderr : process.stdout
    const counts = Object.entries(result.happened).map(([what, times]) => `${times} ${what}`)
    people.write(`\n${counts.join(', ')}\n`)
    const { lifeSeconds, firstMegabytes, lastMegabytes, firstFiles, lastFiles } = result.lastLife
    people.write(
      `its last life of ${lifeSeconds} s: ${firstMegabytes} to ${lastMegabytes} MB, ${firstFiles} to ${lastFiles} open files\n`,
    )
    for (const fault of result.faults) people.write(`FAILED ${fault}\n`)
    printJson({ ...result, ok: result.faults.length === 0 }, json)
    return result.faults.length === 0 ? exitStatus.held : exitStatus.failed
  },
})
