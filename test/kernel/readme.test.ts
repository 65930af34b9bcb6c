// The README's code, run as it stands.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { setTimeout } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { afterAll, expect, test } from 'vitest'
import { kernelSuite } from '../../lab/guest/suite.js'
import { ns, setUp } from './setup.js'

const root = fileURLToPath(new URL('../../', import.meta.url))
const readme = readFileSync(`${root}README.md`, 'utf8')
const [first, second] = [...readme.matchAll(/```js\n([\s\S]*?)```/g)].map(([, code]) => code!)
// Inside the checkout, so that 'ipvs' is this package (by its own name, from dist/).
const folder = `${root}build/readme`

kernelSuite('the code in the README', () => {
  setUp()
  afterAll(() => rmSync(folder, { recursive: true, force: true }))

  /** Runs it to its end, or until something has come true, and returns what it complained about. */
  async function run(name: string, code: string, until = () => false): Promise<string> {
    mkdirSync(folder, { recursive: true })
    const file = `${folder}/${name}.mjs`
    writeFileSync(file, code)
    const child = spawn('ip', ['netns', 'exec', ns.name, process.execPath, file])
    let said = ''
    child.stderr.on('data', (chunk) => {
      said += chunk
    })
    const closed = once(child, 'close')
    while (child.exitCode === null && !until()) await Promise.race([closed, setTimeout(50)])
    child.kill()
    await closed
    return said
  }

  test('the first ten lines make a pool on TCP and UDP', async () => {
    const both = () => ns.rules().length === 2
    expect(await run('first', first!, both)).toBe('')
    // Nobody answers there: with initial 'adopt' the servers wait for their first success.
    expect(ns.rules()).toEqual(['-A -t 192.0.2.53:53 -s rr', '-A -u 192.0.2.53:53 -s rr -o'])
  })

  test('the list of changes makes a service with two destinations', async () => {
    const code = second!.replace("netns: 'director'", `netns: '${ns.name}'`)
    expect(code).not.toBe(second)
    expect(await run('second', code)).toBe('')
    expect(ns.rules()).toEqual([
      '-A -u 192.0.2.1:53 -s wrr',
      '-a -u 192.0.2.1:53 -r 10.1.0.1:53 -m -w 1',
      '-a -u 192.0.2.1:53 -r 10.1.0.2:53 -m -w 3',
    ])
  })
})
