// docs/import.md shows what really comes out.
import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { importKeepalived } from '../../../src/import/index.js'
import { told } from './read.js'

test('the page has the YAML and the notes of its configuration', () => {
  const page = readFileSync(new URL('../../../docs/import.md', import.meta.url), 'utf8')
  const [conf, yaml, notes] = [...page.matchAll(/^```(?:yaml)?\n([\s\S]*?)^```$/gm)].map(
    ([, text]) => text,
  )
  const result = importKeepalived(conf!, { file: 'keepalived.conf' })
  expect(result.text).toBe(yaml)
  expect(`${told(result).join('\n')}\n`).toBe(notes)
})
