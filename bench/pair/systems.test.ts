// What the bench runs is what examples/pair has: only where the files of a director lie is changed.
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { expect, test } from 'vitest'
import { checkout } from '../../lab/checkout.js'
import { readConfig } from '../../src/director/index.js'
import { placed } from './systems.js'

const example = (name: string) => readFileSync(path.join(checkout, 'examples/pair', name), 'utf8')

test('each director has the example with folders of its own', () => {
  expect(placed(example('keepalived.conf'), 'lb2')).toBe(
    example('keepalived.conf').replace('/run/keepalived/ipvs', '/run/lb2/keepalived/ipvs'),
  )
  const yaml = placed(example('director.yaml'), 'lb1')
  expect(yaml).toContain('fifo: /run/lb1/keepalived/ipvs, instance: VI_1')
  expect(yaml).toContain('state: /run/lb1/lib/ipvs/director.json')
})

test('both files name the same VRRP instance and the same address', async () => {
  const text = example('director.yaml')
  const config = await readConfig(text, { file: 'director.yaml' })
  expect(config.role?.follow).toMatchObject({ of: { type: 'INSTANCE', name: 'VI_1' } })
  expect(example('keepalived.conf')).toContain('vrrp_instance VI_1 {')
  expect(example('keepalived.conf')).toContain('vrrp_notify_fifo /run/keepalived/ipvs\n')
  expect(text).toContain('192.0.2.53:53')
  expect(example('keepalived.conf')).toContain('192.0.2.53/32')
})
