// npm run bench -- reload: what a reload of the director costs, with a file of the size that big users have.
import { readFileSync, rmSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { Ipvs } from 'ipvs'
import { MemoryKernel } from 'ipvs/testing'
import { built } from '../../lab/checkout.js'
import { exitStatus, flag, printJson, runCommand, runOnIpvs } from '../../lab/command.js'
import { textTable } from '../../lab/page/table.js'
import { POOLS, SERVERS } from './file.js'
import { measure, type ReloadRow } from './measure.js'

const usage = `What a reload of the director costs, with ${POOLS} virtual servers that have ${SERVERS} real ones.

    npm run bench -- reload [--json]

First at this machine's own speed, on the kernel in memory; then on a kernel that has IPVS, whose system calls are slow. Exit status 0: a
reload in which nothing has changed sends nothing, and one changed weight sends one change. 1: they do not.
`

export const benchReload = (args: readonly string[]): Promise<void> =>
  runCommand(
    {
      name: 'reload',
      usage,
      options: { json: flag },
      run: async ({ json }) => {
        const client = await Ipvs.open({ kernel: new MemoryKernel() })
        const host = await measure(client)
        await client.close()
        const lab = await inTheLab()
        const head = ['a reload, in ms of processor time', 'here', 'in the lab', 'changes sent']
        const cells = host.map(({ what, cpuMs, sent }, index) => [
          what,
          cpuMs.toFixed(0),
          lab[index]!.cpuMs.toFixed(0),
          `${sent}`,
        ])
        process.stdout.write(`${textTable(head, cells).join('\n')}\n`)
        const wrong = [host, lab].flatMap((rows) => rows.filter(isWrong))
        for (const { what, sent } of wrong)
          process.stdout.write(`FAILED ${what}: ${sent} changes were sent.\n`)
        printJson({ host, lab }, json)
        return wrong.length === 0 ? exitStatus.held : exitStatus.failed
      },
    },
    args,
  )

function isWrong({ what, sent }: ReloadRow): boolean {
  if (what === 'start') return false
  return sent !== (/^(one weight|and back)/.test(what) ? 1 : 0)
}

async function inTheLab(): Promise<ReloadRow[]> {
  const file = built(`reload-${process.pid}.json`)
  const guest = fileURLToPath(new URL('./guest.js', import.meta.url))
  const status = await runOnIpvs({ file: guest, plan: { file }, seconds: 120 })
  if (status !== 0) throw new Error(`The guest ended with status ${status}.`)
  const rows = JSON.parse(readFileSync(file, 'utf8')) as ReloadRow[]
  rmSync(file)
  return rows
}
