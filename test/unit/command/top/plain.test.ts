// Looks in lines and in documents.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { Ajv } from 'ajv'
import { expect, test } from 'vitest'
import { Ipvs } from '../../../../src/client.js'
import {
  kernelSource,
  type Look,
  learn,
  NOTHING,
  procSource,
} from '../../../../src/command/top/looks.js'
import { lookJson, lookText } from '../../../../src/command/top/plain.js'
import { MemoryKernel } from '../../../../src/testing/index.js'

const schema = JSON.parse(
  readFileSync(new URL('../../../../schema/top.schema.json', import.meta.url), 'utf8'),
)
const isValid = new Ajv({ allErrors: true }).compile(schema)
const plain = (_: string, text: string) => text

const RULES = `-A -u 192.0.2.53:53 -s wrr -o
-a -u 192.0.2.53:53 -r 10.1.0.1:53 -g -w 5
-a -u 192.0.2.53:53 -r 10.1.0.2:53 -i -w 0 --tun-type gue --tun-port 6080
-A -f 7 -6 -s sh -p 300 -b sh-port
`

/** Two looks, two seconds apart by what they say of themselves. */
async function told(wanted: boolean) {
  const kernel = new MemoryKernel({ rules: RULES })
  const ipvs = await Ipvs.open({ kernel })
  const source = kernelSource(ipvs)
  const at = (look: Look, atMs: number): Look => ({
    services: { ...look.services, atMs },
    destinations: new Map([...look.destinations].map(([name, one]) => [name, { ...one, atMs }])),
  })
  const first = at(await source.look(() => wanted), 0)
  const look = at(await source.look(() => wanted), 2000)
  await ipvs.close()
  return { source, look, known: learn(learn(NOTHING, first), look) }
}

function document(text: string) {
  const value = JSON.parse(text)
  isValid(value)
  expect(isValid.errors).toBe(null)
  return value
}

const NO_RATES = { connections: 0, inPackets: 0, outPackets: 0, inBytes: 0, outBytes: 0 }

test('lines of services, and of destinations where they were read', async () => {
  expect(lookText(await told(false), 'name', plain)).toBe(
    `
SERVICE            SCHEDULER                     CONN/S  IN-PKT/S  OUT-PKT/S  IN-B/S  OUT-B/S
fwmark 7 ipv6      sh persistent 300s (sh-port)       0         0          0       0        0
udp 192.0.2.53:53  wrr ops                            0         0          0       0        0
`.slice(1),
  )
  const [head, mark, udp, first, second] = lookText(await told(true), 'weight', plain).split('\n')
  expect(head).toMatch(/^SERVICE +SCHEDULER +WEIGHT +ACTIVE +INACTIVE +CONN\/S /)
  expect([mark, udp]).toEqual([
    expect.stringMatching(/^fwmark 7 ipv6 +sh .*\)( +0){5}$/),
    expect.stringMatching(/^udp 192\.0\.2\.53:53 +wrr ops( +0){5}$/),
  ])
  expect(first).toMatch(/^ {2}10\.1\.0\.1:53 +direct +5( +0){7}$/)
  expect(second).toMatch(/^ {2}10\.1\.0\.2:53 +tunnel gue:6080 +0( +0){7}$/)
})

test('a document has what the kernel says and the rates, in the order of the kernel', async () => {
  const { time, source, lacks, services } = document(lookJson(await told(true)))
  expect(Math.abs(Date.parse(time) - Date.now())).toBeLessThan(60_000)
  expect([source, lacks]).toEqual(['kernel', []])
  const udp = services.find(({ port }: { port?: number }) => port === 53)
  expect(udp).toMatchObject({ scheduler: 'wrr', onePacket: true, rates: NO_RATES })
  expect(udp.stats.inBytes).toBe('0')
  expect(udp.destinations).toMatchObject([
    { address: '10.1.0.1', weight: 5, rates: NO_RATES },
    { address: '10.1.0.2', weight: 0, tunnel: { type: 'gue', port: 6080 } },
  ])
  for (const one of document(lookJson(await told(false))).services) {
    expect(one).not.toHaveProperty('destinations')
  }
})

test('of the first look there are no rates', async () => {
  const { source, look } = await told(true)
  const known = learn(NOTHING, look)
  for (const one of document(lookJson({ source, look, known })).services) {
    expect(one).not.toHaveProperty('rates')
  }
  expect(lookText({ source, look, known }, 'name', plain)).toMatch(/wrr ops( +-){5}\n/)
})

test('/proc has connections of all destinations, and no rates', async () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'top-'))
  const file = path.join(folder, 'ip_vs')
  writeFileSync(
    file,
    `IP Virtual Server version 1.2.1 (size=4096)
Prot LocalAddress:Port Scheduler Flags
  -> RemoteAddress:Port Forward Weight ActiveConn InActConn
UDP  C0000235:0035 wrr ops
  -> 0A010001:0035      Route   1      3          4
  -> 0A010002:0035      Route   0      10         20
`,
  )
  const source = procSource(file, ['counters'])
  const look = await source.look(() => false)
  const known = learn(NOTHING, look)
  const seen = { source, look, known }
  expect(lookText(seen, 'active', plain)).toBe(
    `
SERVICE            SCHEDULER  ACTIVE  INACTIVE
udp 192.0.2.53:53  wrr ops        13        24
`.slice(1),
  )
  const { services, ...rest } = document(lookJson(seen))
  expect(rest).toMatchObject({ source: file, lacks: ['counters'] })
  expect(services).toEqual([
    expect.objectContaining({ protocol: 'udp', address: '192.0.2.53', scheduler: 'wrr' }),
  ])
  expect(services[0]).not.toHaveProperty('destinations')
  const all = await source.look(() => true)
  expect(learn(known, all).destinations.get('udp 192.0.2.53:53')!.size).toBe(2)
  rmSync(folder, { recursive: true })
  await expect(source.look(() => false)).rejects.toThrow(`${file} cannot be read any more.`)
})
