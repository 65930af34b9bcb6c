// Two trials of the comparison with keepalived: ours keeps its promises, and the fork trick under our name is found out.
// `npm run bench -- failover` is all of it.
import { expect, test } from 'vitest'
import { runInside } from '../../lab/guest/inside.js'
import { kernelSuite } from '../../lab/guest/suite.js'
import type { Row } from './verdict.js'

const play = (...flags: string[]) =>
  runInside<{ readonly rows: readonly Row[] }>('bench/main.js', ['failover', '--json', ...flags])

kernelSuite('Beside keepalived', () => {
  test('the program of docs/keepalived.md takes out a server whose UDP is dead, from both at once', async () => {
    const { status, result, said } = await play('--only', 'ipvs/udp-dead')
    expect(result.rows, said).toHaveLength(3)
    expect(result.rows[1], said).toMatchObject({ client: 'UDP, one port', skewMs: 0, lostAfter: 0 })
    expect(result.rows[1]?.detectMs, said).toBeGreaterThan(0)
    expect(result.rows[1]?.lostBefore, said).toBeGreaterThan(0)
    expect(status, said).toBe(0)
  })

  test('the notify script under our name is found out', async () => {
    const { status, result, said } = await play('--only', 'ipvs/process-death', '--sabotage')
    expect(result.rows[1]?.skewMs, said).toBeGreaterThan(0)
    expect(said).toMatch(/FAILED ipvs: process-death: TCP and UDP had different servers for/)
    expect(status).toBe(1)
    // Where much of the time is missing, it may be the machine that was late with the answers.
    if (/the time was missing|client "UDP, one port": of \d+ queries nobody knows/.test(said))
      return
    expect(said).toMatch(
      /FAILED ipvs: process-death: client "UDP, one port" lost \d+ queries after/,
    )
  })
})
