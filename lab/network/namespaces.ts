// Network namespaces: made with `ip`, and programs that run in them.
import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { promisify } from 'node:util'

/** Runs a program to its end and gives its output; an error shows what it said. */
export async function run(program: string, args: readonly string[], input = ''): Promise<string> {
  const running = promisify(execFile)(program, [...args])
  running.child.stdin?.on('error', () => {}).end(input)
  try {
    return (await running).stdout
  } catch (error) {
    const { stderr = '', message } = error as Error & { stderr?: string }
    const given = input === '' ? '' : `\nIts input was:\n${input}`
    throw new Error(
      `"${program} ${args.join(' ')}" failed: ${stderr.trim() || message}${given}\n` +
        'This needs root and a kernel with network namespaces, veth, bridge and ip_vs.',
    )
  }
}

/** Commands of `ip`, all in one process; in a namespace, if one is named. */
export async function ip(namespace: string | undefined, lines: readonly string[]): Promise<void> {
  const where = namespace === undefined ? [] : ['-n', namespace]
  await run('ip', [...where, '-batch', '-'], `${lines.join('\n')}\n`)
}

/** Runs a program in a namespace to its end and gives its output. */
export const runIn = (namespace: string, words: readonly string[]): Promise<string> =>
  run('nsenter', inside(namespace, words))

/** Writes settings of a namespace; the script runs in its /proc/sys/net/ipv4. */
export async function set(namespace: string, script: string): Promise<void> {
  await runIn(namespace, ['sh', '-e', '-c', `cd /proc/sys/net/ipv4; ${script}`])
}

/** Whatever is left in them is gone with them; those that are not there are no error. */
export async function removeNamespaces(names: readonly string[]): Promise<void> {
  const lines = names.map((name) => `netns del ${name}\n`)
  await run('ip', ['-force', '-batch', '-'], lines.join('')).catch(() => {})
}

// As `ip netns exec` does, without the mounts that make it slow.
const inside = (namespace: string | undefined, words: readonly string[]) => [
  ...(namespace === undefined ? [] : [`--net=/run/netns/${namespace}`]),
  ...words,
]

/** Starts a program in a namespace, or in ours; `nsenter` becomes the program, so the pid is its own. */
export function startIn(namespace: string | undefined, words: readonly string[]): ChildProcess {
  const child = spawn('nsenter', inside(namespace, words), {
    // A group of its own, see endGroup().
    detached: true,
    stdio: ['pipe', 'pipe', 'pipe'],
  })
  started.add(child)
  child.once('close', () => started.delete(child))
  child.stdin.on('error', () => {})
  return child
}

const started = new Set<ChildProcess>()

/** Ends it with all it has started: dnsmasq has a process of its own for each TCP connection. */
export function endGroup({ pid }: ChildProcess): void {
  try {
    if (pid !== undefined) process.kill(-pid, 'SIGKILL')
  } catch {
    // Already gone.
  }
}

/** On a host's own kernel nothing else ends them. */
export function endAll(): void {
  for (const child of started) endGroup(child)
}
