// Where IPVS cannot be used: what open() and probe() say. The lab's kernel tests have the other half.
import { existsSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { Ipvs } from '../../src/client.js'
import { loadAddon } from '../../src/kernel/load-addon.js'

const hostHasIpvs = existsSync('/proc/net/ip_vs')

const here = process.platform !== 'linux' || hostHasIpvs
const why = `this machine has IPVS or is not Linux (${process.platform})`

describe('on a Linux without IPVS', () => {
  test('open() rejects with the reason and what to do', async ({ skip }) => {
    skip(here, why)
    await expect(Ipvs.open()).rejects.toMatchObject({
      code: 'ERR_IPVS_UNAVAILABLE',
      reason: 'no-module',
      command: 'OPEN',
      message: expect.stringMatching(/modprobe ip_vs/),
    })
  })

  test('probe() does not reject, and advises', async ({ skip }) => {
    skip(here, why)
    const found = await Ipvs.probe({ schedulers: ['rr'] })
    expect(found).toMatchObject({ available: false, module: false, schedulers: {}, sysctls: {} })
    expect(found.advice.join()).toMatch(/modprobe ip_vs/)
  })

  test('the addon loads', () => {
    expect(loadAddon().layout.change).toBeGreaterThan(100)
  })
})

describe('bad options of open()', () => {
  test.each([
    ['options', 7],
    ['options.netns', { netns: '' }],
    ['options.netns', { netns: 7 }],
    ['options.netns', { netns: {} }],
    ['options.netns', { netns: { pid: 1, fd: 3 } }],
    ['options.netns.pid', { netns: { pid: 0 } }],
    ['options.netns.fd', { netns: { fd: -1 } }],
    ['options.netns.path', { netns: { path: '/x' } }],
    ['options.deadlineMs', { deadlineMs: 0 }],
    ['options.deadlineMs', { deadlineMs: 2 ** 31 }],
    ['options.deadlineMs', { deadlineMs: Number.NaN }],
    ['options.timeout', { timeout: 5 }],
  ])('%s: %o', async (option, options) => {
    await expect(Ipvs.open(options as never)).rejects.toMatchObject({
      code: 'ERR_IPVS_ARGUMENT',
      option,
    })
  })
})
