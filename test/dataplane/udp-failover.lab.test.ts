// Real packets: what clients lose when servers fail, drain and come back. `npm run udp-failover` is all of it.
import { expect, test } from 'vitest'
import { runInside } from '../../lab/guest/inside.js'
import { kernelSuite } from '../../lab/guest/suite.js'
import type { Result } from './results.js'
import { scenarios } from './scenarios.js'

const play = (name: string, ...flags: string[]) =>
  runInside<Result>('test/dataplane/main.js', ['--ci', '--json', '--only', name, ...flags])

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
