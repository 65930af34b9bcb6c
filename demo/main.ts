// npm run demo: starts the play (play.ts) on a kernel that has IPVS, as root.
import { fileURLToPath } from 'node:url'
import { flag, runCommand, runOnIpvs, whole } from '../lab/command.js'
import type { Plan } from './play.js'

const usage = `A director with IPVS, three DNS servers that fail and recover, and clients that must not notice.

    npm run demo [-- --json] [--sabotage] [--seconds N]

    --json       the last line of stdout is the result as one JSON object; the rest goes to stderr
    --sabotage   the UDP half of every flip is dropped: has to be noticed, and to fail
    --seconds N  how long each phase goes on after its flip (3)

Exit status 0: all held. 1: something did not, and the last lines say what. 75: this machine was too busy to tell.
It runs on the lab's kernel; IPVS_KERNEL=host (as root) takes this machine's own. See docs/lab.md.
`

await runCommand({
  name: 'demo',
  usage,
  options: { json: flag, sabotage: flag, seconds: whole(3, 1, 999) },
  run: (options) => {
    const color = wantsColor(options.json ? process.stderr : process.stdout)
    const plan: Plan = { ...options, color, startedAt: Date.now() }
    return runOnIpvs({
      file: fileURLToPath(new URL('./play.js', import.meta.url)),
      plan,
      // Six phases, each with a flip.
      seconds: 6 * (options.seconds + 8),
    })
  },
})

/** Inside the guest, output is a pipe: whether it ends in a terminal is known here only. */
function wantsColor(stream: NodeJS.WriteStream): boolean {
  const forced = process.env.FORCE_COLOR
  if (forced !== undefined) return forced !== '0' && forced !== 'false'
  return stream.isTTY === true && !process.env.NO_COLOR
}
