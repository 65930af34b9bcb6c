// The README's code, run as it stands.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { afterAll, expect, test } from 'vitest'
import { kernelSuite, type Namespace, namespace } from './namespace.js'

const root = fileURLToPath(new URL('../../', import.meta.url))
const readme = readFileSync(`${root}README.md`, 'utf8')
const [first, second] = [...readme.matchAll(/```js\n([\s\S]*?)```/g)].map(([, code]) => code!)
// Inside the checkout, so that 'ipvs' is this package (by its own name, from dist/).
const folder = `${root}build/readme`

kernelSuite('the code in the README', () => {
  const spaces: Namespace[] = []
  const fresh = () => {
    const space = namespace()
    spaces.push(space)
    return space
  }
  afterAll(() => {
    for (const space of spaces) space.close()
    rmSync(folder, { recursive: true, force: true })
  })

  async function run(space: Namespace, name: string, code: string, until: () => boolean) {
    mkdirSync(folder, { recursive: true })
    const file = `${folder}/${name}.mjs`
    writeFileSync(file, code)
    const child = spawn('ip', ['netns', 'exec', space.name, process.execPath, file])
    let said = ''
    child.stderr.on('data', (chunk) => {
      said += chunk
    })
    const exit = once(child, 'exit')
    for (let i = 0; i < 100 && !until() && child.exitCode === null; i++) {
      await new Promise((resolve) => setTimeout(resolve, 100))
    }
    child.kill()
    await exit
    return said
  }

  test('the first ten lines make a pool on TCP and UDP', async () => {
    const space = fresh()
    const both = () => space.rules().filter((line) => line.includes('192.0.2.53:53')).length === 2
    expect(await run(space, 'first', first!, both)).toBe('')
    // Nobody answers there: with initial 'adopt' the servers wait for their first success.
    expect(space.rules()).toEqual(['-A -t 192.0.2.53:53 -s rr', '-A -u 192.0.2.53:53 -s rr -o'])
  })

  test('the list of changes makes a service with two destinations', async () => {
    const space = fresh()
    const code = second!.replace("netns: 'director'", `netns: '${space.name}'`)
    expect(code).not.toBe(second)
    expect(await run(space, 'second', code, () => space.rules().length === 3)).toBe('')
    expect(space.rules()).toEqual([
      '-A -u 192.0.2.1:53 -s wrr',
      '-a -u 192.0.2.1:53 -r 10.1.0.1:53 -m -w 1',
      '-a -u 192.0.2.1:53 -r 10.1.0.2:53 -m -w 3',
    ])
  })
})
