import { runCommand, text, whole } from './command.js'
import { runInLab } from './guest/host.js'

const usage = `Runs a command on a Linux kernel that has IPVS, as root, with this checkout visible.

    npm run lab -- [--kernel 6.12] [--memory 2048M] [--cpu N] [--timeout SECONDS] COMMAND ARG...
    npm run lab                       a shell inside (needs a terminal)

    npm run lab -- ipvsadm -Ln
    npm run lab -- sh -c 'ip netns add a && ip netns list'

--kernel (or IPVS_LAB_KERNEL): 6.1, 6.12 or 7.2; left out, 7.2.
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

const { own, command } = splitArguments(process.argv.slice(2))
const shell = command.length === 0 && process.stdin.isTTY && process.stdout.isTTY

await runCommand(
  {
    name: 'lab',
    usage,
    options: {
      kernel: text,
      memory: text,
      cpu: whole(undefined, 0, 4095),
      timeout: whole(undefined, 1, 1_000_000),
    },
    run: async ({ kernel, memory, cpu, timeout }) => {
      if (memory !== undefined && !/^\d+[KMG]$/i.test(memory)) {
        throw new Error(`--memory ${memory} is not a size; write it like 2048M.`)
      }
      if (command.length === 0 && !shell) {
        process.stdout.write(usage)
        return 2
      }
      return runInLab(shell ? ['bash', '--norc'] : command, {
        // npm runs us in the checkout; INIT_CWD is where the user called it.
        cwd: process.env.INIT_CWD ?? process.cwd(),
        kernel,
        memory,
        cpu,
        timeout: timeout && timeout * 1000,
        input: true,
        env: shell ? { ...process.env, PS1: 'ipvs-lab:\\w# ' } : process.env,
      })
    },
  },
  own,
)
