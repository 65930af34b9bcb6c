// What belongs to a built-in check besides its code. CONTRIBUTING.md, "A new check", is the same as a recipe.
import { existsSync } from 'node:fs'
import { expect, test } from 'vitest'
import { servers } from '../../servers/known-servers.js'
import { builtin } from './builtin.js'

test.each(builtin)('%s has tests of its own', (name) => {
  const file = `test/unit/health/${name}.test.ts`
  const there = existsSync(new URL(`../../../${file}`, import.meta.url))
  expect(there, `there is no ${file}`).toBe(true)
})

test.each(builtin)('%s meets a real server', (name) => {
  const known = servers.some((server) => server.checks.some((check) => check.name === name))
  expect(known, `no server in test/servers/known-servers.ts is one that checks.${name} knows`).toBe(
    true,
  )
})
