// What the importer writes is in the library's words: its checks and pools are made of it here, as the director does.
import { Ipvs } from 'ipvs'
import { exec } from 'ipvs/checks/exec'
import { describe, expect, test } from 'vitest'
import * as checks from '../../../src/health/checks/built-in.js'
import { readOptions as readSchedule } from '../../../src/health/options.js'
import type { Check } from '../../../src/health/types.js'
import type { Json, JsonMap } from '../../../src/import/index.js'
import { MirroredPool } from '../../../src/pool/index.js'
import { MemoryKernel } from '../../../src/testing/index.js'
import { millisecondsOf, poolOptions } from './pools.js'
import { imported, names } from './read.js'

const makers: Readonly<Record<string, (options: never) => Check>> = { ...checks, exec } as never
const schedule = ['interval', 'timeout', 'rise', 'fall', 'retryDelay', 'jitter']

/** `{ hex }` and `{ regexp }` are values; a `{ file }` stays a text, which nobody reads here. */
function plainOf(value: Json): unknown {
  if (Array.isArray(value)) return value.map(plainOf)
  if (typeof value !== 'object' || value === null) return value
  const map = value as JsonMap
  if (typeof map.hex === 'string') return Buffer.from(map.hex, 'hex')
  if (typeof map.regexp === 'string') return new RegExp(map.regexp, map.flags as string | undefined)
  if (typeof map.file === 'string') return undefined
  const entries = Object.entries(map).map(([key, one]) => [key, plainOf(one)] as const)
  return Object.fromEntries(entries.filter(([, one]) => one !== undefined))
}

function makeCheck(check: JsonMap): Check {
  const kinds = Object.keys(check).filter((key) => !schedule.includes(key))
  expect(kinds).toHaveLength(1)
  const [kind] = kinds as [string]
  if (kind === 'all') return checks.all(...(check.all as JsonMap[]).map(makeCheck))
  expect(Object.keys(makers)).toContain(kind)
  const options = plainOf(check[kind]!) as JsonMap
  // Without its authorities and its key, which are in files.
  if (typeof options.tls === 'object' && options.tls !== null)
    delete (options.tls as JsonMap).verify
  return makers[kind]!(options as never)
}

function checkSchedule(check: JsonMap): void {
  const { interval, timeout, retryDelay, rise, fall, jitter } = check
  readSchedule({
    check: makeCheck(check),
    intervalMs: millisecondsOf(interval!),
    timeoutMs: millisecondsOf(timeout!),
    ...(retryDelay === undefined ? {} : { retryDelayMs: millisecondsOf(retryDelay) }),
    rise: rise as number,
    fall: fall as number,
    jitter: jitter as number,
  })
}

describe.each(names)('%s', (name) => {
  const { document } = imported(name)
  const named = (document.checks ?? {}) as Record<string, JsonMap>

  test('its checks are checks', () => {
    const inline = Object.values(document.pools as JsonMap).flatMap((pool) => {
      const { check, servers, backup = [] } = pool as JsonMap
      const own = [...(servers as Json[]), ...(backup as Json[])].flatMap((server) =>
        typeof server === 'object' ? ((server as JsonMap).check ?? []) : [],
      )
      return [check!, ...own] as Json[]
    })
    for (const check of inline) {
      if (typeof check === 'object') checkSchedule(check as JsonMap)
      else if (check !== 'none') expect(Object.keys(named)).toContain(check)
    }
    for (const check of Object.values(named)) checkSchedule(check)
  })

  test('its pools are pools', async () => {
    const ipvs = await Ipvs.open({ kernel: new MemoryKernel() })
    try {
      for (const pool of Object.values(document.pools as JsonMap)) {
        const opened = await MirroredPool.open(ipvs, poolOptions(pool as JsonMap) as never)
        await opened.close()
      }
    } finally {
      await ipvs.close()
    }
  })
})
