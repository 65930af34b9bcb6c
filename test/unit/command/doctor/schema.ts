// The published schema of `ipvs doctor --json`.
import { readFileSync } from 'node:fs'
import { Ajv } from 'ajv'
import { expect } from 'vitest'

const file = new URL('../../../../schema/doctor.schema.json', import.meta.url)
const validate = new Ajv({ allErrors: true, allowUnionTypes: true }).compile(
  JSON.parse(readFileSync(file, 'utf8')),
)

export function expectReport(json: unknown): void {
  validate(json)
  expect(validate.errors ?? []).toEqual([])
}
