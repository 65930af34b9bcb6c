// npm run bench -- command: `ipvs list` beside `ipvsadm -Ln`, from their start to their last line; what `ipvs top` takes; pictures of the command.
import { readFileSync, rmSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { built } from '../../lab/checkout.js'
import {
  exitStatus,
  flag,
  printJson,
  runCommand,
  runOnIpvs,
  text,
  whole,
} from '../../lab/command.js'
import { textTable } from '../../lab/page/table.js'
import type { CommandPlan, CommandReport } from './guest.js'
import { takePictures } from './pictures.js'

const usage = `How long the command takes to show a table, beside ipvsadm, and how much memory.

    npm run bench -- command [--rounds N] [--services N] [--destinations N] [--seconds N] [--json]
    npm run bench -- command --pictures FOLDER

    --seconds N        how long "ipvs top" is watched (20); 0: not at all
    --pictures FOLDER  measures nothing, and takes the pictures of docs/command.md

Exit status 0: it was measured, and took less than 120 MB, top less than 10 % of a core. 1: it took more.
`

const MOST_KB = 120_000
const MOST_SHARE = 0.1
const FIRST = 'ipvsadm -Ln'
const BARE = 'Node.js alone'

export const benchCommand = (args: readonly string[]): Promise<void> =>
  runCommand(
    {
      name: 'command',
      usage,
      options: {
        rounds: whole(7, 1, 100),
        services: whole(1000, 1, 60_000),
        destinations: whole(10, 0, 250),
        seconds: whole(20, 0, 3600),
        pictures: text,
        json: flag,
      },
      run: async ({ json, pictures, ...sizes }) => {
        if (pictures !== undefined) return takePictures(pictures)
        const { times, top } = await measure(sizes)
        const best = (name: string) => Math.min(...times[name]!.ms)
        const rows = Object.entries(times).map(([name, { ms, peakKb }]) => [
          name,
          best(name).toFixed(0),
          middle(ms).toFixed(0),
          `${(best(name) / best(FIRST)).toFixed(2)} x`,
          (best(name) - best(BARE)).toFixed(0),
          peakKb === 0 ? '' : (peakKb / 1000).toFixed(0),
        ])
        const head = ['ms', 'best', 'median', `to ${FIRST}`, `beyond ${BARE}`, 'peak, MB']
        const title = `${sizes.services} services with ${sizes.destinations} destinations each, shown:`
        process.stdout.write(`${title}\n${textTable(head, rows).join('\n')}\n`)
        if (top !== undefined) process.stdout.write(`${topText(top)}\n`)
        const large = Object.entries(times).filter(([, { peakKb }]) => peakKb > MOST_KB)
        for (const [name] of large) process.stdout.write(`FAILED ${name}: over 120 MB.\n`)
        const isBusy = top !== undefined && top.share > MOST_SHARE
        if (isBusy) process.stdout.write('FAILED ipvs top: over 10 % of a core.\n')
        printJson({ times, ...(top && { top }) }, json)
        return large.length === 0 && !isBusy ? exitStatus.held : exitStatus.failed
      },
    },
    args,
  )

async function measure(sizes: Omit<CommandPlan, 'file'>): Promise<CommandReport> {
  const file = built(`command-${process.pid}.json`)
  const plan: CommandPlan = { file, ...sizes }
  const guest = fileURLToPath(new URL('./guest.js', import.meta.url))
  const status = await runOnIpvs({
    file: guest,
    plan,
    seconds: 20 + 10 * sizes.rounds + 2 * sizes.seconds,
  })
  if (status !== 0) throw new Error(`The guest ended with status ${status}.`)
  const report: CommandReport = JSON.parse(readFileSync(file, 'utf8'))
  rmSync(file)
  return report
}

function topText({ share, keyMs, peakKb }: NonNullable<CommandReport['top']>): string {
  const memory = (peakKb / 1000).toFixed(0)
  return `ipvs top: ${(100 * share).toFixed(1)} % of a core while nobody types, ${keyMs.toFixed(1)} ms of it for each key, at most ${memory} MB.`
}

function middle(times: readonly number[]): number {
  return times.toSorted((a, b) => a - b)[times.length >> 1]!
}
