// What `--json` of each command prints. Programs rest on it.
import { readFileSync } from 'node:fs'
import { Ajv } from 'ajv'
import { expect } from 'vitest'

const published = (name: string) =>
  JSON.parse(readFileSync(new URL(`../../../schema/${name}.schema.json`, import.meta.url), 'utf8'))
const table = published('table')
const { service, destination } = table.definitions

const object = (properties: object, optional: object = {}) => ({
  type: 'object',
  properties: { ...properties, ...optional },
  required: Object.keys(properties),
  additionalProperties: false,
})
const count = { type: 'integer', minimum: 0 }
const text = { type: 'string', minLength: 1 }
const counter = { type: 'string', pattern: '^\\d+$' }
const list = (items: object) => ({ type: 'array', items })

/** A listing has the one half or the other. */
const stats = object(
  {},
  {
    ...{ connections: counter, inPackets: counter, outPackets: counter },
    ...{ inBytes: counter, outBytes: counter },
    ...{ connectionRate: count, inPacketRate: count, outPacketRate: count },
    ...{ inByteRate: count, outByteRate: count },
  },
)
const seenDestination = object(
  { address: destination.properties.address, port: destination.properties.port },
  {
    ...destination.properties,
    ...{ activeConnections: count, inactiveConnections: count, persistentConnections: count },
    stats,
  },
)
const { destinations: _, ...settings } = service.properties
const bareService = object({ scheduler: text }, settings)
const seenService = object({ destinations: list(seenDestination) }, { ...settings, stats })
const difference = object({ field: text }, { before: {}, after: {} })
const change = object(
  { type: { type: 'string', pattern: '^(service|destination)-(added|removed|changed)$' } },
  {
    service: bareService,
    destination,
    differences: { ...list(difference), minItems: 1 },
  },
)
const digest = { type: 'string', pattern: '^[0-9a-f]{16}$' }
const lacks = list(text)
const end = object({ address: text, port: count })

const roles = { enum: ['active', 'standby'] }
const health = { enum: ['unknown', 'up', 'down'] }
const admin = { enum: ['ready', 'drain', 'maintenance'] }
const flag = { type: 'boolean' }
const weight = { type: 'number', minimum: 0 }
const role = object(
  {
    role: roles,
    ...{ reached: flag, backupOnly: flag },
    ...{ from: text, since: count },
    sync: list(
      object({
        role: { enum: ['master', 'backup'] },
        ...{ interface: text, group: text },
        ...{ syncId: count, maxLength: count, port: count, ttl: count },
      }),
    ),
  },
  { trouble: text },
)
const event = object(
  {
    ...{ sequence: { type: 'integer', minimum: 1 }, time: count, text },
    event: {
      enum: 'up down drained quorum drift diverged warning error announce set reload role'.split(
        ' ',
      ),
    },
  },
  { pool: text, server: text, data: {} },
)
const serverState = object(
  {
    ...{ server: text, backup: flag, serves: flag, health, admin, since: count, reason: {} },
    weight: object({ file: weight, effective: weight }, { hand: weight }),
    fronts: { type: 'object' },
    check: { anyOf: [{ const: 'none' }, { type: 'object', required: ['name'] }] },
  },
  { hand: { type: 'object' }, error: text },
)
const poolState = object(
  {
    ...{ pool: text, open: flag, services: list(text), quorum: flag, converged: flag },
    ...{ missing: list(text), needs: list(text), absent: { type: 'object' } },
    warnings: list(object({ code: text, message: text })),
    servers: list(serverState),
  },
  {
    ...{ trouble: text, source: text, announce: { type: 'object' } },
    reads: object({ ageMs: count, intervalMs: count }),
  },
)

const schemas = {
  list: object({ source: text, services: list(seenService), lacks }),
  connection: object(
    {
      ...{ protocol: text, state: text, expiresSeconds: count },
      ...{ client: end, service: end, destination: end },
    },
    { persistenceEngine: {} },
  ),
  import: object({
    document: object(
      { pools: { type: 'object' } },
      { netns: text, checks: { type: 'object' }, role: { type: 'object' } },
    ),
    notes: list(
      object({
        file: text,
        line: { type: 'integer', minimum: 1 },
        word: text,
        message: text,
        advice: text,
      }),
    ),
    vrrp: { type: 'string' },
  }),
  role,
  state: object(
    {
      ...{ version: { const: 1 }, time: count, startedAt: count, pid: count },
      ...{ instance: text, name: text, file: text, ready: flag },
      ...{ troubles: list(text), pools: list(poolState), changes: list(event) },
    },
    { reload: object({ time: count, text }), role },
  ),
  fleet: object({
    time: count,
    directors: list(object({ name: text }, { url: text, role: roles, ready: flag, error: text })),
    rows: list(
      object({
        ...{ pool: text, server: text, differs: flag },
        words: list({
          anyOf: [{ type: 'null' }, object({ health, admin, weight, serves: flag })],
        }),
      }),
    ),
  }),
  event,
  save: table,
  diff: object({
    ...{ source: text, lacks, changes: list(change) },
    digest: { anyOf: [digest, { type: 'null' }] },
  }),
  apply: object({
    ...{ digest, total: count, applied: count, failed: count, changes: list(change) },
    errors: list(object({ op: text, place: text, message: text }, { code: text })),
  }),
  top: published('top'),
  watch: { ...change, properties: { ...change.properties, time: text } },
} as const

/** Parses one document, and holds it against the schema. */
export function json(name: keyof typeof schemas, output: string) {
  const value = JSON.parse(output)
  const ajv = new Ajv({ strictRequired: false, allErrors: true })
  const isValid = ajv.compile({ definitions: table.definitions, ...schemas[name] })
  isValid(value)
  expect(isValid.errors, output.slice(0, 2000)).toBe(null)
  expect(output).toBe(`${JSON.stringify(value)}\n`)
  return value
}
