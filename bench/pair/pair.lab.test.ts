// Two trials of the pair: ours keeps its promises, and keepalived under our name is found out. `npm run bench -- pair` is all of it.
import { expect, test } from 'vitest'
import { runInside } from '../../lab/guest/inside.js'
import { kernelSuite } from '../../lab/guest/suite.js'
import type { Row } from './verdict.js'

const play = (...flags: string[]) =>
  runInside<{ readonly rows: readonly Row[] }>('bench/main.js', ['pair', '--json', ...flags])

kernelSuite('A pair of directors', () => {
  test('the files of examples/pair hold a rolling upgrade', async () => {
    const { status, result, said } = await play('--only', 'ipvs run/upgrade')
    expect(result.rows, said).toHaveLength(4)
    expect(result.rows[0]?.takeoverMs, said).toBeGreaterThan(0)
    expect(status, said).toBe(0)
  })

  test('keepalived under our name is found out: it comes back with a server that is dead', async () => {
    const { status, said } = await play('--only', 'ipvs run/server-dead', '--sabotage')
    expect(said).toMatch(
      /FAILED ipvs run: server-dead: a server that both knew to be dead was held for \d+ ms/,
    )
    expect(status).toBe(1)
  })
})
