import { readdirSync, readFileSync } from 'node:fs'
import { type ExecCheckOptions, exec } from 'ipvs/checks/exec'
import { describe, expect, it } from 'vitest'
import { checks } from '../../../src/health/checks/index.js'
import { CheckTimeoutError, classify } from '../../../src/health/outcome.js'
import type { HealthMember } from '../../../src/health/types.js'
import { block } from './block.js'

const member: HealthMember = { key: '[2001:db8::1]:53', address: '2001:db8::1', port: 53 }

/** A shell script, with a name to find its processes by. */
function script(text: string, options: Partial<ExecCheckOptions> = {}, name = 'check') {
  return exec({ command: '/bin/sh', args: ['-c', text, name], ...options })
}

/** `healthy: detail weightFactor`, `failure: reason` or `unknown: reason`. */
async function run(
  check: ReturnType<typeof exec>,
  signal = new AbortController().signal,
): Promise<string> {
  try {
    const success = await check(member, { signal })
    return `healthy: ${success?.detail} ${success?.weightFactor}`
  } catch (error) {
    return `${classify(error)}: ${(error as Error).message}`
  }
}

/** The same, with its time of 100 ms up when `cameTrue` says so. */
async function outOfTime(check: ReturnType<typeof exec>, cameTrue: () => boolean): Promise<string> {
  const controller = new AbortController()
  const said = run(check, controller.signal)
  await expect.poll(cameTrue).toBe(true)
  controller.abort(new CheckTimeoutError(100))
  return said
}

/** Command lines of all processes that have `mark` in theirs; a zombie has none, so it is shown by its state. */
function processes(mark: string): string[] {
  return readdirSync('/proc').flatMap((pid) => {
    if (!/^\d+$/.test(pid)) return []
    try {
      const line = readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ')
      return line.includes(mark) ? [line] : []
    } catch {
      return []
    }
  })
}

function zombies(): string[] {
  const task = `/proc/${process.pid}/task`
  return readdirSync(task)
    .flatMap((thread) => readFileSync(`${task}/${thread}/children`, 'utf8').trim().split(' '))
    .filter((pid) => {
      try {
        return pid !== '' && /^State:\tZ/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'))
      } catch {
        return false
      }
    })
}

const descriptors = () => readdirSync('/proc/self/fd').length
const label = 'exec /bin/sh for [2001:db8::1]:53'

describe('exec', () => {
  it.each([
    ['exit 0', {}, 'healthy: exit code 0 undefined'],
    ['echo one; echo "two  "; echo', {}, 'healthy: two undefined'],
    ['exit 1', {}, `failure: ${label}: exit code 1`],
    ['echo starting; echo no disk >&2; exit 2', {}, `failure: ${label}: exit code 2: no disk`],
    ['printf "a\\033[31mb\\007"; exit 2', {}, `failure: ${label}: exit code 2: a [31mb`],
    ['exit 3', { exitCodes: { unknown: [3] } }, `unknown: ${label}: exit code 3`],
    ['exit 4', { exitCodes: { healthy: [0, 4] } }, 'healthy: exit code 4 undefined'],
    ['exit 0', { exitCodes: { healthy: [4] } }, `failure: ${label}: exit code 0`],
    ['kill -SEGV $$', {}, `unknown: ${label}: killed by SIGSEGV`],
    [
      'exit 30',
      { exitCodes: { healthy: [30] }, weightFactor: (code: number) => code / 100 },
      'healthy: exit code 30 0.3',
    ],
  ] satisfies [string, Partial<ExecCheckOptions>, string][])(
    '%s with %j: %s',
    async (text, options, expected) => {
      expect(await run(script(text, options))).toBe(expected)
    },
  )

  it('tells the program what to check, in the environment and in its arguments', async () => {
    const names = 'echo $IPVS_ADDRESS $IPVS_PORT $IPVS_KEY $EXTRA'
    expect(await run(script(names, { env: { EXTRA: 'e' } }))).toBe(
      'healthy: 2001:db8::1 53 [2001:db8::1]:53 e undefined',
    )
    const args = ({ address, port }: HealthMember) => ['-c', 'echo $1 $2', 'sh', address, `${port}`]
    expect(await run(exec({ command: 'sh', args }))).toBe('healthy: 2001:db8::1 53 undefined')
  })

  it('involves no shell', async () => {
    const check = exec({ command: '/bin/echo', args: ['$HOME; exit 1'] })
    expect(await run(check)).toBe('healthy: $HOME; exit 1 undefined')
  })

  it('does not blame the server for a program that cannot be started', async () => {
    expect(await run(exec({ command: '/nonexistent/check' }))).toBe(
      'unknown: exec /nonexistent/check for [2001:db8::1]:53: not started: no such file or directory',
    )
    expect(await run(exec({ command: '/etc/passwd' }))).toMatch(
      /^unknown: .*: not started: permission denied$/,
    )
  })

  it('reads the last line of a long output, and does not keep the rest', async () => {
    const text = 'i=0; while [ $i -lt 20000 ]; do echo "line $i of many"; i=$((i+1)); done'
    expect(await run(script(text))).toBe('healthy: line 19999 of many undefined')
    const long = await run(script('head -c 300000 /dev/zero | tr "\\0" x'))
    expect(long).toBe(`healthy: ${'x'.repeat(200)} undefined`)
  })

  it('always has what was written last, however late it is read', async () => {
    // Several at a time: then the news of the end overtakes what is in the pipe.
    for (let round = 0; round < 4; round++) {
      const names = Array.from({ length: 10 }, (_, n) => `result ${round} ${n}`)
      const one = async (name: string) => {
        const said = await run(script(`echo ${name}`))
        block(30)
        return said
      }
      expect(await Promise.all(names.map(one))).toEqual(
        names.map((name) => `healthy: ${name} undefined`),
      )
    }
  })

  it('kills the whole process group when its time is up', async () => {
    const mark = `ipvs-exec-test-${process.pid}-a`
    const text = `trap "" TERM; (sleep 601; :) & echo begun; sh -c 'sleep 600; :' $0-waits`
    const waits = () => processes(`${mark}-waits`).length > 0
    expect(await outOfTime(script(text, {}, mark), waits)).toBe(
      `failure: ${label}: no answer within 100 ms: begun`,
    )
    await expect.poll(() => processes(mark)).toEqual([])
  })

  it('waits neither for what the program leaves behind, nor leaves it there', async () => {
    const mark = `ipvs-exec-test-${process.pid}-b`
    const check = script('(sleep 600; :) & echo done', {}, mark)
    expect(await run(check)).toBe('healthy: done undefined')
    await expect.poll(() => processes(mark)).toEqual([])
  })

  it('waits not for ever for a program that has left its group with the pipes', async () => {
    const left = 'until read -r _ _ _ _ group _ < /proc/$!/stat && [ "$group" = $! ]; do :; done'
    const said = await run(script(`setsid sleep 600 & ${left}; echo $!`))
    expect(said).toMatch(/^healthy: \d+ undefined$/)
    // Still there: nobody has waited for it.
    process.kill(Number(said.split(' ')[1]))
  })

  it('starts nothing with an aborted signal', async () => {
    const check = exec({ command: '/nonexistent/check' })
    const over = check(member, { signal: AbortSignal.abort() })
    await expect(over).rejects.toThrow(/: stopped$/)
  })

  it('leaves no zombie and no pipe, however it ends', async () => {
    await run(script('exit 0'))
    const before = descriptors()
    for (let i = 0; i < 10; i++) {
      await run(script('echo a'))
      await run(script('exit 1'))
      await outOfTime(script('sleep 600'), () => true)
      await run(exec({ command: '/nonexistent/check' }))
    }
    await expect.poll(descriptors).toBeLessThanOrEqual(before)
    await expect.poll(zombies).toEqual([])
  })

  it('is a check as any other', async () => {
    const both = checks.all(script('echo fine'), checks.not(script('exit 1')))
    expect(await run(both)).toBe(`healthy: fine; not: ${label}: exit code 1 1`)
    const mark = `ipvs-exec-test-${process.pid}-c`
    const slow = script('sleep 600; :', {}, mark)
    expect(await run(checks.any(slow, script('echo fine')))).toBe('healthy: fine 1')
    await expect.poll(() => processes(mark)).toEqual([])
  })

  it.each([
    [{}, 'options.command'],
    [{ command: '' }, 'options.command'],
    [{ command: 'a\0b' }, 'options.command'],
    [{ command: ['sh'] }, 'options.command'],
    [{ command: 'sh', args: 'a' }, 'options.args'],
    [{ command: 'sh', args: ['a', 5] }, 'options.args[1]'],
    [{ command: 'sh', env: { A: 5 } }, 'options.env.A'],
    [{ command: 'sh', env: [] }, 'options.env'],
    [{ command: 'sh', exitCodes: [0] }, 'options.exitCodes'],
    [{ command: 'sh', exitCodes: { healthy: 0 } }, 'options.exitCodes.healthy'],
    [{ command: 'sh', exitCodes: { healthy: [256] } }, 'options.exitCodes.healthy[0]'],
    [{ command: 'sh', exitCodes: { warning: [1] } }, 'options.exitCodes.warning'],
    [{ command: 'sh', weightFactor: 1 }, 'options.weightFactor'],
    [{ command: 'sh', shell: true }, 'options.shell'],
  ])('refuses %j', (options, option) => {
    expect(() => exec(options as never)).toThrow(
      expect.objectContaining({ code: 'ERR_IPVS_ARGUMENT', option }),
    )
  })
})
