import { spawn, spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { constants } from 'node:os'
import { type GuestOptions, labTools, runInGuest } from './boot.js'

/** Runs the command where `IPVS_KERNEL` says: in the lab's guest, or (`host`) on our own kernel. */
export function runInLab(command: string[], options: GuestOptions = {}): Promise<number> {
  const choice = process.env.IPVS_KERNEL ?? ''
  if (choice === '' || choice === 'lab') return runInGuest(command, options)
  if (choice === 'host') return runOnHost(command, options)
  throw new Error(`IPVS_KERNEL is "${choice}"; it can be "lab" (the default) or "host".`)
}

/** Why this machine's own kernel cannot be used, or undefined when it can. */
export function hostKernelProblem(): string | undefined {
  if (process.getuid?.() !== 0) {
    return 'IPVS_KERNEL=host needs root: IPVS can be programmed by root only. Run as root, or leave IPVS_KERNEL out.'
  }
  if (!existsSync('/proc/net/ip_vs')) spawnSync('modprobe', ['ip_vs'], { env: hostEnvironment() })
  if (!existsSync('/proc/net/ip_vs')) {
    return 'This machine’s kernel has no IPVS: no /proc/net/ip_vs, and `modprobe ip_vs` did not bring it. Leave IPVS_KERNEL out to use the lab’s own kernel.'
  }
  const unshare = spawnSync('unshare', ['--net', '--mount', 'true'], { encoding: 'utf8' })
  if (unshare.status !== 0) {
    return `IPVS_KERNEL=host needs to make network and mount namespaces, and may not here: ${unshare.error?.message ?? unshare.stderr.trim()}`
  }
  return undefined
}

/** In new network and mount namespaces: the host's own IPVS table and `ip netns` names stay as they are. */
export async function runOnHost(command: string[], options: GuestOptions = {}): Promise<number> {
  const problem = hostKernelProblem()
  if (problem !== undefined) throw new Error(problem)
  const prepare =
    'mkdir -p /run/netns && mount -t tmpfs netns /run/netns && ip link set lo up && exec "$@"'
  const child = spawn('unshare', ['--net', '--mount', 'sh', '-c', prepare, 'sh', ...command], {
    cwd: options.cwd,
    env: { ...(options.env ?? process.env), ...hostEnvironment(options.env) },
    stdio: ['inherit', options.stdout ? 'pipe' : 'inherit', options.stderr ? 'pipe' : 'inherit'],
    timeout: options.timeout,
  })
  if (options.stdout) child.stdout!.pipe(options.stdout, { end: false })
  if (options.stderr) child.stderr!.pipe(options.stderr, { end: false })
  // ^C reaches the command by itself; we stay to report how it ended.
  const forward = (signal: NodeJS.Signals) => {
    if (signal !== 'SIGINT') child.kill(signal)
  }
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const
  for (const signal of signals) process.on(signal, forward)
  const started = Date.now()
  try {
    return await new Promise<number>((resolve, reject) => {
      child.on('error', reject)
      child.on('close', (code, signal) => {
        const late = options.timeout !== undefined && Date.now() - started >= options.timeout
        if (late)
          process.stderr.write(`lab: "${command.join(' ')}" did not end in time; stopped.\n`)
        resolve(late ? 124 : (code ?? 128 + constants.signals[signal!]))
      })
    })
  } finally {
    for (const signal of signals) process.off(signal, forward)
  }
}

const hostEnvironment = (env: NodeJS.ProcessEnv = process.env): NodeJS.ProcessEnv => ({
  ...env,
  ...labTools(env),
})
