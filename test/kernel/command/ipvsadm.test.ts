// Beside ipvsadm: what list, save and restore of the command make of random tables is what ipvsadm makes of them. In this process, for
// starting hundreds of them would take the guest an hour; what a process of its own does is in transcripts.test.ts.
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { expect, test, vi } from 'vitest'
import { kernelSuite } from '../../../lab/guest/suite.js'
import { run } from '../../../src/command/run.js'
import { endpoint, serviceName } from '../../../src/command/table/seen.js'
import { short } from '../../../src/command/table/show.js'
import { parseListing, parseRules } from '../../../src/rules/index.js'
import { additions, inOrder, sorted, trees } from '../../unit/rules/trees.js'
import { lines } from '../namespace.js'
import { ipvs, ns, setUp } from '../setup.js'

const said = vi.hoisted(() => ({ out: '', err: '' }))
vi.mock('../../../src/command/output.js', () => ({
  print: (text: string) => {
    said.out += text
    return true
  },
  printJson: (value: unknown) => {
    said.out += `${JSON.stringify(value)}\n`
    return true
  },
  tell: (line: string) => {
    said.err += `${line}\n`
  },
}))

const RUNS = { numRuns: 200 }

kernelSuite('beside ipvsadm', () => {
  setUp()

  /** What it prints, if all is well. */
  async function command(...words: string[]): Promise<string> {
    return commandIn(ns.name, ...words)
  }

  async function commandIn(netns: string, ...words: string[]): Promise<string> {
    said.out = ''
    said.err = ''
    const status = await run([...words, '--netns', netns])
    expect([status, said.err]).toEqual([0, ''])
    return said.out
  }

  /** The lines of our table, in the words that ipvsadm's listing has. */
  function shown(text: string): string[] {
    return lines(text).slice(1).sort()
  }

  function asIpvsadmLists(): string[] {
    const { services } = parseListing(ns.ipvsadm('-Ln', '--exact'))
    return services.flatMap((service) => [
      serviceName(service),
      ...service.destinations.map((one) =>
        [
          endpoint(one),
          one.forwarding,
          one.weight,
          short(one.activeConnections),
          short(one.inactiveConnections),
        ].join(' '),
      ),
    ])
  }

  test('200 random tables: listed, saved, and restored both ways', async () => {
    await fc.assert(
      fc.asyncProperty(trees({ faithful: true }), async (table) => {
        await ipvs.flush()
        await ipvs.apply(additions(table), { onError: 'throw' })
        const saved = ns.ipvsadm('-Sn')

        const all = await command('list')
        // Of a process there is the kernel's own listing, which is taken where it says all.
        expect(shown(await commandIn(String(ns.pid), 'list'))).toEqual(shown(all))
        // What a listing of ipvsadm has no room for: ours has it behind the name of the scheduler or the method.
        const listed = shown(all).map((line) =>
          /^(tcp|udp|sctp|fwmark) /.test(line)
            ? line.replace(/ {2,}.*/, '')
            : line.replace(/ (gue|gre)\S*( checksum \w+)?/, '').replaceAll(/ +/g, ' '),
        )
        expect(listed.sort()).toEqual(asIpvsadmLists().sort())

        const ours = await command('save')
        expect(lines(ours).sort()).toEqual(lines(saved).sort())

        await ipvs.flush()
        const file = join(ns.folder, 'rules')
        writeFileSync(file, saved)
        await command('restore', file)
        expect(ns.rules()).toEqual(lines(saved).sort())

        await ipvs.flush()
        writeFileSync(file, ours)
        ns.run(['sh', '-c', 'ipvsadm --restore < "$0"', file])
        expect(ns.rules()).toEqual(lines(saved).sort())
        expect(inOrder(parseRules(await command('save')))).toEqual(inOrder(parseRules(ours)))
        expect(sorted((await ipvs.snapshot()).services)).toEqual(sorted(table))
      }),
      RUNS,
    )
  })
})
