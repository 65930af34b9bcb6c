// npm run memory: whatever a check has opened or made is gone when it has ended, however it has ended.
import { type ChildProcess, fork, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import path from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { built } from '../../lab/checkout.js'
import { exitStatus, flag, runCommand, text, whole } from '../../lab/command.js'
import { type Ending, endings } from './endings.js'
import { leaks, withLeak } from './leaks.js'
import { look, type Outcomes, runChecks, type Sight } from './measure.js'
import type { Ports } from './servers.js'
import { type Library, type Subject, subjects } from './subjects.js'

const usage = `Every check in each of its endings, many times: what is left in memory, and what stays open.

    npm run memory -- [--checks N] [--only CHECK] [--ending ENDING] [--together] [--leaks] [--library FOLDER]

    --checks N        in each cell of the table (20000, a tenth of it for programs: an hour and a half)
    --only CHECK      one row, such as --only "dns over TCP"
    --ending ENDING   one column, such as --ending "half, closed"
    --together        looks once for each check, after all of its endings, and at each of them only if something is left
    --leaks           puts known leaks into copies of the build, one after the other: each must be found
    --library FOLDER  looks at another build than dist/

A cell shows the bytes of the heap that are left for each check. Exit status 0: nothing is left. 1: something is; the last lines say what.
`

const dist = path.dirname(fileURLToPath(import.meta.resolve('ipvs')))

await runCommand({
  name: 'memory',
  usage,
  options: {
    checks: whole(20_000, 50, 10_000_000),
    only: text,
    ending: text,
    leaks: flag,
    together: flag,
    library: text,
  },
  run: async ({ checks: count, only, ending, leaks: putBack, together, library = dist }) => {
    if (globalThis.gc === undefined) return again()
    if (putBack) return findLeaks(only)
    const rows = subjects.filter(({ name }) => only === undefined || name === only)
    const columns = endings.filter((name) => ending === undefined || name === ending)
    if (rows.length === 0) throw new Error(`there is no ${only}: ${names(subjects)}`)
    if (columns.length === 0) throw new Error(`there is no ${ending}: ${endings.join('; ')}`)
    const build = await load(library)
    const { ports, child } = await startServers()
    const faults: string[] = []
    process.stdout.write(`${count} checks in each cell; bytes of heap left for each\n\n`)
    process.stdout.write(`${''.padEnd(18)}${columns.map((name) => name.padStart(14)).join('')}\n`)
    for (const row of rows) {
      const times = row.costly ? Math.max(25, Math.round(count / 10)) : count
      const portsOf = ports[row.name] ?? {}
      const run = (one: Ending, most: number) => runChecks(build, row, one, portsOf[one] ?? 1, most)
      faults.push(...(await fillRow(row, columns, together, times, run)))
    }
    child.disconnect()
    process.stdout.write(
      faults.length === 0 ? '\nNothing is left of any.\n' : `\n${faults.join('\n')}\n`,
    )
    // What was left open would keep this process.
    process.exit(faults.length === 0 ? exitStatus.held : exitStatus.failed)
  },
})

/** Looks after each ending; or once, after all of them, and again after each only if something has grown. */
async function fillRow(
  row: Subject,
  columns: readonly Ending[],
  together: boolean,
  count: number,
  run: (ending: Ending, times: number) => Promise<Outcomes>,
): Promise<string[]> {
  process.stdout.write(row.name.padEnd(18))
  // What is made once, and kept, is made now.
  for (const ending of columns) await run(ending, Math.min(200, Math.ceil(count / 4)))
  const faults: string[] = []
  const attempt = async (ending: Ending) => {
    const { succeeded, failed } = await run(ending, count)
    const { takes = ['healthy'] } = row
    const isWrong = takes.includes(ending) ? succeeded === 0 : succeeded > 0
    if (ending !== 'aborted' && isWrong)
      faults.push(
        `${row.name}, ${ending}: ${succeeded} of ${count} have succeeded; ${failed.join('; ')}`,
      )
  }
  const show = (cell: string) => process.stdout.write(cell.padStart(14))
  let before = await look()
  if (together) {
    for (const ending of columns) await attempt(ending)
    if ((await lookAgain(before, count)).found.length === 0) {
      for (const _ of columns) show('0')
      process.stdout.write('\n')
      return faults
    }
  }
  for (const ending of columns) {
    await attempt(ending)
    let { after, found } = await lookAgain(before, count)
    if (found.length === 1 && found[0]!.includes(RESIDENT)) {
      // An allocator keeps what was needed at most, once; what leaks needs as much again.
      before = after
      await attempt(ending)
      ;({ after, found } = await lookAgain(before, count))
    }
    faults.push(...found.map((one) => `${row.name}, ${ending}: ${one}`))
    const bytes = (after.heapBytes - before.heapBytes) / count
    show(`${found.length === 0 ? '' : '! '}${bytes.toFixed(1)}`)
    before = after
  }
  process.stdout.write('\n')
  return faults
}

const RESIDENT = 'residentBytes'

/** The last of what is closing may take its time. */
async function lookAgain(before: Sight, count: number) {
  for (let tries = 0; ; tries++) {
    const after = await look()
    const found = grown(before, after, count)
    if (found.length === 0 || tries === 20) return { after, found }
  }
}

/** What is kept of a check has an object at least, and some bytes; what a runtime does at its leisure does not depend on `count`. */
function grown(before: Sight, after: Sight, count: number): string[] {
  const limits: Readonly<Record<keyof Sight, number>> = {
    objects: Math.max(20, count / 20),
    heapBytes: 1024 * 1024 + 10 * count,
    externalBytes: 512 * 1024 + 10 * count,
    residentBytes: 24 * 1024 * 1024,
    descriptors: 0,
    resources: 0,
  }
  return Object.entries(limits).flatMap(([name, limit]) => {
    const more = after[name as keyof Sight] - before[name as keyof Sight]
    return more > limit ? [`${more} ${name} more than before`] : []
  })
}

async function load(folder: string): Promise<Library> {
  // A copy of the build has none beside it.
  process.env.IPVS_ADDON ??= built('Release/ipvs.node')
  const from = (file: string) => import(pathToFileURL(path.resolve(folder, file)).href)
  const { checks } = (await from('health/checks/index.js')) as Pick<Library, 'checks'>
  const { exec } = (await from('health/checks/exec.js')) as Pick<Library, 'exec'>
  return { checks, exec }
}

async function startServers(): Promise<{ readonly ports: Ports; readonly child: ChildProcess }> {
  const child = fork(fileURLToPath(new URL('./servers.js', import.meta.url)), { execArgv: [] })
  const [ports] = (await once(child, 'message')) as [Ports]
  return { ports, child }
}

function findLeaks(only: string | undefined): number {
  const some = leaks.filter(({ subject }) => only === undefined || subject === only)
  const missed = some.filter((leak) => {
    const folder = withLeak(leak, dist, built('memory-leak'))
    const { subject, ending } = leak
    const args = ['--library', folder, '--only', subject, '--ending', ending, '--checks', '100']
    const { status, stdout } = start(args, 'pipe')
    const found = status === exitStatus.failed && / more than before/.test(stdout)
    process.stdout.write(`${found ? 'found ' : 'MISSED'}  ${leak.what} (${subject}, ${ending})\n`)
    return !found
  })
  return missed.length === 0 ? exitStatus.held : exitStatus.failed
}

/** With the garbage collector in reach. */
function again(): number {
  return start(process.argv.slice(2), 'inherit').status ?? exitStatus.failed
}

function start(args: readonly string[], stdio: 'inherit' | 'pipe') {
  const file = fileURLToPath(import.meta.url)
  const options = ['--expose-gc', '--disable-warning=ExperimentalWarning', file, ...args]
  return spawnSync(process.execPath, options, {
    stdio: ['ignore', stdio, 'inherit'],
    encoding: 'utf8',
  })
}

function names(list: readonly Subject[]): string {
  return list.map(({ name }) => name).join('; ')
}
