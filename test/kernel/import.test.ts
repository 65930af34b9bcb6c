// keepalived is the judge of the importer: with the same file, it and the pools of the imported document leave the same table.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { kernelSuite } from '../../lab/guest/suite.js'
import { keepalivedEnvironment } from '../../lab/keepalived.js'
import { importKeepalived, type JsonMap } from '../../src/import/index.js'
import { MirroredPool, type MirroredPoolOptions } from '../../src/pool/index.js'
import { poolOptions } from '../unit/import/pools.js'
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

/**
 * Left out: what keepalived does not start with or not end of (article, garbage, group-wrong, addresses-wrong, include), what it has
 * forgotten or mixes (see the notes), and what depends on another file or machine.
 */
const others = new Set([
  'addresses-wrong',
  'alpha',
  'article',
  'braces',
  'garbage',
  'group-wrong',
  'include',
  'misspelt-check',
  'netns',
  'vrrp',
])

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
    const { document } = importKeepalived(text, { file: 'keepalived.conf', id: 'nobody' })
    const ipvs = await ours.open()
    const pools: MirroredPool[] = []
    try {
      for (const pool of Object.values(document.pools as JsonMap)) {
        const options = poolOptions(pool as JsonMap) as unknown as MirroredPoolOptions
        const opened = await MirroredPool.open(ipvs, options)
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
    test.each(names.filter((name) => !others.has(name)))('%s', async (name) => {
      const text = unchecked(textOf(name))
      const wanted = await imported(text)
      if (wanted.length === 0) return
      await keepalived(text, async () => {
        await expect.poll(() => theirs.rules(), { timeout: 15_000 }).toEqual(wanted)
      })
    })
  })
  void createServer
})
