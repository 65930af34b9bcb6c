// Real packets: what clients lose when servers fail, drain and come back. `npm run udp-failover` is all of it.
import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { kernelSuite } from '../kernel/namespace.js'
import type { Result } from './results.js'
import { scenarios } from './scenarios.js'

const main = fileURLToPath(new URL('../../build/tools/test/dataplane/main.js', import.meta.url))

interface Run {
  readonly status: number | null
  readonly result: Result
  /** One line for each phase. */
  readonly said: string
}

function play(name: string, ...flags: string[]): Promise<Run> {
  const args = [main, '--ci', '--json', '--only', name, ...flags]
  // We are inside the lab already: its kernel is "the host's" here.
  const env = { ...process.env, IPVS_KERNEL: 'host' }
  return new Promise((resolve, reject) => {
    const child = execFile(process.execPath, args, { env }, (_error, stdout, stderr) => {
      const last = stdout.trimEnd().split('\n').at(-1) ?? ''
      if (!last.startsWith('{')) reject(new Error(`no result; it said:\n${stderr}`))
      else resolve({ status: child.exitCode, result: JSON.parse(last), said: stderr })
    })
  })
}

kernelSuite('UDP failover', () => {
  test.each(scenarios.filter(({ ci }) => ci))('$name', async ({ name, actions }) => {
    const { status, result, said } = await play(name)
    const [scenario] = result.scenarios
    expect(scenario?.problems, said).toEqual([])
    expect(scenario?.rows.map(({ action }) => action)).toEqual(actions)
    expect(status).toBe(0)
  })

  test('is found to lose packets when the setting that the pool has made is taken back', async () => {
    const { status, result, said } = await play('masquerade', '--sabotage')
    expect(result.scenarios[0]?.problems[0], said).toMatch(/"UDP, one port" lost \d+ of \d+/)
    expect(status).toBe(1)
  })
})
