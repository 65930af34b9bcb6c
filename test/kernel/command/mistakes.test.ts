// Wrong uses, and what goes wrong by itself: each ends with a sentence that says what to do, and with the right status.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, openSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { expect, test } from 'vitest'
import { kernelSuite } from '../../../lab/guest/suite.js'
import { parseRules } from '../../../src/rules/index.js'
import { additions } from '../../unit/rules/trees.js'
import { ipvs as client, ns, setUp } from '../setup.js'
import { bin, ipvs } from './command.js'

const NOBODY = 65534
const RULES = '-A -u 192.0.2.53:53 -s rr\n-a -u 192.0.2.53:53 -r 10.1.0.1:53 -g -w 1\n'

kernelSuite('wrong uses', () => {
  setUp()

  const file = (name: string, text: string | Buffer) => {
    const at = path.join(ns.folder, name)
    writeFileSync(at, text)
    return at
  }
  const listing = `Prot LocalAddress:Port Scheduler Flags
  -> RemoteAddress:Port           Forward Weight ActiveConn InActConn
UDP  192.0.2.53:53 rr
`

  const uses: [what: string, words: () => string[], status: number, sentence: RegExp][] = [
    ['nothing', () => [], 2, /^ipvs: a command is missing\.\n\nipvs COMMAND/],
    ['a typo', () => ['lst'], 2, /no command "lst" \(did you mean "list"\?\)\. "ipvs --help"/],
    ['an option first', () => ['--json', 'list'], 2, /a command comes first, not "--json"/],
    [
      'a misspelt option',
      () => ['list', '--rate'],
      2,
      /no option --rate \(did you mean "--rates"\?\)/,
    ],
    ['an option without its value', () => ['list', '--netns'], 2, /--netns NAME\|PATH\|PID/],
    [
      'no such namespace',
      () => ['list', '--netns', 'nowhere'],
      2,
      /no network namespace .*nowhere.*"ip netns list"/,
    ],
    [
      'no such process',
      () => ['list', '--netns', '4194303'],
      2,
      /no network namespace \/proc\/4194303/,
    ],
    ['no service', () => ['list', 'dns'], 2, /"dns" is no service\. Write it as one of these: 192/],
    [
      'a service that is not there',
      () => ['list', '192.0.2.99'],
      1,
      /no service 192\.0\.2\.99; "ipvs list" shows the \d+/,
    ],
    ['a word too many', () => ['save', 'x'], 2, /"x" is one word too many: ipvs save/],
    ['a missing word', () => ['diff'], 2, /FILE is missing: ipvs diff FILE/],
    [
      'a missing file',
      () => ['diff', 'nothere'],
      2,
      /nothere could not be read: it is not there\. Nothing was changed/,
    ],
    ['a folder', () => ['apply', '/tmp'], 2, /\/tmp could not be read: it is a folder/],
    [
      'bad YAML',
      () => ['diff', file('a', 'services: [')],
      2,
      /a has a mistake, so nothing was done:\n.*a:1:\d+: /,
    ],
    [
      'an unknown key',
      () => ['apply', file('a', 'service: []')],
      2,
      /a:1:1: .*did you mean "services"/,
    ],
    ['bad rules', () => ['restore', file('a', '-A -t x -s rr\n')], 2, /a:1: -t must be an address/],
    ['a listing for rules', () => ['apply', file('a', listing)], 2, /is a listing, .*"ipvs save"/],
    [
      'a binary file',
      () => ['diff', file('a', Buffer.from([0, 255, 254, 7, 0]))],
      2,
      /a has .* so nothing was done/,
    ],
    [
      'an empty file and --prune',
      () => ['apply', '--prune', file('a', '')],
      2,
      /would remove every service.*Nothing was changed/,
    ],
    [
      'another digest',
      () => ['apply', '--if', '12', file('a', RULES)],
      1,
      /not the one with digest 12: .*Nothing was changed\. "ipvs diff/,
    ],
    [
      'no time',
      () => ['watch', '--interval', '5'],
      2,
      /--interval 5: write a time .* such as 500ms/,
    ],
    [
      'no sort key',
      () => ['top', '--sort', 'in-byte'],
      2,
      /--sort in-byte: it can be name, .* \(did you mean "in-bytes"\?\)/,
    ],
    [
      'looks without a pause',
      () => ['top', '--interval', '50ms'],
      2,
      /--interval 50ms: write a time from 100ms/,
    ],
    [
      'rates of no time',
      () => ['top', '--once', '--interval', '1s'],
      2,
      /--interval 1s: with --once it is 2s at least/,
    ],
    [
      'a service that is not there, live',
      () => ['top', '--once', '192.0.2.99'],
      1,
      /no service 192\.0\.2\.99; "ipvs list" shows the \d+/,
    ],
    [
      'nothing to import',
      () => ['import', 'nothere'],
      2,
      /nothere could not be read: it is not there/,
    ],
    ['no shell', () => ['completion', 'tcsh'], 2, /"tcsh" is no SHELL: bash, zsh, fish/],
  ]

  test.each(uses)('%s', (_, words, status, sentence) => {
    const ended = ipvs(words())
    expect(ended.stderr).toMatch(sentence)
    expect(ended).toMatchObject({ status, stdout: '' })
    expect(ended.stderr).not.toMatch(/\n\s+at /)
  })

  const inNamespace = (...words: string[]) => ['ip', 'netns', 'exec', ns.name, ...words]
  const asNobody = ['setpriv', `--reuid=${NOBODY}`, `--regid=${NOBODY}`, '--clear-groups']

  test('without privilege list and diff read what they can, and say what that lacks', async () => {
    await client.apply(additions(parseRules(RULES)), { onError: 'throw' })
    const under = inNamespace(...asNobody)
    const lacks =
      /^ipvs list: this is what \/proc\/net\/ip_vs shows, which lacks thresholds, .*\. For those: IPVS refused us.*root/
    const list = ipvs(['list'], { under })
    expect(list).toMatchObject({
      status: 0,
      stdout: expect.stringContaining('udp 192.0.2.53:53  rr'),
      // It has all that is shown.
      stderr: '',
    })
    const more = ipvs(['list', '--thresholds'], { under })
    expect(more).toMatchObject({ status: 0, stderr: expect.stringMatching(lacks) })
    const diff = ipvs(['diff', '-', '--json'], { under, input: RULES.replace('-w 1', '-w 2') })
    expect(diff.status).toBe(1)
    expect(JSON.parse(diff.stdout)).toMatchObject({
      source: '/proc/net/ip_vs',
      digest: null,
      changes: [{ differences: [{ field: 'weight', before: 1, after: 2 }] }],
    })
    expect(ipvs(['diff', '-'], { under, input: RULES })).toMatchObject({ status: 0, stdout: '' })
    const top = ipvs(['top', '--once'], { under })
    expect(top.stderr).toMatch(
      /^ipvs top: this is what \/proc\/net\/ip_vs shows, which lacks .*counters/,
    )
    expect(top).toMatchObject({
      status: 0,
      stdout: expect.stringMatching(
        /^SERVICE +SCHEDULER +ACTIVE +INACTIVE\nudp 192\.0\.2\.53:53 +rr +0 +0\n$/,
      ),
    })
    // Of another namespace, by its process.
    const other = ipvs(['list', '--netns', String(ns.pid)], { under: asNobody })
    expect(other).toMatchObject({ status: 0, stdout: list.stdout })
  })

  test.each([
    'save',
    'watch',
    'restore',
    'apply -',
    'apply - --if 12 --dry-run',
    'list --connections',
  ])('without privilege ipvs %s ends with 3 or tells why not, and changes nothing', (words) => {
    const ended = ipvs(words.split(' '), { under: inNamespace(...asNobody), input: RULES })
    // What reads only can tell that it cannot know the digest.
    expect(ended.status).toBe(words.includes('--if') ? 1 : 3)
    expect(ended.stdout).toBe('')
    expect(ended.stderr).toMatch(/Nothing was changed/)
    expect(ns.rules()).toEqual([])
  })

  test.each(['list', 'top'])('another namespace by its name wants root: %s', (name) => {
    const ended = ipvs([name, '--netns', ns.name], { under: asNobody })
    expect(ended).toMatchObject({ status: 3, stdout: '' })
    expect(ended.stderr).toMatch(/needs root/)
  })

  test('in a user namespace, and without the native part, it says so', () => {
    const inside = ipvs(['save'], { under: ['unshare', '-Urn'] })
    expect(inside).toMatchObject({ status: 3, stdout: '' })
    expect(inside.stderr).toMatch(/user namespace/)
    const without = ipvs(['save'], { env: { IPVS_ADDON: '/nonexistent/ipvs.node' } })
    expect(without).toMatchObject({ status: 3, stdout: '' })
    expect(without.stderr).toMatch(/no native part.*build-addon/)
    const list = ipvs(['list'], { env: { IPVS_ADDON: '/nonexistent/ipvs.node' } })
    expect(list.status).toBe(0)
  })

  test.each([
    ['list'],
    ['list --json'],
    ['top --json'],
    ['save'],
    ['completion bash'],
    ['--help'],
    ['diff - --json'],
  ])('on a full disk ipvs %s says so, and ends with 1', async (words) => {
    await client.apply(additions(parseRules(RULES)), { onError: 'throw' })
    const stdout = openSync('/dev/full', 'w')
    try {
      const netns = /completion|help/.test(words) ? [] : ['--netns', ns.name]
      const ended = ipvs([...words.split(' '), ...netns], { stdout, input: RULES })
      expect(ended.status).toBe(1)
      expect(ended.stderr).toMatch(
        /could not all be written: the disk is full\. Do not use what is there/,
      )
    } finally {
      closeSync(stdout)
    }
  })

  test('behind a reader that has gone it ends quietly, with the status that it has', async () => {
    const many = Array.from({ length: 2000 }, (_, i) => `-A -f ${i + 1} -s rr\n`).join('')
    await client.apply(additions(parseRules(many)), { onError: 'throw' })
    const script =
      'node=$0 bin=$1; shift; err=$1; shift; "$node" "$bin" "$@" 2>"$err" | head -c 10 >/dev/null; echo "$PIPESTATUS"; cat "$err"'
    const piped = (...words: string[]) =>
      ns.run(['bash', '-c', script, process.execPath, bin, path.join(ns.folder, 'err'), ...words])
    expect(piped('list')).toBe('0\n')
    expect(piped('save')).toBe('0\n')
    expect(piped('top', '--interval', '100ms')).toBe('0\n')
    expect(piped('diff', file('one', RULES), '--prune')).toBe('1\n')
  })

  test('a pipe that is full is waited for, and all of it arrives', async () => {
    const many = Array.from({ length: 6000 }, (_, i) => `-A -f ${i + 1} -s rr\n`).join('')
    await client.apply(additions(parseRules(many)), { onError: 'throw' })
    const child = spawn(process.execPath, [bin, 'save', '--json', '--netns', ns.name], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    const ended = once(child, 'exit')
    let text = ''
    // A reader that is slower than who writes several times what the pipe holds.
    for await (const chunk of child.stdout.setEncoding('utf8')) {
      text += chunk
      await new Promise((resolve) => setTimeout(resolve, 5))
    }
    expect(JSON.parse(text).services).toHaveLength(6000)
    expect(await ended).toEqual([0, null])
  })

  test('apply that is interrupted says what was not done, and can be done again', async () => {
    const many = Array.from({ length: 12_000 }, (_, i) => `-A -f ${i + 1} -s rr\n`).join('')
    const table = file('many', many)
    const child = spawn(process.execPath, [bin, 'apply', table, '--json', '--netns', ns.name])
    const output = { stdout: '', stderr: '' }
    for (const name of ['stdout', 'stderr'] as const) {
      child[name].setEncoding('utf8').on('data', (chunk) => {
        output[name] += chunk
      })
    }
    const ended = once(child, 'close')
    while (child.exitCode === null && !ns.proc().includes('FWM')) {
      await new Promise((resolve) => setTimeout(resolve, 5))
    }
    child.kill('SIGTERM')
    const [status] = await ended
    expect(status).toBe(1)
    expect(output.stderr).toMatch(
      /\d+ of 12000 changes could not be made \(stopped by SIGTERM\)\. The others are made\. It can be done again/,
    )
    const { applied, failed } = JSON.parse(output.stdout)
    expect([applied > 0, applied + failed]).toEqual([true, 12_000])
    expect(ns.rules()).toHaveLength(applied)
  })
})
