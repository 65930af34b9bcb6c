// The demo must notice when it is cheated: its verdict comes from outside the controller.
import { expect, test } from 'vitest'
import { runInside } from '../lab/guest/inside.js'
import { kernelSuite } from '../lab/guest/suite.js'

interface Phase {
  readonly name: string
  readonly lost: number
  readonly lostAfterFlip: number
  readonly unknown: number
}

interface Flip {
  readonly server: string
  readonly to: string
  readonly tcpAt: number | null
  readonly udpAt: number | null
}

interface Result {
  readonly ok: boolean
  readonly phases: readonly Phase[]
  readonly flips: readonly Flip[]
  readonly mismatches: number
}

const demo = (...flags: string[]) =>
  runInside<Result>('demo/main.js', ['--json', '--seconds', '1', ...flags])

kernelSuite('the demo', () => {
  test('holds', async () => {
    const { status, result, said } = await demo()
    expect(result, said).toMatchObject({ ok: true, mismatches: 0 })
    expect(status).toBe(0)
    expect(result.flips.map(({ server, to }) => `${server} ${to}`)).toEqual([
      'dns2 down',
      'dns2 up',
      'dns3 down',
      'dns3 up',
    ])
    // The failures were real: something was lost before the checks noticed.
    expect(result.phases.reduce((sum, { lost }) => sum + lost, 0)).toBeGreaterThan(0)
  })

  test('fails if the UDP half of the flips is dropped', async () => {
    const { status, result, said } = await demo('--sabotage')
    expect(result.ok, said).toBe(false)
    expect(status).toBe(1)
    expect(result.mismatches).toBeGreaterThan(0)
    expect(result.flips.every(({ tcpAt, udpAt }) => tcpAt !== null && udpAt === null)).toBe(true)
    const killed = result.phases.find(({ name }) => name === 'dns2 killed')
    // On a busy machine nobody knows of some why they have no answer.
    expect(killed!.lostAfterFlip + killed!.unknown).toBeGreaterThan(0)
  })
})
