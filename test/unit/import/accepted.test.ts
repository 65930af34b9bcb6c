// What the importer writes, the director reads: `ipvs run` takes it as it is.
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { type ConfigError, type ConfigMistake, readConfig } from '../../../src/director/index.js'
import { importKeepalived } from '../../../src/import/index.js'
import { base } from './base.js'
import { imported, names } from './read.js'

/** All but files that are not on this machine. */
async function mistakesOf(text: string): Promise<string[]> {
  const mistakes = await readConfig(text).then(
    (): readonly ConfigMistake[] => [],
    (error: ConfigError) =>
      error.mistakes ?? [{ message: String(error.stack), line: 0, path: '', column: 0 }],
  )
  return mistakes
    .filter(({ message }) => !/must be a file that can be read/.test(message))
    .map(({ line, message }) => `${message}: ${text.split('\n')[line - 1]}`)
}

test.each(names)('%s', async (name) => {
  const { text, document } = imported(name)
  expect(await mistakesOf(text)).toEqual([])
  const files = /file: '/.test(text)
  if (files) return
  const { pools } = await readConfig(text)
  expect(pools.map((pool) => pool.name)).toEqual(Object.keys(document.pools as object))
})

test('a configuration with every word', async () => {
  expect(await mistakesOf(importKeepalived(base, { file: 'k', id: 'east' }).text)).toEqual([])
})

test('and with words in it changed for others', async () => {
  const lines = base.split('\n')
  const word = fc.oneof(
    fc.constantFrom(
      '0',
      '1',
      '-1',
      '65536',
      '99999999999',
      '0.0000001',
      '1e3',
      '.5',
      '::',
      '::ffff:10.0.0.1',
      '0.0.0.0',
      '224.0.0.1',
      'fe80::1',
      '10.1.0.1-3',
      'rr',
      'mh',
      'sh',
      'NAT',
      'UDP',
      'TCP',
      'é',
      '*',
      'a b',
      '__proto__',
    ),
    fc.string({ maxLength: 12 }),
    fc.string({ unit: 'binary', maxLength: 6 }),
  )
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.tuple(fc.nat(lines.length - 1), word), { minLength: 1, maxLength: 6 }),
      async (edits) => {
        const changed = [...lines]
        for (const [index, put] of edits) {
          // The last word of a line, before its brace if it has one.
          changed[index] = changed[index]!.replace(
            /[^\s{}]+(?=(?: \d+)?\s*\{?$)/,
            () => `"${put.replaceAll(/["\n\r]/g, '')}"`,
          )
        }
        expect(
          await mistakesOf(importKeepalived(changed.join('\n'), { file: 'k', id: 'east' }).text),
        ).toEqual([])
      },
    ),
    { numRuns: 400 },
  )
})

test('and with scripts that call ipvsadm for whatever address', async () => {
  const place = fc.oneof(
    fc.constantFrom(
      '192.0.2.53:53',
      '192.0.2.54:53',
      '192.0.2.54:0',
      '192.0.2.54',
      '[2001:db8::53]:53',
      '[::1]',
      ':53',
      '0.0.0.0:53',
      '-r',
    ),
    fc.stringMatching(/^[\w.:[\]-]{0,20}$/),
  )
  const server = fc.tuple(
    fc.constantFrom('TCP', 'UDP', 'SCTP'),
    fc.constantFrom('53', '54', ''),
    fc.constantFrom('-u', '-t'),
    place,
    fc.constantFrom('DR', 'TUN', 'NAT'),
  )
  await fc.assert(
    fc.asyncProperty(fc.array(server, { minLength: 1, maxLength: 4 }), async (servers) => {
      const text = servers.map(
        ([protocol, port, flag, to, method]) => `virtual_server 192.0.2.53 ${port} {
  lb_kind ${method}
  protocol ${protocol}
  real_server 10.1.0.1 53 {
    notify_up "/sbin/ipvsadm -a ${flag} ${to} -r 10.1.0.1"
    TCP_CHECK {
    }
  }
}
`,
      )
      expect(await mistakesOf(importKeepalived(text.join(''), { file: 'k' }).text)).toEqual([])
    }),
    { numRuns: 300 },
  )
})
