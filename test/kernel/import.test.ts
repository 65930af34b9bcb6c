// keepalived is the judge of the importer: with the same file, it and the pools of the imported document leave the same table.
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { kernelSuite } from '../../lab/guest/suite.js'
import { keepalivedEnvironment } from '../../lab/keepalived.js'
import { readConfig } from '../../src/director/index.js'
import { importKeepalived } from '../../src/import/index.js'
import { MirroredPool } from '../../src/pool/index.js'
import { names, textOf } from '../unit/import/read.js'
import { type Namespace, namespace } from './namespace.js'

/** Without what checks the servers: all of them are up, under both. */
function unchecked(text: string): string {
  const lines: string[] = []
  let depth = 0
  for (const line of text.split('\n')) {
    const braces = [...line.replaceAll(/"[^"]*"/g, '')]
    const change =
      braces.filter((char) => char === '{').length - braces.filter((char) => char === '}').length
    if (depth > 0 || /^\s*([A-Z]+_(CHECK|GET)) \{/.test(line)) depth += change
    else lines.push(line)
  }
  return lines.join('\n')
}

/** A rule of a protocol that no virtual server of the address and port has. */
function isTwin(rule: string, text: string): boolean {
  const [, flag, address, port] = /^-[Aa] -([tu]) ([\d.]+):(\d+) /.exec(rule) ?? []
  if (flag === undefined) return false
  const servers = [...text.matchAll(/^virtual_server (\S+) (\S+) \{[\s\S]*?^ {2}protocol (\w+)/gm)]
  const protocol = flag === 't' ? 'TCP' : 'UDP'
  return !servers.some((one) => one[1] === address && one[2] === port && one[3] === protocol)
}

/** Left out, and why. */
const others: Readonly<Record<string, string>> = {
  'addresses-refused': 'the address of zeros is left out, and the note says so',
  'addresses-wrong': 'keepalived does not start with it',
  article: 'nothing of it is left',
  garbage: 'keepalived does not start with it',
  'group-wrong': 'keepalived does not start with it',
  include: 'keepalived reads the circle without end',
  'fwmark-wrong': 'keepalived makes a service of what is in its memory',
  scripts: 'keepalived does not start with it',
  'scheduler-twos': "the lab's kernels have no such scheduler",
  'persistence-engine': 'a pool has none, and the note says so',
  'sorry-server-inhibit': 'a backup never has weight 0, and the note says so',
  'method-per-server': 'a pool has one method, and the note says so',
  netns: 'keepalived goes to another namespace',
  'same-service-twice': 'one of the two is left out, and the note says so',
  vrrp: 'keepalived goes to another namespace',
}

kernelSuite('keepalived and the import of its file', () => {
  let theirs: Namespace
  let ours: Namespace

  beforeAll(() => {
    theirs = namespace()
    ours = namespace()
  })
  afterAll(() => {
    theirs?.close()
    ours?.close()
  })

  /** Runs keepalived with the file while `look` looks at what it has made. */
  async function keepalived(text: string, look: () => Promise<void>): Promise<void> {
    const file = path.join(theirs.folder, 'keepalived.conf')
    writeFileSync(file, text)
    const child = spawn(
      'ip',
      [
        ...[
          'netns',
          'exec',
          theirs.name,
          'keepalived',
          '--dont-fork',
          '--check',
          '--log-console',
          '--no-syslog',
        ],
        ...[
          `--use-file=${file}`,
          `--pid=${theirs.folder}/pid`,
          `--checkers_pid=${theirs.folder}/checkers`,
        ],
      ],
      { env: keepalivedEnvironment(), stdio: ['ignore', 'ignore', 'pipe'] },
    )
    let said = ''
    child.stderr.on('data', (chunk) => {
      said += chunk
    })
    const ended = once(child, 'close')
    const early = ended.then(() => {
      throw new Error(`keepalived has ended:\n${said}`)
    })
    try {
      await Promise.race([look(), early])
    } finally {
      early.catch(() => {})
      child.kill('SIGTERM')
      await ended
      theirs.ipvsadm('-C')
    }
  }

  /** What the pools of the document make, with some servers down. */
  async function imported(text: string, down: readonly string[] = []): Promise<string[]> {
    const { text: yaml } = importKeepalived(text, { file: 'keepalived.conf', id: 'nobody' })
    const config = await readConfig(yaml)
    const ipvs = await ours.open()
    const pools: MirroredPool[] = []
    try {
      for (const { options, servers, backup } of config.pools) {
        const opened = await MirroredPool.open(ipvs, {
          ...options,
          servers: servers.map(({ server }) => server),
          backup: backup.map(({ server }) => server),
        })
        pools.push(opened)
        for (const server of down) await opened.down(server)
      }
      return ours.rules()
    } finally {
      await Promise.all(pools.map((pool) => pool.close()))
      await ipvs.flush()
      await ipvs.close()
    }
  }

  describe('with all servers up', () => {
    test.each(names.filter((name) => !Object.hasOwn(others, name)))('%s', async (name) => {
      const text = unchecked(textOf(name))
      const all = await imported(text)
      // notify_up is not called at the start: the twins are there only with us.
      const wanted = /^(article|trick)-/.test(name)
        ? all.filter((rule) => !isTwin(rule, text))
        : all
      if (wanted.length === 0) return
      await keepalived(text, async () => {
        await expect.poll(() => theirs.rules(), { timeout: 5_000 }).toEqual(wanted)
      })
    })
  })

  describe('what keepalived does not know', () => {
    /** Left out, and why. */
    const unread: Readonly<Record<string, string>> = {
      'addresses-wrong': 'it does not get to its end',
      article: 'it skips what is noted here',
      braces: 'its processes for VRRP complain of a virtual server without a brace',
      garbage: 'it does not get to its end',
      'group-wrong': 'it does not get to its end',
      include: 'it reads the circle without end',
      parameters: "Debian's spoils a line in which a value is shorter than its name",
      scripts: 'it does not get to its end',
    }
    /** Debian's is older than these. */
    const newer = ['sni_name', 'tls_compliant']

    test.each(names.filter((name) => !Object.hasOwn(unread, name)))('%s', (name) => {
      const text = textOf(name)
      const file = path.join(theirs.folder, 'test.conf')
      writeFileSync(file, text)
      const { stderr } = spawnSync('keepalived', ['-t', '-i', 'nobody', '-f', file], {
        env: keepalivedEnvironment(),
        encoding: 'utf8',
      })
      // The process that checks names the file.
      const complaint = /test\.conf: Line (\d+)\) Un(?:known keyword '(.*)'|expected '(\{)')/g
      const unknown = [...stderr.matchAll(complaint)]
        .map(([, line, word, brace]) => `${line} ${word ?? brace}`)
        .filter((one) => !newer.some((word) => one.endsWith(` ${word}`)))
      const { notes } = importKeepalived(text, { file, id: 'nobody' })
      const told = notes
        .filter(({ message }) =>
          /no such word|keepalived ignores (this|the) brace|no block that it could/.test(message),
        )
        .map(({ line, word }) => `${line} ${word}`)
      expect(new Set(told)).toEqual(new Set(unknown))
    })
  })

  describe('with one server dead', () => {
    const alive = (address: string) => `  real_server ${address} 80 {\n    weight 1\n  }\n`
    const dead = (address: string, more = '') => `  real_server ${address} 80 {
    weight 1
    ${more}
    TCP_CHECK {
      connect_ip 127.0.0.1
      connect_port 9
      warmup 0
      delay_loop 60
    }
  }
`
    const service = (servers: string, more = '') =>
      `virtual_server 192.0.2.80 80 {\n  lb_algo wrr\n  lb_kind DR\n  protocol TCP\n${more}${servers}}\n`
    const sorry = '  sorry_server 10.9.9.9 80\n'
    const [one, two] = ['10.1.0.1', '10.1.0.2']

    test.each([
      ['it is removed', service(alive(one) + dead(two))],
      ['it is quiesced', service(alive(one) + dead(two, 'inhibit_on_failure'))],
      ['nobody is left', service(dead(two))],
      ['the sorry server comes', service(dead(two), sorry)],
      ['the sorry server is not needed', service(alive(one) + dead(two), sorry)],
      ['the quorum is lost', service(alive(one) + dead(two), '  quorum 2\n')],
      [
        'the quorum is lost, and the sorry server comes',
        service(alive(one) + dead(two), `  quorum 2\n${sorry}`),
      ],
      [
        'the quorum is kept by hysteresis',
        service(alive(one) + dead(two), `  quorum 2\n  hysteresis 1\n${sorry}`),
      ],
    ])('%s', async (_, text) => {
      const wanted = await imported(text, [two])
      expect(wanted.join('\n')).not.toMatch(/-r 10\.1\.0\.2:80 -g -w 1/)
      await keepalived(text, async () => {
        await expect.poll(() => theirs.rules(), { timeout: 60_000 }).toEqual(wanted)
      })
    })
  })
})
