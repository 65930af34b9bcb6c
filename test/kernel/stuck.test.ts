// sendmsg does not return while the kernel waits for a module: here for a scheduler's, until the test lets go. In the
// lab only: on 6.1 and 6.12 all of the machine's IPVS waits too.
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { command, labSuite, type Namespace, namespace, pause } from './namespace.js'
import { program, programPath } from './programs.js'
import { betweenMarks, messages, STRACE, type SystemCall, systemCalls } from './strace.js'

const HELPER = '/proc/sys/kernel/modprobe'
/** What a deadline or a timer may be late by: the guest has one slow CPU, under strace here. Some 20 ms by itself. */
const SLACK = 1000
const NEW_SERVICE = 1

interface Timed {
  readonly value: unknown
  readonly ms: number
}

labSuite('a sendmsg that is stuck in the kernel', () => {
  let space: Namespace
  let folder: string
  let helper: string

  beforeEach(() => {
    helper = readFileSync(HELPER, 'utf8')
    folder = mkdtempSync(path.join(tmpdir(), 'ipvs-stuck-'))
    command(['mkfifo', path.join(folder, 'release')])
    space = namespace()
    return () => space.close()
  })

  afterEach(() => {
    writeFileSync(HELPER, helper)
    rmSync(folder, { recursive: true, force: true })
  })

  /** Makes the kernel wait for this scheduler, which nothing has loaded. */
  function hold(scheduler: string): void {
    unload(scheduler)
    // The kernel's setting is a path without arguments, and as it starts it, PATH is what the kernel thinks right.
    const script = path.join(folder, 'modprobe')
    const words = [programPath('slow-modprobe.sh'), folder, `ip_vs_${scheduler}`, helper.trim()]
    writeFileSync(script, `#!/bin/bash\nexec ${words.map(quote).join(' ')} "$@"\n`, { mode: 0o755 })
    writeFileSync(HELPER, script)
  }

  function run(mode: string, scheduler: string, under: readonly string[] = []) {
    const started = performance.now()
    const result = program('stuck.mjs', [mode, space.name, folder, scheduler], { under })
    const { status, signal, stdout, stderr } = result
    expect({ status, signal }, stderr).toEqual({ status: 0, signal: null })
    const said = JSON.parse(stdout.trimEnd().split('\n').at(-1)!)
    return { said, ms: performance.now() - started }
  }

  function expectAt({ ms }: Timed, expected: number): void {
    // Node counts a timer from the beginning of its turn.
    expect(ms).toBeGreaterThan(expected / 2)
    expect(ms).toBeLessThan(expected + SLACK)
  }

  test('holds up nobody beyond their deadlines, sends nothing late, and recovers', () => {
    hold('ovf')
    const trace = path.join(folder, 'trace')
    const only = ['-e', 'trace=network,write', '-o', trace]
    const { said } = run('calls', 'ovf', [...STRACE, ...only])

    // Of the first call one batch is in the kernel, and what became of it is not known; the rest stayed here.
    const sent = said.first.value[0][1] as number
    expect(sent).toBeGreaterThan(500)
    expect(said.first.value).toEqual([
      ['unknown ERR_IPVS_UNKNOWN_OUTCOME', sent],
      ['not-sent ERR_IPVS_NOT_SENT', 2001 - sent],
    ])
    expectAt(said.first, 3000)
    expect(said.queued.value).toEqual([['not-sent ERR_IPVS_NOT_SENT', 2]])
    expect(said.bulk.value).toEqual([['not-sent ERR_IPVS_NOT_SENT', 1]])
    expect(said.verb.value).toBe('ERR_IPVS_NOT_SENT')
    expect(said.command.value).toBe('ERR_IPVS_NOT_SENT')
    expect(said.read.value).toBe('ERR_IPVS_TIMEOUT')
    expect(said.reconcile.value).toBe('ERR_IPVS_TIMEOUT')
    for (const call of ['queued', 'bulk', 'verb', 'command', 'read', 'reconcile']) {
      expectAt(said[call], 200)
    }
    expect(said.aborted.value).toEqual([['not-sent ERR_IPVS_NOT_SENT', 1]])
    expectAt(said.aborted, 100)
    expect(said.sync.value).toBe('ERR_IPVS_BUSY')
    expect(said.sync.ms).toBeLessThan(SLACK)
    // It is stuck for two seconds and more.
    expect(said.late).toBeLessThan(SLACK)

    // Another client of this namespace waits likewise; opening one, by kernel.
    expect(said.other.value).toEqual([['unknown ERR_IPVS_UNKNOWN_OUTCOME', 1]])
    expectAt(said.other, 300)
    expect(['resolved', 'ERR_IPVS_TIMEOUT']).toContain(said.opening.value)
    expect(said.opening.ms).toBeLessThan(300 + SLACK)
    expect(said.stillStuck).toBe(true)
    expect(said.accepted.value).toEqual([['applied', 2]])
    expect(said.acceptedRead.value).toBe('resolved')
    expect(said.next.value).toEqual([['applied', 1]])
    expect(said.nextSync).toEqual([['applied', 1]])
    expect(said.timeouts).toBe(300)

    // What was unknown is there, what was not sent is not: neither in the table nor ever in a sendmsg.
    const known = [...range(1000, 1000 + sent - 1), 6, 7, 9, 10, 11]
    const rules = [
      '-A -u 192.0.2.1:53 -s rr',
      '-A -u 192.0.2.1:54 -s ovf',
      ...known.map((n) => `-a -u 192.0.2.1:53 -r ${address(n)}:53 -m -w 1`),
    ]
    expect(space.rules()).toEqual(rules.sort())
    const calls = systemCalls(readFileSync(trace, 'utf8'))
    const own = calls.filter(({ thread }) => thread === threadOf(calls))
    const destinations = calls
      .filter(isSend)
      .flatMap(({ bytes }) => messages(bytes))
      .flatMap(({ destination }) => destination ?? [])
    expect(destinations.sort()).toEqual(known.map(address).sort())
    expect(betweenMarks(calls).filter((call) => own.includes(call))).toEqual([])
    expect(own.filter(isSend).length).toBeGreaterThan(5)
  })

  test('lets close() resolve when the deadlines have passed, and the process end', () => {
    hold('nq')
    const { said, ms } = run('close', 'nq')
    expect(said.first.value).toEqual([['unknown ERR_IPVS_UNKNOWN_OUTCOME', 1]])
    expect(said.queued.value).toEqual([['not-sent ERR_IPVS_NOT_SENT', 1]])
    expectAt(said.close, 500)
    expect(ms).toBeLessThan(10_000)
    // A process that ends gives up waiting (umh.c: call_usermodehelper_exec), so that this does not hang either.
    expect(space.rules()).toEqual(['-A -u 192.0.2.1:53 -s rr'])
  })

  test('lets a worker thread be terminated at once', () => {
    hold('dh')
    const { said } = run('terminate', 'dh')
    expect(said.terminate.value).toBe('resolved')
    expect(said.terminate.ms).toBeLessThan(SLACK)
    expect(said.late).toBeLessThan(SLACK)
    // The client's thread stays in the kernel, and ends when that lets go.
    expect(said).toMatchObject({ left: 1, leftAfter: 0, next: { value: [['applied', 1]] } })
    expect(space.rules()).toEqual([
      '-A -u 192.0.2.1:53 -s rr',
      '-A -u 192.0.2.1:54 -s dh',
      `-a -u 192.0.2.1:53 -r ${address(1)}:53 -m -w 1`,
    ])
  })

  test('keeps a worker thread in applySync until the kernel lets go, and nobody else', () => {
    hold('lblcr')
    const { said } = run('sync', 'lblcr')
    expect(said.waits).toBe(true)
    expect(said.late).toBeLessThan(SLACK)
    expect(said.terminate.value).toBe('resolved')
    expect(said.terminate.ms).toBeLessThan(5000)
    expect(said.next.value).toEqual([['applied', 1]])
    expect(space.rules()).toContain('-A -u 192.0.2.1:54 -s lblcr')
  })
})

/** As programs/stuck.mjs numbers them. */
function address(n: number): string {
  return `10.1.${n >> 7}.${(n & 127) + 1}`
}

function range(from: number, to: number): number[] {
  return Array.from({ length: to - from }, (_, n) => from + n)
}

function isSend({ netlink, name }: SystemCall): boolean {
  return netlink && /send|write/.test(name)
}

/** The thread whose sendmsg is stuck: the only one that adds services. */
function threadOf(calls: readonly SystemCall[]): string {
  return calls.find(
    (call) => isSend(call) && messages(call.bytes).some(({ command }) => command === NEW_SERVICE),
  )!.thread
}

/** Services of tests that are over may hold it for a moment: their namespaces are taken down later. */
function unload(scheduler: string): void {
  const name = `ip_vs_${scheduler}`
  for (let tries = 0; readFileSync('/proc/modules', 'utf8').includes(`${name} `); tries++) {
    if (tries === 100) throw new Error(`${name} stays in use`)
    if (tries > 0) pause(50)
    spawnSync('modprobe', ['-r', name])
  }
}

const quote = (word: string): string => `'${word.replaceAll("'", `'\\''`)}'`
