// Traces of other programs that write the table.
import { spawnSync } from 'node:child_process'
import { readdirSync, readFileSync, readlinkSync } from 'node:fs'
import type { Owner } from '../facts.js'

/** As /proc/PID/comm has them, at most 15 bytes. */
const PROGRAMS = ['keepalived', 'kube-proxy', 'kube-router', 'ldirectord', 'surealived', 'nanny']

/** One of each. Those of other network namespaces have tables of their own. */
export function readProcesses(): Owner[] {
  const ours = readlinkSync('/proc/self/ns/net')
  const found = new Map<string, Owner>()
  for (const pid of readdirSync('/proc')) {
    if (!/^\d+$/.test(pid)) continue
    const program = unlessGone(() => readFileSync(`/proc/${pid}/comm`, 'utf8').trim())
    if (program === undefined || !PROGRAMS.includes(program) || found.has(program)) continue
    if (unlessGone(() => readlinkSync(`/proc/${pid}/ns/net`)) === ours)
      found.set(program, { program, trace: `process ${pid}` })
  }
  return [...found.values()]
}

function unlessGone(read: () => string): string | undefined {
  try {
    return read()
  } catch (error) {
    if (['ENOENT', 'ESRCH'].includes((error as NodeJS.ErrnoException).code ?? '')) return undefined
    throw error
  }
}

const SETS = [
  { program: 'kube-proxy', pattern: /^KUBE-(CLUSTER-IP|LOOP-BACK|NODE-PORT\S*)$/ },
  { program: 'kube-router', pattern: /^(inet6:)?kube-router-\S+$/ },
]

/** Names of ipsets. kube-proxy has those only when it uses IPVS. */
export function readSets(): Owner[] {
  return owners('ipset', ['list', '-n'], SETS, 'set')
}

const CHAINS = [{ program: 'kube-router', pattern: /^:?(KUBE-ROUTER-SERVICES)\b.*$/ }]

export function readChains(): Owner[] {
  return owners('iptables-save', ['-t', 'filter'], CHAINS, 'chain')
}

function owners(
  program: string,
  words: readonly string[],
  traces: readonly { readonly program: string; readonly pattern: RegExp }[],
  what: string,
): Owner[] {
  const lines = run(program, words).split('\n')
  return traces.flatMap(({ program, pattern }) => {
    const found = lines.map((line) => pattern.exec(line)).find((match) => match !== null)
    return found ? [{ program, trace: `${what} ${(found[1] ?? found[0]).replace(/^:/, '')}` }] : []
  })
}

function run(program: string, words: readonly string[]): string {
  const { error, status, stdout, stderr } = spawnSync(program, words, {
    encoding: 'utf8',
    timeout: 10_000,
    maxBuffer: 64 * 2 ** 20,
  })
  if ((error as NodeJS.ErrnoException | undefined)?.code === 'ENOENT')
    throw new Error(`there is no program ${program} here`)
  if (error !== undefined) throw error
  if (status !== 0)
    throw new Error(`${program}: ${stderr.trim().split('\n')[0] ?? `status ${status}`}`)
  return stdout
}
