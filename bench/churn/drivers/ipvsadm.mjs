// node ipvsadm.mjs fork|restore each|bulk|load|read FILE
// What people do without a library: run ipvsadm. fork: once per change. restore: `ipvsadm --restore` with the lines of
// an operation, or with all of them.
import { spawnSync } from 'node:child_process'
import { drive } from './workload.mjs'

/** What it printed. Its status alone does not do: that of --restore is its last line's. */
function ipvsadm(words, input = '') {
  const options = { input, encoding: 'utf8', maxBuffer: 256 << 20 }
  const { error, status, stdout, stderr } = spawnSync('ipvsadm', words, options)
  if (error) throw error
  if (status !== 0 || stderr !== '') {
    const first = stderr.trim().split('\n')[0]
    throw new Error(`ipvsadm ${words.join(' ')}: ${first} (exit status ${status})`)
  }
  return stdout
}

function fork(changes) {
  for (const { line, words } of changes) {
    try {
      ipvsadm(words)
    } catch (error) {
      throw new Error(`line ${line}: ${error.message}`)
    }
  }
}

/** It goes on after a change that the kernel refuses, and does not say which that was. */
function restore(changes) {
  if (changes.length === 0) return
  try {
    ipvsadm(['--restore'], changes.map(({ words }) => `${words.join(' ')}\n`).join(''))
  } catch (error) {
    throw new Error(`lines ${changes[0].line} to ${changes.at(-1).line}: ${error.message}`)
  }
}

function read() {
  const destinations = []
  for (const text of ipvsadm(['-S', '-n']).split('\n')) {
    if (!text.startsWith('-a')) continue
    const found = /-r (\S+):(\d+) .*-w (\d+)/.exec(text)
    if (!found) throw new Error(`cannot read "${text}"`)
    destinations.push({ address: found[1], port: Number(found[2]), weight: Number(found[3]) })
  }
  return destinations.length
}

await drive({
  fork: () => ({ each: fork, bulk: fork, read }),
  restore: () => ({ each: restore, bulk: restore, read }),
})
