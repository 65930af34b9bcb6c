// docs/checks.md and the checks have the same options, and its examples are accepted.
import { readFileSync } from 'node:fs'
import { exec } from 'ipvs/checks/exec'
import { describe, expect, it, test } from 'vitest'
import { endpointOptionNames } from '../../../src/health/checks/endpoint.js'
import { checks, HealthChecker } from '../../../src/health/index.js'
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

/** The names in the error about one that does not exist. */
function accepted(make: (options: never) => unknown): string[] {
  try {
    make({ noSuchOption: 1 } as never)
  } catch (error) {
    const [, names = ''] =
      /no such option, only (.*); received/.exec((error as Error).message) ?? []
    return [...names.matchAll(/"(\w+)"/g)].map(([, name]) => name!)
  }
  return []
}

const common = 'What all checks over the network have'

test.each([
  ['tcp', checks.tcp, [common]],
  ['udp', checks.udp, [common, 'udp']],
  ['dns', checks.dns, [common, 'dns']],
  ['http', checks.http, [common, 'http']],
  ['tls', checks.tls, [common, 'tls']],
  ['expect', checks.expect, [common, 'expect']],
  ['smtp', checks.smtp, [common, 'smtp']],
  ['pop3', checks.pop3, [common, 'pop3']],
  ['imap', checks.imap, [common, 'imap']],
  ['mysql', checks.mysql, [common, 'mysql']],
  ['ldap', checks.ldap, [common, 'ldap']],
  ['redis', checks.redis, [common, 'redis']],
  ['exec', exec, ['exec']],
  ['the option tls', (tls: never) => checks.http({ tls }), ['TLS options']],
])('the page has the options of %s, all of them and no others', (_name, make, headings) => {
  const names = accepted(make)
  expect(names.length).toBeGreaterThan(2)
  expect(headings.flatMap(documented).sort()).toEqual(names.sort())
})

test('the page names every check', () => {
  const names = [...page.matchAll(/^\| \[(.*)\]\(#/gm)].flatMap(([, cell]) =>
    [...cell!.matchAll(/`(\w+)`/g)].map(([, name]) => name!),
  )
  expect(names.sort()).toEqual([...Object.keys(checks), 'exec'].sort())
  expect(documented(common)).toEqual([...endpointOptionNames])
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
