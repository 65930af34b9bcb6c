// docs/checks.md and the checks have the same options, and its examples are accepted.
import { readFileSync } from 'node:fs'
import { exec } from 'ipvs/checks/exec'
import { describe, expect, it, test } from 'vitest'
import { endpointOptionNames } from '../../../src/health/checks/endpoint.js'
import { checks, HealthChecker } from '../../../src/health/index.js'
import { servers } from '../../servers/known-servers.js'
import { builtin, optionNames } from './builtin.js'
import { makeCertificate } from './certificate.js'
import { TestTarget } from './target.js'

const page = readFileSync(new URL('../../../docs/checks.md', import.meta.url), 'utf8')

/** The text from a heading to the next one of any level. */
function section(heading: string): string {
  const [, after] = page.split(new RegExp(`^#+ ${heading}\\n`, 'm'))
  return after?.split(/^#+ /m)[0] ?? ''
}

/** The names in the first column of its table of options. */
function documented(heading: string): string[] {
  return section(heading)
    .split('\n')
    .filter((line) => line.startsWith('| `'))
    .flatMap((line) => [...line.split('|')[1]!.matchAll(/`(\w+)`/g)].map(([, name]) => name!))
}

const common = 'What all checks over the network have'

test.each([
  ...builtin.map(([name, make]) => [name, make, [common, name]] as const),
  ['exec', exec, ['exec']] as const,
  ['the option tls', (tls: never) => checks.http({ tls }), ['TLS options']] as const,
])('the page has the options of %s, all of them and no others', (_name, make, headings) => {
  const names = optionNames(make)
  expect(names.length).toBeGreaterThan(2)
  expect(headings.flatMap(documented).sort()).toEqual(names.sort())
})

/** The rows of its first table: the checks named in the first cell, and the other cells. */
const rows = [...page.matchAll(/^\| (\[.*\]\(#.*\)) \| (.*) \|$/gm)].map(([, cell, rest]) => ({
  names: [...cell!.matchAll(/`(\w+)`/g)].map(([, name]) => name!),
  cells: rest!.split(' | '),
}))

test.each(builtin)('the page has a row and a section for %s', (name) => {
  const missing = [
    rows.some(({ names }) => names.includes(name)) ? [] : `a row for ${name} in its first table`,
    section(name) === '' ? `a section "## ${name}"` : [],
  ].flat()
  expect(missing, 'what docs/checks.md lacks').toEqual([])
})

test('the page has no row for a check that is not there', () => {
  expect(rows.flatMap(({ names }) => names).sort()).toEqual([...Object.keys(checks), 'exec'].sort())
  expect(documented(common)).toEqual([...endpointOptionNames])
})

test.each(builtin)('the page says which servers %s was tried with', (name) => {
  const known = servers.filter((server) => server.checks.some((check) => check.name === name))
  const row = rows.find(({ names }) => names.includes(name))
  expect(row?.cells.at(-1), `the last cell of the row for ${name}`).toBe(
    known.map((server) => server.name).join(', '),
  )
})

describe('the examples of the page', () => {
  const examples = [...page.matchAll(/```js\n(.*?)```/gs)].map(([, code]) => code!)
  const authority = makeCertificate({ name: 'authority', authority: true }).cert
  // Nothing is checked: the servers are not ours.
  const idle = class extends HealthChecker {
    override start() {}
  }
  it.each(examples)('%s', (code) => {
    const body = code.replace(/^import .*$/gm, '')
    const made: unknown = new Function(
      'checks',
      'exec',
      'HealthChecker',
      'pool',
      'authority',
      `${body}\nreturn typeof check === 'undefined' ? checker : check`,
    )(checks, exec, idle, new TestTarget(), authority)
    expect(typeof made === 'function' || made instanceof HealthChecker).toBe(true)
  })
  it('are all of them', () => {
    expect(examples.length).toBeGreaterThan(7)
  })
})
