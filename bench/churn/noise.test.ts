// Rounds that nobody measured.
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { exitStatus } from '../../lab/command.js'
import { report, result } from './made-up.js'
import { mostNoise, noiseOf, tooNoisy } from './noise.js'
import { keepReport } from './report.js'

/** Of operations that cost different things. */
const rounds = (name: string, driver: string, ...each: number[]) =>
  each.map((us) => ({ case: name, driver, times: [us / 2, us * 9, us], changes: 3 }))

describe('the noise of a run', () => {
  test('is by how much two rounds of the C floor differ in the same operation, by case', () => {
    const raws = [
      ...rounds('host-codec', 'c-encode', 100, 104),
      ...rounds('add-10000', 'c-floor', 1300, 1000),
      ...rounds('weights-10000', 'c-floor', 50, 50),
    ]
    const noise = noiseOf(raws)
    expect(Object.keys(noise)).toEqual(['host-codec', 'add-10000', 'weights-10000'])
    expect(noise['host-codec']).toBeCloseTo(0.038, 3)
    expect(noise['add-10000']).toBeCloseTo(0.231, 3)
    expect(noise['weights-10000']).toBe(0)
  })

  test('does not count one bad round of five, but two', () => {
    const noise = (...medians: number[]) => noiseOf(rounds('add-10000', 'c-floor', ...medians))
    expect(noise(100, 101, 900, 102, 100)['add-10000']).toBeLessThan(0.03)
    expect(noise(100, 101, 900, 900, 100)['add-10000']).toBeGreaterThan(0.8)
  })

  test('is there too where every round has some slow operations, each others', () => {
    const times = (slow: number) => Array.from({ length: 9 }, (_, i) => (i % 3 === slow ? 40 : 20))
    const raws = [0, 1].map((round) => ({
      ...rounds('host-batch', 'c-controller, ack each', 1)[0]!,
      times: times(round),
    }))
    expect(noiseOf(raws)['host-batch']).toBe(0.5)
  })

  test('is that of times without the reading of the clock', () => {
    const raws = [30, 40].map((us) => ({ ...rounds('flip-weight', 'c-floor', 0)[0]!, times: [us] }))
    expect(noiseOf(raws, 20)['flip-weight']).toBe(0.5)
  })

  test('is unknown of one round, of failed rounds, of other drivers and of floors in JavaScript', () => {
    const failed = { case: 'add-10000', driver: 'c-floor', times: [], changes: 0, problem: 'no' }
    const raws = [
      ...rounds('add-10000', 'c-floor', 100),
      failed,
      ...rounds('add-10000', 'c-ack', 100, 900),
      ...rounds('add-10000', 'apply', 100, 900),
      ...rounds('reconcile-all', 'snapshot beside it', 100, 900),
    ]
    expect(noiseOf(raws)).toEqual({})
  })

  test('is too much above the limit only', () => {
    const noise = { quiet: 0, limit: mostNoise, loud: mostNoise + 0.001, most: 1 }
    expect(Object.keys(tooNoisy(noise))).toEqual(['loud', 'most'])
  })
})

describe('a run', () => {
  let folder: string
  beforeEach(() => {
    folder = mkdtempSync(path.join(tmpdir(), 'ipvs-bench-'))
  })
  afterEach(() => rmSync(folder, { recursive: true }))

  const keep = (noise: Record<string, number>, kept: boolean) => {
    let said = ''
    const folders = {
      usual: path.join(folder, 'usual'),
      out: kept ? path.join(folder, 'kept') : undefined,
    }
    const status = keepReport(report([result('c-floor', 10)], { noise }), folders, (text) => {
      said += text
    })
    return { status, said, folders: readdirSync(folder) }
  }
  const loud = { 'flip-weight': 0.04, 'add-10000': 0.314, 'size-10': 0.5 }

  test('that is quiet is kept where it shall be', () => {
    const { status, said, folders } = keep({ 'flip-weight': 0.04 }, true)
    expect({ status, folders }).toEqual({ status: exitStatus.held, folders: ['kept'] })
    expect(said).not.toContain('noisy')
    expect(readdirSync(path.join(folder, 'kept'))).toEqual([
      'flip-weight.svg',
      'results.json',
      'results.md',
    ])
  })

  test('that is too noisy is not, says in which cases, and is written to the usual folder', () => {
    const { status, said, folders } = keep(loud, true)
    expect({ status, folders }).toEqual({ status: exitStatus.busy, folders: ['usual'] })
    expect(said).toContain('too noisy to be kept')
    expect(said).toContain('add-10000 31 %, size-10 50 %. Nothing was written')
    expect(readdirSync(path.join(folder, 'usual'))).toContain('results.json')
  })

  test('that nobody wants to keep may be as noisy as it is', () => {
    const { status, folders } = keep(loud, false)
    expect({ status, folders }).toEqual({ status: exitStatus.held, folders: ['usual'] })
  })
})
