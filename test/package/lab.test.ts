// ipvs lab, in a project of a user's: what docs/lab.md says of such a project is what is done here.
import { spawn, spawnSync } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest'

const checkout = fileURLToPath(new URL('../..', import.meta.url))
const page = readFileSync(path.join(checkout, 'docs/lab.md'), 'utf8')

/** The first block of a language in the page's part about projects. */
function block(language: string): string {
  const part = page.slice(page.indexOf('\n## In your own project'))
  return new RegExp(`\`\`\`${language}\\n([\\s\\S]*?)\`\`\``).exec(part)![1]!
}

const command = JSON.parse(readFileSync(path.join(checkout, 'package.json'), 'utf8')).bin
  .ipvs as string

/** Kernels stay for the next time. */
const cache = path.join(checkout, '.cache/xdg')

/** With all that it depends on, as npm lays them out. */
function install(name: string, to: string): void {
  const from = path.join(checkout, 'node_modules', name)
  const target = path.join(to, 'node_modules', name)
  if (!existsSync(from) || existsSync(target)) return
  cpSync(from, target, { recursive: true })
  const manifest = JSON.parse(readFileSync(path.join(from, 'package.json'), 'utf8'))
  const { dependencies = {}, optionalDependencies = {}, peerDependencies = {} } = manifest
  for (const other of Object.keys({
    ...dependencies,
    ...optionalDependencies,
    ...peerDependencies,
  }))
    install(other, to)
}

const isLabMachine = process.platform === 'linux' && process.arch === 'x64'

// The lab's kernel is for x86-64 alone.
describe.skipIf(!isLabMachine)('a project of a user', () => {
  let project: string

  beforeAll(() => {
    // Outside the checkout: vitest would take a vitest.config.ts of a folder above.
    project = mkdtempSync(path.join(tmpdir(), 'project-'))
    cpSync(inject('packed').user, project, { recursive: true })
    install('vitest', project)
    const bin = path.join(project, 'node_modules/.bin')
    mkdirSync(bin, { recursive: true })
    // As npm does.
    chmodSync(path.join(project, 'node_modules/ipvs', command), 0o755)
    symlinkSync(`../ipvs/${command}`, path.join(bin, 'ipvs'))
    symlinkSync('../vitest/vitest.mjs', path.join(bin, 'vitest'))
    writeFileSync(path.join(project, 'package.json'), '{ "type": "module" }\n')
    writeFileSync(path.join(project, 'pool.test.js'), block('js'))
  })
  afterAll(() => rmSync(project, { recursive: true, force: true }))

  const options = () => ({
    cwd: project,
    env: { PATH: process.env.PATH, HOME: process.env.HOME, XDG_CACHE_HOME: cache },
  })
  const npx = (words: readonly string[], input: Buffer | string = '') =>
    spawnSync('npx', ['--no-install', ...words], { ...options(), input, encoding: 'utf8' })

  test('runs its vitest file on the real kernel, by the line of its CI file', () => {
    const line = /- run: npx (ipvs lab .*)$/m.exec(block('yaml'))![1]!
    const { status, stdout, stderr } = npx(line.split(' '))
    expect(status, stdout + stderr).toBe(0)
    expect(stdout).toMatch(/Tests .*1 passed/)
  })

  test('gets the exit status and the output of a command, and what it writes into the project', () => {
    const script = 'echo out; echo err >&2; echo made > made; touch /usr/made || exit 7'
    const { status, stdout, stderr } = npx(['ipvs', 'lab', '--', 'sh', '-c', script])
    expect(status).toBe(7)
    expect(stdout).toBe('out\n')
    expect(stderr).toMatch(/^err\ntouch: .*Read-only file system\n$/)
    expect(readFileSync(path.join(project, 'made'), 'utf8')).toBe('made\n')
  })

  test('passes on what is piped into it, to the last byte, and as much as the command wants', () => {
    const input = randomBytes(300_000)
    const sum = createHash('sha256').update(input).digest('hex')
    const whole = npx(['ipvs', 'lab', '--', 'sha256sum'], input)
    expect([whole.status, whole.stdout]).toEqual([0, `${sum}  -\n`])
    const less = npx(['ipvs', 'lab', '--', 'head', '-c', '1'], input)
    expect([less.status, less.stdout.length]).toEqual([0, 1])
  })

  test('passes a signal to the command, which ends as it wants', async () => {
    const script = 'trap "echo told; exit 9" TERM; echo up; while :; do sleep 0.1; done'
    const main = path.join(project, 'node_modules/ipvs', command)
    const child = spawn(process.execPath, [main, 'lab', '--', 'sh', '-c', script], options())
    const closed = once(child, 'close')
    let said = ''
    for await (const chunk of child.stdout) {
      if (said === '') child.kill('SIGTERM')
      said += chunk
    }
    expect(said).toBe('up\ntold\n')
    expect(await closed).toEqual([9, null])
  })

  test('gives its terminal, with its size', () => {
    const main = path.join(project, 'node_modules/ipvs', command)
    const inner = `stty rows 31 cols 97; ${process.execPath} ${main} lab -- stty size`
    const { stdout } = spawnSync('script', ['-qec', inner, '/dev/null'], {
      ...options(),
      encoding: 'utf8',
    })
    expect(stdout).toContain('31 97')
  })

  test('stops the command when its time is up', () => {
    const { status, stderr } = npx(['ipvs', 'lab', '--timeout', '8', '--', 'sleep', '1000'])
    expect([status, stderr]).toEqual([124, expect.stringContaining('did not end within 8 s')])
  })
})
