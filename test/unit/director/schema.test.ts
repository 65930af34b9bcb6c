import { readFileSync } from 'node:fs'
import { Ajv } from 'ajv'
import { expect, test } from 'vitest'
import { parse } from 'yaml'
import { readConfig } from '../../../src/director/index.js'
import { exec } from '../../../src/health/checks/exec.js'
import { checks } from '../../../src/index.js'
import { twoPools } from './directed.js'

const schema = JSON.parse(
  readFileSync(new URL('../../../schema/director.schema.json', import.meta.url), 'utf8'),
)
const isValid = new Ajv({ strict: false }).compile(schema)

const example = `
defaults: { scheduler: wrr, forwarding: masquerade, sysctls: apply }
checks:
  resolver: { dns: { name: example.org }, interval: 1s, timeout: { min: 50ms, max: 500ms }, rise: 2, fall: 3 }
  both: { all: [resolver, { tcp: }, { not: { http: { path: /down } } }], interval: 5s, holdDown: { first: 10s } }
pools:
  dns:
    fronts: ['192.0.2.53:53', 'fwmark/7', { address: 192.0.2.54, port: 53 }]
    check: resolver
    servers: ['10.1.0.1', { address: 10.1.0.2, weight: 3, check: { tcp: {} } }]
    backup: [{ address: 10.1.0.9, check: none }]
    quorum: { up: 2, onLost: refuse }
    hooks: [{ on: [quorum-lost], post: 'http://127.0.0.1/x' }]
    announce: { exec: [/etc/ipvs/route, dns], timeout: 5s, hold: 30s }
  ldap:
    fronts: ['tcp/192.0.2.53:389']
    check: both
    servers: { file: /etc/ipvs/ldap, hold: 30s }
    persistence: { timeout: 5m }
  shared: { fronts: ['tcp/192.0.2.53:1'], servers: { etcd: ipvs/pools/shared/, minServers: 2, hold: 30s } }
  consul: { fronts: ['tcp/192.0.2.53:2'], servers: { consul: dns, url: 'https://10.0.0.5:8501', passing: false, tag: a, datacenter: b, token: { env: HOME }, ca: /etc/hostname } }
  pods: { fronts: ['tcp/192.0.2.53:3'], servers: { kubernetes: shop/dns, url: 'https://10.0.0.5:6443', token: { file: /etc/hostname }, port: web, families: [ipv4, ipv6], serverName: a.b } }
  web: { fronts: ['tcp/192.0.2.53:4'], servers: { url: 'https://example.org/servers', interval: 5s, timeout: 1s, token: x, retry: 2s } }
etcd: { endpoints: ['https://10.0.0.5:2379'], ca: { file: /etc/hostname }, cert: /etc/hostname, key: /etc/hostname, serverName: etcd.example, user: ipvs, password: { env: HOME }, timeout: 2s, together: ipvs/pools/ }
control: /run/ipvs/director.sock
http: { listen: 127.0.0.1:9480, token: { env: HOME } }
state: /var/lib/ipvs/director.json
onStop: drain
name: lb1
peers: ['http://10.0.0.2:9480', { url: 'https://lb3.example.org', token: { env: HOME } }]
`

test('what the reader takes is right by the schema too', async () => {
  for (const text of [example, twoPools]) {
    await readConfig(text)
    expect([isValid(parse(text)), isValid.errors]).toEqual([true, null])
  }
})

test.each(['fleet', 'pair'])('the file of examples/%s is right by both', async (name) => {
  const file = new URL(`../../../examples/${name}/director.yaml`, import.meta.url)
  const text = readFileSync(file, 'utf8')
  await readConfig(text)
  expect([isValid(parse(text)), isValid.errors]).toEqual([true, null])
})

test.each([
  ['a key', 'onStop: drain', 'onStpo: drain'],
  ['a key of a pool', 'quorum:', 'qorum:'],
  ['a key of a check', 'name: example.org', 'nmae: example.org'],
  ['a key of the schedule', 'rise: 2', 'rize: 2'],
  ['a time without a unit', 'interval: 1s', 'interval: 1'],
  ['a key of an announcement', 'hold: 30s', 'hodl: 30s'],
  ['a name', 'name: lb1', 'name: lb 1'],
  ['a peer', "'http://10.0.0.2:9480'", '10.0.0.2:9480'],
  ['a word', 'onLost: refuse', 'onLost: refse'],
  ['two checks at once', '{ tcp: {} }', '{ tcp: {}, ping: {} }'],
  ['a key of etcd', 'user: ipvs', 'usr: ipvs'],
  ['a half name of a folder', 'together: ipvs/pools/', 'together: ipvs/pools'],
  ['no endpoint', "endpoints: ['https://10.0.0.5:2379']", 'endpoints: []'],
  ['a key of a source', 'passing: false', 'pasing: false'],
  ['a service without its namespace', 'kubernetes: shop/dns', 'kubernetes: dns'],
  ['an address that is none', "url: 'https://example.org/servers'", 'url: example.org'],
  ['a secret that is nowhere', 'token: { env: HOME }', 'token: { home: HOME }'],
  ['a list where there is none', 'scheduler: wrr', 'scheduler: [wrr]'],
])('both refuse %s that is wrong', async (_, right, wrong) => {
  const text = example.replace(right, wrong)
  expect(text).not.toBe(example)
  expect(isValid(parse(text))).toBe(false)
  await expect(readConfig(text)).rejects.toMatchObject({ code: 'ERR_IPVS_CONFIG' })
})

test('it has the options of every check, and no others', () => {
  const combined = ['all', 'any', 'atLeast', 'not']
  const all = Object.entries({ ...checks, exec }).filter(([kind]) => !combined.includes(kind))
  const { properties } = schema.$defs.question as {
    properties: Record<string, { properties: object }>
  }
  expect(Object.keys(properties).toSorted()).toEqual(
    [...all.map(([kind]) => kind), ...combined].toSorted(),
  )
  for (const [kind, make] of all) {
    let text = ''
    try {
      Reflect.apply(make, undefined, [{ '?': 1 }])
    } catch (error) {
      text = (error as Error).message
    }
    const names = [...text.matchAll(/"(\w+)"/g)].map(([, name]) => name)
    expect(Object.keys(properties[kind]!.properties), kind).toEqual(names)
  }
})
