// Each configuration of configs/ becomes the YAML beside it, with the notes below. `vitest -u` writes what is new: read it then.
import path from 'node:path'
import { expect, test } from 'vitest'
import { parse } from 'yaml'
import { folder, imported, names, told } from './read.js'

test('there are enough of them', () => {
  expect(names.length).toBeGreaterThanOrEqual(60)
})

test.each(names)('%s', async (name) => {
  const result = imported(name)
  expect(parse(result.text)).toEqual(JSON.parse(JSON.stringify(result.document)))
  const notes = told(result).map((line) => `# NOTE ${line}\n`)
  const vrrp = result.vrrp === '' ? [] : ['# VRRP\n', result.vrrp.replaceAll(/^/gm, '#   '), '\n']
  await expect([result.text, ...notes, ...vrrp].join('')).toMatchFileSnapshot(
    path.join(folder, `${name}.yaml`),
  )
})
