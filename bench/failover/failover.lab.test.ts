// Two trials of the comparison with keepalived: ours keeps its promises, and the fork trick under our name is found out.
// `npm run bench -- failover` is all of it.
import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { kernelSuite } from '../../test/kernel/namespace.js'
import type { Row } from './verdict.js'

const main = fileURLToPath(new URL('../../build/tools/bench/main.js', import.meta.url))

interface Run {
  readonly status: number | null
  readonly rows: readonly Row[]
  readonly said: string
}

function play(...flags: string[]): Promise<Run> {
  // We are inside the lab already: its kernel is "the host's" here.
  const env = { ...process.env, IPVS_KERNEL: 'host' }
  const args = [main, 'failover', '--json', ...flags]
  return new Promise((resolve, reject) => {
    const child = execFile(process.execPath, args, { env }, (_error, stdout, stderr) => {
      const last = stdout.trimEnd().split('\n').at(-1) ?? ''
      if (!last.startsWith('{')) reject(new Error(`no result; it said:\n${stderr}`))
      else resolve({ status: child.exitCode, rows: JSON.parse(last).rows, said: stderr })
    })
  })
}

kernelSuite('Beside keepalived', () => {
  test('the program of docs/keepalived.md takes out a server whose UDP is dead, from both at once', async () => {
    const { status, rows, said } = await play('--only', 'ipvs/udp-dead')
    expect(rows, said).toHaveLength(3)
    expect(rows[1], said).toMatchObject({ client: 'UDP, one port', skewMs: 0, lostAfter: 0 })
    expect(rows[1]?.detectMs, said).toBeGreaterThan(0)
    expect(rows[1]?.lostBefore, said).toBeGreaterThan(0)
    expect(status, said).toBe(0)
  })

  test('the notify script under our name is found out', async () => {
    const { status, rows, said } = await play('--only', 'ipvs/process-death', '--sabotage')
    expect(rows[1]?.skewMs, said).toBeGreaterThan(0)
    expect(said).toMatch(/FAILED ipvs: process-death: TCP and UDP had different servers for/)
    expect(said).toMatch(
      /FAILED ipvs: process-death: client "UDP, one port" lost \d+ queries after/,
    )
    expect(status).toBe(1)
  })
})
