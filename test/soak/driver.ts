// driver.js PLAN: in the guest. Does to a director what happens to one, and looks whether the table is what it has to be.
import { execFileSync } from 'node:child_process'
import { mkdirSync, readFileSync, rmSync, truncateSync, unlinkSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import type { DirectorState, SetResult } from 'ipvs/director'
import { readTable } from '../../lab/witness/table.js'
import { Chance } from '../chaos/random.js'
import { DirectorProcess } from './process.js'
import { Servers } from './servers.js'
import { type FilePool, fileText, type Word, wantedTable } from './wanted.js'

export interface Plan {
  readonly minutes: number
  readonly seed: number
  readonly sabotage: boolean
  readonly folder: string
  readonly bin: string
}

export interface Result {
  readonly seed: number
  readonly happened: Readonly<Record<string, number>>
  readonly faults: readonly string[]
  readonly lastLife: {
    readonly lifeSeconds: number
    readonly firstMegabytes: number
    readonly lastMegabytes: number
    readonly firstFiles: number
    readonly lastFiles: number
  }
}

/** Much longer than a check, a reconcile and a write that is tried again take together. */
const CONVERGE_MS = 30_000
const RELOAD_MS = 2000
const SAMPLE_MS = 20
/** One pool whose protocols differ in so many looks in a row is split: one look may come between the two messages. */
const SPLIT_LOOKS = 3

const plan = JSON.parse(process.argv[2]!) as Plan
const random = new Chance(plan.seed)
const state = path.join(plan.folder, 'state')
const stateFile = path.join(state, 'director.json')
const servers = new Servers()
const words = new Map<string, Word>()
const happened: Record<string, number> = {}
const faults: string[] = []
const director = new DirectorProcess(plan.bin, plan.folder)

const addresses = Array.from({ length: 6 }, (_, index) => `127.0.1.${index + 1}`)
const endpoints = addresses.flatMap((address) => [`${address}:53`, `${address}:80`])
let pools: readonly FilePool[] = drawPools()
let isDiskFull = false
let life: { readonly at: number; readonly looks: ReturnType<DirectorProcess['look']>[] }

function drawPools(): FilePool[] {
  const some = () => {
    const drawn = addresses.filter(() => random.from(0, 2) > 0)
    return new Map(
      (drawn.length === 0 ? addresses.slice(0, 1) : drawn).map((one) => [one, random.from(1, 9)]),
    )
  }
  const scheduler = (): FilePool['scheduler'] => (random.from(0, 4) === 0 ? 'wlc' : 'wrr')
  return [
    {
      name: 'dns',
      front: '192.0.2.53:53',
      protocols: ['tcp', 'udp'],
      scheduler: scheduler(),
      servers: some(),
    },
    {
      name: 'web',
      front: '192.0.2.80:80',
      protocols: ['tcp'],
      scheduler: scheduler(),
      servers: some(),
    },
    ...(random.from(0, 2) === 0
      ? [
          {
            name: 'more',
            front: '192.0.2.81:80',
            protocols: ['tcp'] as const,
            scheduler: scheduler(),
            servers: some(),
          },
        ]
      : []),
  ]
}

function note(what: string): void {
  happened[what] = (happened[what] ?? 0) + 1
}

function seenTable(): string[] {
  const table = readTable(
    readFileSync('/proc/net/ip_vs', 'utf8').split('\n').slice(3).filter(Boolean),
  )
  const lines = [...table].flatMap(([service, { settings, servers: held }]) => [
    `${service} ${settings.split(' ')[0]}`,
    ...[...held].map(([server, row]) => `${service} ${server} ${row.split(/\s+/)[1]}`),
  ])
  return lines.toSorted()
}

/** It comes to what it has to be, or that is a fault. */
async function converge(when: string): Promise<void> {
  const end = performance.now() + CONVERGE_MS
  const wanted = wantedTable(pools, servers.answering, words)
  for (;;) {
    const seen = seenTable()
    if (seen.join('\n') === wanted.join('\n')) return
    if (performance.now() > end) {
      const missing = wanted.filter((line) => !seen.includes(line))
      const extra = seen.filter((line) => !wanted.includes(line))
      faults.push(`${when}: the table lacks [${missing.join('; ')}] and has [${extra.join('; ')}]`)
      return
    }
    await pause(100)
  }
}

/** TCP and UDP of one pool at every moment: the same servers with the same weights. */
function watchSplits(): () => void {
  let split = 0
  const timer = setInterval(() => {
    const table = readTable(
      readFileSync('/proc/net/ip_vs', 'utf8').split('\n').slice(3).filter(Boolean),
    )
    const [tcp, udp] = ['tcp', 'udp'].map((protocol) => {
      const rows = [...(table.get(`${protocol} 192.0.2.53:53`)?.servers ?? [])]
      return rows
        .map(([server, row]) => `${server} ${row.split(/\s+/)[1]}`)
        .toSorted()
        .join()
    })
    split = tcp === udp ? 0 : split + 1
    if (split === SPLIT_LOOKS) faults.push(`TCP and UDP differ: [${tcp}] and [${udp}]`)
  }, SAMPLE_MS)
  return () => clearInterval(timer)
}

const file = path.join(plan.folder, 'director.yaml')
const write = () => writeFileSync(file, fileText(pools, plan.folder))

async function reloadGood(): Promise<void> {
  pools = drawPools()
  write()
  if (random.from(0, 1) === 0) {
    await director.ask({ do: 'reload' })
    note('reloads')
  } else {
    const before = await lastReload()
    director.reload()
    while ((await lastReload()) === before) await pause(20)
    note('reloads by signal')
  }
}

async function lastReload(): Promise<string> {
  const { reload } = (await director.ask({ do: 'state' })) as DirectorState
  return JSON.stringify(reload ?? 'none')
}

async function reloadBad(): Promise<void> {
  const good = readFileSync(file, 'utf8')
  const bad = random.pick([
    good.replace('pools:', 'pols:'),
    good.slice(0, good.length / 2),
    good.replace('127.0.1', '127.0.300'),
    good.replace('fall: 2', 'fall: -2'),
    '',
    '\0\0\0\0',
  ])
  writeFileSync(file, bad)
  const refused = await director.ask({ do: 'reload' }).then(
    () => undefined,
    (error: Error) => error.message,
  )
  // Cut in half it may be a good one, with fewer pools.
  writeFileSync(file, good)
  if (refused === undefined) await director.ask({ do: 'reload' })
  note('bad files')
}

async function say(): Promise<void> {
  const pool = random.pick(pools)
  const port = pool.front.split(':')[1]!
  const server = `${random.pick([...pool.servers.keys()])}:${port}`
  const target = `${pool.name}/${server}`
  const word = random.pick(['drain', 'maintenance', 'ready', 'weight', 'file'] as const)
  const before = words.get(target) ?? {}
  const weight = random.from(1, 20)
  const change =
    word === 'weight' ? { weight } : word === 'file' ? { weight: 'file' as const } : { admin: word }
  const result = (await director.ask({ do: 'set', target, ...change })) as SetResult
  const { admin: _, ...withoutAdmin } = before
  const { weight: __, ...withoutWeight } = before
  const now =
    word === 'weight'
      ? { ...before, weight }
      : word === 'file'
        ? withoutWeight
        : word === 'ready'
          ? withoutAdmin
          : { ...before, admin: word }
  words.set(target, now)
  note('words')
  if (result.notKept !== undefined) {
    note('words while the disk was full')
    if (!isDiskFull) faults.push(`${target} was not kept: ${result.notKept}`)
  }
}

async function toggleServer(): Promise<void> {
  const endpoint = random.pick(endpoints)
  if (servers.answering.has(endpoint)) await servers.stop(endpoint)
  else await servers.start(endpoint)
  note('servers that failed or came back')
}

async function whole(): Promise<void> {
  const end = performance.now() + CONVERGE_MS
  for (;;) {
    const { troubles } = (await director.ask({ do: 'state' })) as DirectorState
    const isWhole = [stateFile, `${stateFile}.copy`].every((one) => {
      try {
        JSON.parse(readFileSync(one, 'utf8'))
        return true
      } catch {
        return words.size === 0
      }
    })
    if (troubles.length === 0 && isWhole) return
    if (performance.now() > end) {
      faults.push(`the state is not written again: ${troubles.join('; ')}`)
      return
    }
    await pause(100)
  }
}

async function kill(): Promise<void> {
  if (isDiskFull) await freeDisk()
  await whole()
  await director.kill()
  note('kills')
  const damaged = random.pick([stateFile, `${stateFile}.copy`])
  if (plan.sabotage)
    for (const one of [stateFile, `${stateFile}.copy`]) rmSync(one, { force: true })
  else if (random.from(0, 1) === 0) damage(damaged)
  await start()
}

function damage(one: string): void {
  try {
    const size = readFileSync(one).length
    if (random.from(0, 1) === 0) truncateSync(one, Math.floor(size / 2))
    else writeFileSync(one, 'x'.repeat(Math.min(100, size)))
    note('damaged state files')
  } catch {
    // Nothing was said yet: there is none.
  }
}

async function fillDisk(): Promise<void> {
  if (isDiskFull) return freeDisk()
  try {
    for (let size = 65_536; size >= 1; size /= 2) {
      try {
        for (;;) writeFileSync(path.join(state, 'filler'), 'x'.repeat(size), { flag: 'a' })
      } catch {
        // Smaller pieces.
      }
    }
  } finally {
    isDiskFull = true
    note('full disks')
  }
}

async function freeDisk(): Promise<void> {
  rmSync(path.join(state, 'filler'), { force: true })
  isDiskFull = false
  await whole()
}

async function start(): Promise<void> {
  await director.start()
  life = { at: performance.now(), looks: [] }
}

const acts: readonly (readonly [weight: number, act: () => Promise<void> | void])[] = [
  [8, say],
  [8, toggleServer],
  [1, () => damage(stateFile)],
  [1, () => damage(`${stateFile}.copy`)],
  [
    1,
    () => {
      unlinkSync(path.join(plan.folder, 'director.sock'))
      note('removed sockets')
    },
  ],
  [1, fillDisk],
  [
    1,
    () => {
      execFileSync('date', [
        '-s',
        `@${Math.floor(Date.now() / 1000) + random.from(0, 7199) - 3600}`,
      ])
      note('clock steps')
    },
  ],
]

function drawAct() {
  let at =
    random.from(
      1,
      acts.reduce((sum, [weight]) => sum + weight, 0),
    ) - 1
  for (const [weight, act] of acts) {
    at -= weight
    if (at < 0) return act
  }
  return acts[0]![1]
}

/** Without a socket nobody can ask: it comes back within seconds. */
async function reachable(): Promise<void> {
  const end = performance.now() + CONVERGE_MS
  for (;;) {
    const answer = await director.ask({ do: 'state' }).catch(() => undefined)
    if (answer !== undefined) return
    if (performance.now() > end) throw new Error('nobody answers at the socket any more')
    await pause(100)
  }
}

mkdirSync(state, { recursive: true })
execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=256k', 'tmpfs', state])
for (const endpoint of endpoints) await servers.start(endpoint)
write()
await start()
const unwatch = watchSplits()
const begun = performance.now()
const length = plan.minutes * 60_000
let turn = 0
for (let next = begun; performance.now() - begun < length; turn++) {
  next = Math.max(next + RELOAD_MS, performance.now())
  await reachable()
  if (turn % 3 === 2) await reloadBad()
  else await reloadGood()
  for (let n = random.from(1, 3); n > 0; n--) {
    await drawAct()()
    await reachable()
  }
  // The last third is one life: what it keeps shows.
  const mayKill = performance.now() - begun < (2 * length) / 3
  if (mayKill && random.from(0, 4) === 0) await kill()
  if (turn % 5 === 4) {
    await converge(`turn ${turn}`)
    life!.looks.push(director.look())
    if (turn % 50 === 4) {
      const { megabytes, files } = life!.looks.at(-1)!
      process.stdout.write(
        `${Math.round((performance.now() - begun) / 1000)} s, ${faults.length} faults, ${megabytes.toFixed(0)} MB, ${files} open files\n`,
      )
    }
    if (faults.length > 20) break
  }
  await pause(Math.max(0, next - performance.now()))
}
if (isDiskFull) await freeDisk()
await converge('at the end')
const said = (await director.ask({ do: 'state' })) as DirectorState
if (!said.ready) faults.push('it is not ready at the end')
const lastLife = judgeLife()
const status = await director.end()
unwatch()
if (status !== 0) faults.push(`it ended with status ${status}`)
const left = seenTable().join('\n')
if (left !== wantedTable(pools, servers.answering, words).join('\n')) {
  faults.push('the table is another one when it has ended')
}
const result: Result = { seed: plan.seed, happened, faults, lastLife }
writeFileSync(path.join(plan.folder, 'result.json'), JSON.stringify(result, undefined, 2))
for (const endpoint of servers.answering) await servers.stop(endpoint)

function judgeLife(): Result['lastLife'] {
  const { at, looks } = life!
  const lifeSeconds = Math.round((performance.now() - at) / 1000)
  // Warm by then.
  const half = looks.slice(Math.floor(looks.length / 4))
  const mean = (list: typeof looks) =>
    list.reduce((sum, { megabytes }) => sum + megabytes, 0) / Math.max(1, list.length)
  const middle = Math.floor(half.length / 2)
  const firstMegabytes = Math.round(mean(half.slice(0, middle)))
  const lastMegabytes = Math.round(mean(half.slice(middle)))
  const firstFiles = looks[0]?.files ?? 0
  const lastFiles = looks.at(-1)?.files ?? 0
  // A fifth more in so many minutes is more than what a heap breathes.
  if (lifeSeconds > 300 && lastMegabytes > 1.2 * firstMegabytes) {
    faults.push(
      `its memory grows: from ${firstMegabytes} to ${lastMegabytes} MB in ${lifeSeconds} s`,
    )
  }
  if (lastFiles > firstFiles + 10)
    faults.push(`open files grow: from ${firstFiles} to ${lastFiles}`)
  return { lifeSeconds, firstMegabytes, lastMegabytes, firstFiles, lastFiles }
}
