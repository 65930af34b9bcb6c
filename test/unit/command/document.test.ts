// Tables in YAML and JSON: what the command reads, and what the published schema says.
import { readFileSync } from 'node:fs'
import { Ajv } from 'ajv'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { stringify } from 'yaml'
import { readDocument } from '../../../src/command/table/document.js'
import { DESTINATION_SETTINGS, SERVICE_SETTINGS } from '../../../src/fields.js'
import { normal, trees } from '../rules/trees.js'

const file = new URL('../../../schema/table.schema.json', import.meta.url)
const schema = JSON.parse(readFileSync(file, 'utf8'))
const isValid = new Ajv({ strict: true, strictRequired: false, allErrors: true }).compile(schema)

test('any table comes back from JSON and from YAML, and fits the schema', () => {
  fc.assert(
    fc.property(trees(), fc.boolean(), (services, asYaml) => {
      const table = { services }
      const text = asYaml ? stringify(table) : JSON.stringify(table, undefined, '\t')
      expect(normal(readDocument(text, 'file'))).toEqual(normal(services))
      // As it is in a file: without what is undefined.
      isValid(JSON.parse(JSON.stringify(table)))
      expect(isValid.errors).toBe(null)
    }),
  )
})

test('the schema has every setting that the library has', () => {
  const { service, destination } = schema.definitions
  expect(Object.keys(service.properties)).toEqual(expect.arrayContaining(SERVICE_SETTINGS))
  expect(Object.keys(destination.properties)).toEqual(expect.arrayContaining(DESTINATION_SETTINGS))
})

const right = { protocol: 'udp', address: '192.0.2.53', port: 53, scheduler: 'rr' }
const server = { address: '10.1.0.1', port: 53, forwarding: 'direct' }

describe('what the schema refuses is refused by the command, too', () => {
  test.each([
    [{}],
    [{ services: {} }],
    [{ services: [], extra: 1 }],
    [{ services: [right] }],
    [{ services: [{ ...right, destinations: [], wieght: 1 }] }],
    [{ services: [{ ...right, destinations: [], stats: {} }] }],
    [{ services: [{ ...right, fwmark: 1, destinations: [] }] }],
    [{ services: [{ fwmark: 0, scheduler: 'rr', destinations: [] }] }],
    [{ services: [{ ...right, port: 65536, destinations: [] }] }],
    [{ services: [{ ...right, onePacket: 'yes', destinations: [] }] }],
    [{ services: [{ ...right, persistence: {}, destinations: [] }] }],
    [{ services: [{ ...right, destinations: [{ ...server, forwarding: 'nat' }] }] }],
    [{ services: [{ ...right, destinations: [{ ...server, weight: -1 }] }] }],
    [{ services: [{ ...right, destinations: [{ ...server, activeConnections: 1 }] }] }],
  ])('%j', (table) => {
    expect(isValid(table)).toBe(false)
    expect(() => readDocument(JSON.stringify(table), 'file')).toThrow(
      expect.objectContaining({ status: 2 }),
    )
  })
})

describe('mistakes', () => {
  const message = (text: string) => {
    try {
      readDocument(text, 'dns.yaml')
    } catch (error) {
      return (error as Error).message
    }
    return ''
  }

  test('all at once, each with file, line, column and path, and with what was meant', () => {
    const text = `services:
  - protocol: udp
    adress: 192.0.2.53
    port: 53
    scheduler: wrr
    destinations:
      - { address: 10.1.0.1, port: 53, forwarding: nat }
      - address: 10.1.0.2
        port: 530000
        forwarding: direct
        wieght: 3
pools: {}
`
    expect(message(text).split('\n')).toEqual([
      'dns.yaml has 5 mistakes, so nothing was done:',
      expect.stringMatching(/^dns\.yaml:3:5: services\[0\]\.adress .*did you mean "address"/),
      expect.stringMatching(
        /^dns\.yaml:7:40: services\[0\]\.destinations\[0\]\.forwarding .*"masquerade"/,
      ),
      expect.stringMatching(/^dns\.yaml:9:9: services\[0\]\.destinations\[1\]\.port .*65535/),
      expect.stringMatching(/^dns\.yaml:11:9: services\[0\]\.destinations\[1\]\.wieght .*"weight"/),
      expect.stringMatching(/^dns\.yaml:12:1: pools /),
    ])
  })

  test.each([
    ['services: [', /^dns\.yaml has a mistake.*\ndns\.yaml:1:\d+: /],
    ['services:\n  - a: 1\n   b: 2\n', /\ndns\.yaml:3:/],
    ['services: []\nservices: []\n', /\ndns\.yaml:2:1: Map keys must be unique/],
    ['- services', /\ndns\.yaml:1:1: a table is a map with the key "services"/],
    ['just text', /\ndns\.yaml:1:1: a table is a map/],
    ['service: []\n', /\ndns\.yaml:1:1: service .*did you mean "services"/],
    ['services:\n', /\ndns\.yaml:1:1: services must be an array/],
    ['\0\x01\x02', /\ndns\.yaml:1:/],
  ])('%j', (text, expected) => {
    expect(message(text)).toMatch(expected)
  })

  test('what many services have in common can be shared', () => {
    const text = `services:
  - &dns
    { protocol: udp, address: 192.0.2.53, port: 53, scheduler: rr, destinations: [] }
  - { <<: *dns, protocol: tcp }
`
    expect(readDocument(text, 'file').map(({ protocol }) => protocol)).toEqual(['udp', 'tcp'])
  })

  test('aliases that would grow without end are refused', () => {
    const lines = Array.from({ length: 30 }, (_, i) => `x${i + 1}: &x${i + 1} [*x${i}, *x${i}]`)
    expect(message(`x0: &x0 [1]\n${lines.join('\n')}\nservices: *x30\n`)).toMatch(/^dns\.yaml/)
  })
})
