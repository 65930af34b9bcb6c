// The transcripts in docs/command.md, run as they stand, one after the other in one namespace.
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { expect, test } from 'vitest'
import { kernelSuite } from '../../../lab/guest/suite.js'
import { ns, setUp } from '../setup.js'
import { bin } from './command.js'

const page = readFileSync(new URL('../../../docs/command.md', import.meta.url), 'utf8')
const [, yaml] = /```yaml\n([\s\S]*?)```/.exec(page)!
const transcripts = [...page.matchAll(/```console\n([\s\S]*?)```/g)].map(([, text]) => text!)

kernelSuite('docs/command.md', () => {
  setUp()

  test('each transcript is what comes out', () => {
    expect(transcripts.length).toBeGreaterThan(4)
    writeFileSync(path.join(ns.folder, 'dns.yaml'), yaml!)
    const folder = path.join(ns.folder, 'bin')
    mkdirSync(folder)
    const command = path.join(folder, 'ipvs')
    writeFileSync(command, `#!/bin/sh\nexec '${process.execPath}' '${bin}' "$@"\n`)
    chmodSync(command, 0o755)
    for (const transcript of transcripts) {
      const commands = [...transcript.matchAll(/^\$ (.*)$/gm)].map(([, words]) => words!)
      // What is echoed in between does not hide the status of the command before.
      const script = commands.map(
        (words) =>
          `status=$?; echo '$ ${words.replaceAll("'", `'\\''`)}'; (exit $status)\n${words}\n`,
      )
      const file = path.join(ns.folder, 'script')
      writeFileSync(
        file,
        `cd '${ns.folder}'; PATH='${folder}':$PATH\nexec 2>&1\n${script.join('')}true\n`,
      )
      const said = ns.run(['bash', file]).replace(/(this one has )[0-9a-f]{16}/, '$1DIGEST')
      expect(said).toBe(transcript)
    }
  })
})
