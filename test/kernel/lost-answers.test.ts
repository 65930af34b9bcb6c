import path from 'node:path'
import { beforeAll, expect, test } from 'vitest'
import { kernelSuite } from '../../lab/guest/suite.js'
import { command } from './namespace.js'
import { programPath, programValue } from './programs.js'
import { ns, setUp } from './setup.js'

kernelSuite('answers that are lost', () => {
  setUp()
  let said: Record<string, string[]>
  let rules: string[]

  beforeAll(() => {
    const shim = path.join(ns.folder, 'lose-answers.so')
    const gcc = ['gcc', '-Wall', '-Werror', '-shared', '-fPIC', '-o', shim]
    command([...gcc, programPath('lose-answers.c'), '-ldl'])
    said = programValue('lost.mjs', [ns.name], { env: { LD_PRELOAD: shim, LOSE: '2,4,5,7' } })
    rules = ns.rules()
  })

  test('the next call works, on a new socket', () => {
    expect(said.next).toEqual(['applied'])
  })

  test('each change is settled by what the kernel holds', () => {
    expect(said.mixed).toEqual([
      'applied',
      // It failed (EEXIST), but the kernel holds just what it wanted.
      'applied',
      'unknown ERR_IPVS_UNKNOWN_OUTCOME',
      // Ran, and was overwritten by the next.
      'unknown ERR_IPVS_UNKNOWN_OUTCOME 8',
      'applied',
    ])
  })

  test('applySync says unknown, and its next call has a new socket in the right namespace', () => {
    expect(said.sync).toEqual(['unknown ERR_IPVS_UNKNOWN_OUTCOME'])
    expect(said.syncNext).toEqual(['applied'])
    expect(rules).toContain('-a -u 192.0.2.1:53 -r 10.1.0.5:53 -m -w 1')
  })

  test('a client that is being closed settles them all the same', () => {
    expect(said.closing).toEqual(['applied', 'applied', 'applied'])
  })

  test('what was said to be applied is there', () => {
    for (const n of [1, 3, 6, 7])
      expect(rules).toContain(`-a -u 192.0.2.1:53 -r 10.1.0.${n}:53 -m -w 1`)
    expect(rules).toContain('-a -u 192.0.2.1:53 -r 10.1.0.2:53 -m -w 8')
    expect(rules).toContain('-A -u 192.0.2.1:54 -s rr')
  })
})
