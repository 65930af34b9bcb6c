import { parseArgs } from 'node:util'
import { runInLab } from './guest/host.js'

const usage = `Runs a command on a Linux kernel that has IPVS, as root, with this checkout visible.

    npm run lab -- [--kernel 6.12] [--memory 2048M] [--cpu N] [--timeout SECONDS] COMMAND ARG...
    npm run lab                       a shell inside (needs a terminal)

    npm run lab -- ipvsadm -Ln
    npm run lab -- sh -c 'ip netns add a && ip netns list'

--kernel (or IPVS_LAB_KERNEL): 6.1, 6.12 or 7.2; left out, that of this machine's Debian (12: 6.1).
IPVS_KERNEL=host runs it on this machine's own kernel instead (root only). See docs/lab.md.
`

/** Our options end at the first word that is not one; the rest is the command's, untouched. */
function splitArguments(words: string[]): { own: string[]; command: string[] } {
  let at = 0
  while (at < words.length && words[at]!.startsWith('-')) {
    if (words[at] === '--') return { own: words.slice(0, at), command: words.slice(at + 1) }
    at += words[at]!.includes('=') || words[at] === '--help' ? 1 : 2
  }
  return { own: words.slice(0, at), command: words.slice(at) }
}

async function main(): Promise<number> {
  const { own, command } = splitArguments(process.argv.slice(2))
  const { values } = parseArgs({
    args: own,
    options: {
      kernel: { type: 'string' },
      memory: { type: 'string' },
      cpu: { type: 'string' },
      timeout: { type: 'string' },
      help: { type: 'boolean' },
    },
  })
  if (values.memory !== undefined && !/^\d+[KMG]$/i.test(values.memory)) {
    throw new Error(`--memory ${values.memory} is not a size; write it like 2048M.`)
  }
  for (const name of ['cpu', 'timeout'] as const) {
    const value = values[name]
    if (value !== undefined && !/^\d+$/.test(value)) {
      throw new Error(`--${name} ${value} is not a whole number.`)
    }
  }
  const shell = command.length === 0 && process.stdin.isTTY && process.stdout.isTTY
  if (values.help || (command.length === 0 && !shell)) {
    process.stdout.write(usage)
    return values.help ? 0 : 2
  }
  return runInLab(shell ? ['bash', '--norc'] : command, {
    // npm runs us in the checkout; INIT_CWD is where the user called it.
    cwd: process.env.INIT_CWD ?? process.cwd(),
    kernel: values.kernel,
    memory: values.memory,
    cpu: values.cpu === undefined ? undefined : Number(values.cpu),
    timeout: values.timeout === undefined ? undefined : Number(values.timeout) * 1000,
    env: shell ? { ...process.env, PS1: 'ipvs-lab:\\w# ' } : process.env,
  })
}

try {
  process.exitCode = await main()
} catch (error) {
  process.stderr.write(`lab: ${error instanceof Error ? error.message : error}\n`)
  process.exitCode = 1
}
